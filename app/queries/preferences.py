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
