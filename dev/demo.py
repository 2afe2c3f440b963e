"""`make demo`: a database with a believable company, five years of it, to look around in and to measure on.

usage: python dev/demo.py [ENTRIES]

Fills the database of DATABASE_URL, which was migrated and is still empty but for the defaults; one that has been filled
before is left as it is. The same number of entries gives the same company, up to yesterday.
"""

import datetime
import os
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg2
import psycopg2.sql

ENTRIES = 1_000_000


def main(arguments: list[str]) -> None:
    """Fill the database and say what is in it."""
    entries = int(arguments[0]) if arguments else ENTRIES
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection:
        if count(connection, "time_entries") == 0:
            fill(connection, entries, datetime.date.today())
        print(
            f"{count(connection, 'users')} people, {count(connection, 'projects')} projects,"
            f" {count(connection, 'time_entries'):,} time entries. Administrators: admin and giulia."
        )


def fill(connection, entries: int, today: datetime.date) -> None:
    """Insert the company, about `entries` time entries up to the day before `today`, in one transaction."""
    began = time.perf_counter()
    with connection, connection.cursor() as cursor:
        cursor.execute(Path(__file__).with_suffix(".sql").read_text("ascii"), {"entries": entries, "today": today})
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(f"Made a company in {time.perf_counter() - began:.0f} s.")


def count(connection, table: str) -> int:
    """Return the number of rows of a table."""
    with connection.cursor() as cursor:
        cursor.execute(psycopg2.sql.SQL("SELECT count(*) FROM {}").format(psycopg2.sql.Identifier(table)))
        return cursor.fetchone()[0]


if __name__ == "__main__":
    main(sys.argv[1:])
