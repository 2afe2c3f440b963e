"""Users and their credentials."""

from datetime import datetime
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import cursor as Cursor

from app.queries import sessions

# The class of the advisory locks of names; sign_in_failures has 1 and 2.
NAMES = 3


class Account(NamedTuple):
    """A user as the sign-in sees them; `password_hash` is None for who never set a password."""

    id: int
    username: str
    is_active: bool
    password_hash: str | None


class NameTakenError(Exception):
    """Somebody is called so already, but for case and blanks."""


def account(cursor: Cursor, username: str) -> Account | None:
    """Return the user called `username`: exactly so, or else the only one called so but for case and blanks."""
    cursor.execute(
        """
        SELECT users.id, users.username, users.is_active, sign_in_credentials.password_hash
        FROM users
        LEFT JOIN sign_in_credentials ON sign_in_credentials.user_id = users.id
        WHERE users.username = %(name)s OR lower(btrim(users.username)) = lower(btrim(%(name)s))
        ORDER BY users.username = %(name)s DESC, users.id
        LIMIT 2
        """,
        {"name": username},
    )
    found = [Account(*row) for row in cursor.fetchall()]
    exact = [one for one in found if one.username == username]
    return (exact or found)[0] if len(exact or found) == 1 else None


def holder_of(cursor: Cursor, username: str, except_id: int | None = None) -> int | None:
    """Return the id of somebody else who is called so, but for case and blanks; None where the name is free."""
    cursor.execute(
        """
        SELECT min(id)
        FROM users
        WHERE lower(btrim(username)) = lower(btrim(%s)) AND id IS DISTINCT FROM %s
        """,
        (username, except_id),
    )
    return cursor.fetchone()[0]


def insert(cursor: Cursor, username: str, role: str) -> int:
    """Make a user and return the id. Raises NameTakenError; the transaction is of no use then."""
    _hold_name(cursor, username)
    if holder_of(cursor, username) is not None:
        raise NameTakenError
    try:
        cursor.execute("INSERT INTO users (username, role) VALUES (%s, %s) RETURNING id", (username, role))
    except psycopg2.errors.UniqueViolation:  # by somebody who was quicker
        raise NameTakenError from None
    return cursor.fetchone()[0]


def rename(cursor: Cursor, user_id: int, username: str) -> None:
    """Give the user another name. Raises NameTakenError; the transaction is of no use then."""
    _hold_name(cursor, username)
    if holder_of(cursor, username, except_id=user_id) is not None:
        raise NameTakenError
    try:
        cursor.execute("UPDATE users SET username = %s WHERE id = %s", (username, user_id))
    except psycopg2.errors.UniqueViolation:
        raise NameTakenError from None


def lock(cursor: Cursor, user_id: int) -> None:
    """Lock the user until the transaction ends. Whatever changes sessions, passwords or invitations does this first."""
    cursor.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", (user_id,))


def password_hash(cursor: Cursor, user_id: int) -> str | None:
    """Return the hash of the user's password, None when they have none."""
    cursor.execute("SELECT password_hash FROM sign_in_credentials WHERE user_id = %s", (user_id,))
    row = cursor.fetchone()
    return row[0] if row else None


def set_password(
    cursor: Cursor, user_id: int, password_hash: str, now: datetime, except_session_id: int | None = None
) -> None:
    """Keep the hash of a new password from the moment `now` (UTC, no zone); what the old one opened is closed.

    All sessions of the user but `except_session_id` end, and open invitations are void.
    """
    lock(cursor, user_id)
    _keep_hash(cursor, user_id, password_hash, now)
    cursor.execute("DELETE FROM sign_in_invitations WHERE user_id = %s AND used_at IS NULL", (user_id,))
    sessions.revoke_all(cursor, user_id, except_session_id)


def renew_hash(cursor: Cursor, user_id: int, password_hash: str, outdated: str) -> None:
    """Keep another hash of the same password, unless it was changed meanwhile."""
    cursor.execute(
        "UPDATE sign_in_credentials SET password_hash = %s WHERE user_id = %s AND password_hash = %s",
        (password_hash, user_id, outdated),
    )


def note_sign_in(cursor: Cursor, user_id: int, now: datetime) -> None:
    """Note that the user signed in at the moment `now` (UTC, no zone); their data do not count as edited by that."""
    cursor.execute(
        """
        SELECT set_config('timetracker.keep_updated_at', 'on', true);
        UPDATE users SET last_login = %(now)s WHERE id = %(user)s;
        SELECT set_config('timetracker.keep_updated_at', '', true);
        """,
        {"user": user_id, "now": now},
    )


def _hold_name(cursor: Cursor, username: str) -> None:
    """Let one transaction at a time give that name to somebody, however it is spelled.

    The unique key tells spellings apart: an old database may have users who differ by nothing else.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(lower(btrim(%s))))", (NAMES, username))


def _keep_hash(cursor: Cursor, user_id: int, password_hash: str, now: datetime) -> None:
    cursor.execute(
        """
        INSERT INTO sign_in_credentials (user_id, password_hash, changed_at)
        VALUES (%(user)s, %(hash)s, %(now)s)
        ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, changed_at = excluded.changed_at
        """,
        {"user": user_id, "hash": password_hash, "now": now},
    )
