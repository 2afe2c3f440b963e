"""How one user likes to see things."""

from psycopg2.extensions import cursor as Cursor


def save(cursor: Cursor, user_id: int, time_format: str, date_locale: str, shortcuts: bool) -> None:
    """Keep the preferences of a user."""
    cursor.execute(
        """
        INSERT INTO display_preferences (user_id, time_format, date_locale, shortcuts)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (user_id) DO UPDATE
        SET time_format = EXCLUDED.time_format, date_locale = EXCLUDED.date_locale, shortcuts = EXCLUDED.shortcuts
        """,
        (user_id, time_format, date_locale, shortcuts),
    )


def password_hash(cursor: Cursor, user_id: int) -> str | None:
    """Return the hash of the user's password, None when they have none."""
    cursor.execute("SELECT password_hash FROM sign_in_credentials WHERE user_id = %s", (user_id,))
    row = cursor.fetchone()
    return row[0] if row else None
