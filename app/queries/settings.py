"""The one row of settings."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Settings(NamedTuple):
    """What the row says of time, money and people; the company's data are read where they are shown."""

    timezone: str = "UTC"
    currency: str = "EUR"
    rounding_minutes: int = 1
    single_active_timer: bool = True
    allow_self_register: bool = False
    idle_timeout_minutes: int = 30
    export_delimiter: str = ","
    allow_analytics: bool = False


def read(cursor: Cursor) -> Settings:
    """Return the settings; the defaults when there is no row, which give nobody more than a row would."""
    cursor.execute(
        """
        SELECT timezone, currency, rounding_minutes, single_active_timer, allow_self_register, idle_timeout_minutes,
            export_delimiter, allow_analytics
        FROM settings
        ORDER BY id
        LIMIT 1
        """
    )
    row = cursor.fetchone()
    return Settings(*row) if row else Settings()
