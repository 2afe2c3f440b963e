"""The one row of settings."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Settings(NamedTuple):
    """What the row says of time, money and people, and what the frame of each page shows of the company."""

    timezone: str = "UTC"
    currency: str = "EUR"
    rounding_minutes: int = 1
    single_active_timer: bool = True
    allow_self_register: bool = False
    idle_timeout_minutes: int = 30
    export_delimiter: str = ","
    allow_analytics: bool = False
    company_name: str = ""
    logo_version: str | None = None  # changes with the logo; None where there is none


def read(cursor: Cursor) -> Settings:
    """Return the settings; the defaults when there is no row, which give nobody more than a row would."""
    cursor.execute(
        """
        SELECT timezone, currency, rounding_minutes, single_active_timer, allow_self_register, idle_timeout_minutes,
            export_delimiter, allow_analytics, company_name,
            (SELECT left(encode(png_sha256, 'hex'), 12) FROM company_logo ORDER BY id LIMIT 1)
        FROM settings
        ORDER BY id
        LIMIT 1
        """
    )
    row = cursor.fetchone()
    return Settings(*row) if row else Settings()
