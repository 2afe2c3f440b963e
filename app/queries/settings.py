"""The one row of settings."""

from psycopg2.extensions import cursor as Cursor


def time_zone(cursor: Cursor) -> str:
    """Return the name of the time zone in which days begin; UTC when there is no settings row."""
    cursor.execute("SELECT timezone FROM settings ORDER BY id LIMIT 1")
    row = cursor.fetchone()
    return row[0] if row else "UTC"
