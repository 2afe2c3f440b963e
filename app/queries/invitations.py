"""Invitations: links by which people set a password. `make` is what `runner.py invite` does too."""

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from startup.invitation import hash_of, make

__all__ = ["Invitation", "find", "make", "use"]


class Invitation(NamedTuple):
    """Whom a link invites; `is_valid` says whether it still does."""

    id: int
    user_id: int
    username: str
    is_valid: bool


def find(cursor: Cursor, token: str, now: datetime) -> Invitation | None:
    """Return the invitation behind `token` as it is at the moment `now` (UTC, no zone); None where there is none."""
    cursor.execute(
        """
        SELECT invitation.id, users.id, users.username,
            invitation.used_at IS NULL AND invitation.expires_at > %(now)s AND users.is_active
        FROM sign_in_invitations AS invitation
        JOIN users ON users.id = invitation.user_id
        WHERE invitation.token_sha256 = %(hash)s
        """,
        {"hash": hash_of(token), "now": now},
    )
    row = cursor.fetchone()
    return Invitation(*row) if row else None


def use(cursor: Cursor, invitation_id: int, now: datetime) -> bool:
    """Use the invitation up, and tell whether nobody was quicker; a second one waits until the first has ended."""
    cursor.execute(
        """
        UPDATE sign_in_invitations
        SET used_at = %(now)s
        WHERE id = %(id)s AND used_at IS NULL AND expires_at > %(now)s
            AND EXISTS (SELECT FROM users WHERE users.id = user_id AND is_active)
        """,
        {"id": invitation_id, "now": now},
    )
    return cursor.rowcount == 1
