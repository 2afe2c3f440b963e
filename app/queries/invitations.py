"""Invitations: links by which a user sets a password. Only the hash of the token is kept."""

import secrets
from datetime import datetime, timedelta

from psycopg2.extensions import cursor as Cursor

from app.queries.sessions import hash_of

LIFETIME = timedelta(days=7)


def create(cursor: Cursor, user_id: int, now: datetime) -> str:
    """Invite the user at the moment `now` (UTC, no zone) and return the token; earlier invitations become void."""
    token = secrets.token_urlsafe(32)
    cursor.execute("DELETE FROM sign_in_invitations WHERE user_id = %s AND used_at IS NULL", (user_id,))
    cursor.execute(
        "INSERT INTO sign_in_invitations (user_id, token_sha256, created_at, expires_at) VALUES (%s, %s, %s, %s)",
        (user_id, hash_of(token), now, now + LIFETIME),
    )
    return token
