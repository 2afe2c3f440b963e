"""The row of settings as administrators change it, and the logo of the company.

Where several rows are there, the one with the lowest id is the row; where there is none, saving makes one.
"""

import hashlib
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor


class Row(NamedTuple):
    """The settings: `version` changes with every change of the row, and is '' where there is no row yet."""

    version: str
    values: dict[str, Any]


def read(cursor: Cursor, lock: bool = False) -> Row:
    """Return the whole row but for id and times; with `lock`, nobody else changes it until the transaction ends."""
    # Two who save the first row at once would make two.
    if lock:
        cursor.execute("LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE")
    cursor.execute("SELECT * FROM settings ORDER BY id LIMIT 1")
    row = cursor.fetchone()
    if row is None:
        return Row("", {})
    values = dict(zip((column.name for column in cursor.description), row, strict=True))
    version = values["updated_at"].isoformat()
    return Row(
        version, {name: value for name, value in values.items() if name not in ("id", "created_at", "updated_at")}
    )


def save(cursor: Cursor, values: dict[str, Any]) -> None:
    """Change the row to `values`, which name every column that the form has; make it first where there is none."""
    cursor.execute(
        "INSERT INTO settings (id) SELECT nextval(pg_get_serial_sequence('settings', 'id')) "
        "WHERE NOT EXISTS (SELECT FROM settings)"
    )
    cursor.execute(
        """
        UPDATE settings
        SET timezone = %(timezone)s,
            currency = %(currency)s,
            rounding_minutes = %(rounding_minutes)s,
            single_active_timer = %(single_active_timer)s,
            allow_self_register = %(allow_self_register)s,
            idle_timeout_minutes = %(idle_timeout_minutes)s,
            backup_retention_days = %(backup_retention_days)s,
            backup_time = %(backup_time)s,
            export_delimiter = %(export_delimiter)s,
            allow_analytics = %(allow_analytics)s,
            company_name = %(company_name)s,
            company_address = %(company_address)s,
            company_email = %(company_email)s,
            company_phone = %(company_phone)s,
            company_website = %(company_website)s,
            company_tax_id = %(company_tax_id)s,
            company_bank_info = %(company_bank_info)s,
            invoice_prefix = %(invoice_prefix)s,
            invoice_start_number = %(invoice_start_number)s,
            invoice_terms = %(invoice_terms)s,
            invoice_notes = %(invoice_notes)s
        WHERE id = (SELECT min(id) FROM settings)
        """,
        values,
    )


def save_logo(cursor: Cursor, filename: str, png: bytes) -> None:
    """Keep the logo, instead of an earlier one, its hash, by which its address changes, and the name of its file."""
    cursor.execute(
        """
        INSERT INTO company_logo (id, png, png_sha256)
        VALUES (1, %s, %s)
        ON CONFLICT (id) DO UPDATE
        SET png = EXCLUDED.png, png_sha256 = EXCLUDED.png_sha256
        """,
        (png, hashlib.sha256(png).digest()),
    )
    _name_logo(cursor, filename)


def remove_logo(cursor: Cursor) -> None:
    """Forget the logo."""
    cursor.execute("DELETE FROM company_logo")
    _name_logo(cursor, "")


def logo(cursor: Cursor) -> bytes | None:
    """Return the logo as PNG, None when there is none."""
    cursor.execute("SELECT png FROM company_logo ORDER BY id LIMIT 1")
    row = cursor.fetchone()
    return bytes(row[0]) if row else None


def _name_logo(cursor: Cursor, filename: str) -> None:
    # The settings have no other version for it: a form that lies open elsewhere is not of the logo.
    cursor.execute("SELECT set_config('timetracker.keep_updated_at', 'on', true)")
    cursor.execute(
        "UPDATE settings SET company_logo_filename = %s WHERE id = (SELECT min(id) FROM settings)", (filename,)
    )
