"""Secrets that were generated once and are kept in the database, out of the sight of reader roles."""

from psycopg2.extensions import cursor as Cursor


def secret_key(cursor: Cursor) -> str:
    """Return the key that signs the session cookies. Raises LookupError when this role finds none."""
    cursor.execute("SELECT value FROM app_secrets WHERE name = 'secret_key'")
    row = cursor.fetchone()
    if row is None:
        raise LookupError(
            "app_secrets has no secret_key that this role can see: set SECRET_KEY, "
            "or run `python runner.py migrate` as the owner of the table"
        )
    return row[0]
