"""Somebody who is in the way of a migration."""

import contextlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

# Whether a session of this database waits for somebody's lock.
SOMEBODY_WAITS = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextlib.contextmanager
def transaction(database: Any, statement: str = "SELECT FROM projects", user: str | None = None) -> Iterator[Any]:
    """Lend a cursor in the middle of a transaction, of an application called psql, that has run a statement."""
    with closing(database.connect(user)) as connection, connection.cursor() as cursor:
        cursor.execute("SET application_name = 'psql'")
        cursor.execute(f"BEGIN; {statement}")
        yield cursor


def lines_with(stderr: str, text: str) -> list[str]:
    """Return what the lines of a start with this text say, without their time."""
    return [line.partition(" ")[2] for line in stderr.splitlines() if text in line]
