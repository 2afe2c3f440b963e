"""Users and their credentials."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Account(NamedTuple):
    """A user as the sign-in sees them; `password_hash` is None for who never set a password."""

    id: int
    is_active: bool
    password_hash: str | None


def account(cursor: Cursor, username: str) -> Account | None:
    """Return the user called `username`, exactly so."""
    cursor.execute(
        """
        SELECT users.id, is_active, password_hash
        FROM users
        LEFT JOIN sign_in_credentials ON sign_in_credentials.user_id = users.id
        WHERE username = %s
        """,
        (username,),
    )
    row = cursor.fetchone()
    return Account(*row) if row else None
