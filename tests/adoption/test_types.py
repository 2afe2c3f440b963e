"""The types of older columns: which become those of today, which stay, and what is said where neither is possible."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from installation import migration_files

BEFORE, (NAMES, TYPES) = migration_files()[:3], migration_files()[3:5]

# A column of each type that there is today.
COLUMNS = {
    "integer": ("time_entries", "duration_seconds"),
    "numeric(5,2)": ("tasks", "estimated_hours"),
    "numeric(10,2)": ("invoices", "subtotal"),
    "character varying(10)": ("settings", "invoice_prefix"),
    "text": ("projects", "description"),
    "boolean": ("users", "is_active"),
    "date": ("tasks", "due_date"),
    "timestamp without time zone": ("users", "last_login"),
}


class Old:
    """An older database within a transaction that is never committed."""

    def __init__(self, cursor: Any):
        self.cursor = cursor

    def execute(self, sql: str, *parameters: Any) -> None:
        self.cursor.execute(sql, parameters or None)

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        self.cursor.execute(sql, parameters or None)
        return self.cursor.fetchall()

    def make(self, wanted: str, found: str, values: list[str | None], rest: str = "") -> None:
        """Make the table that has a column of the type `wanted` today, with that column as `found`."""
        table, column = COLUMNS[wanted]
        self.execute(f"CREATE TABLE {table} (id serial PRIMARY KEY, {column} {found} {rest})")
        for value in values:
            self.execute(f"INSERT INTO {table} ({column}) VALUES (%s)", value)

    def adopt_types(self) -> None:
        """Run the files up to that of the types."""
        self.execute(NAMES.read_text("ascii"))
        self.execute(TYPES.read_text("ascii"))

    def convert(self) -> None:
        """Run the file of the types again."""
        self.execute(TYPES.read_text("ascii"))

    def type_of(self, table: str, column: str) -> str:
        return self.query(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
            table,
            column,
        )[0][0]

    def values(self, table: str, column: str) -> list[str | None]:
        return [value for (value,) in self.query(f"SELECT {column}::text FROM {table} ORDER BY id")]

    def report(self, step: str, object: str = "%") -> list[tuple[int | None, str]]:
        return self.query(
            "SELECT rows, detail FROM adoption_report WHERE step = %s AND object LIKE %s ORDER BY id", step, object
        )

    def obstacles(self) -> dict[str, str]:
        return dict(self.query("SELECT object, detail FROM adoption_report WHERE step = 'in the way' ORDER BY id"))


@pytest.fixture(scope="module")
def prepared(server: Any) -> Iterator[Any]:
    """A database with the bookkeeping and the functions, and no table of the document."""
    with server.new_database() as lent:
        lent.execute("CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'happy')", user="postgres")
        for path in BEFORE:
            lent.execute(path.read_text("ascii"))
        yield lent


@pytest.fixture
def old(prepared: Any) -> Iterator[Old]:
    """An empty database whose adoption begins; nothing of it is kept."""
    with contextlib.closing(psycopg2.connect(prepared.url)) as connection, connection.cursor() as cursor:
        yield Old(cursor)
        connection.rollback()
