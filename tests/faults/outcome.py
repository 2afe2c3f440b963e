"""What a start has made of a database, in a form that two of them can be compared by."""

import contextlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql

from startup.catalog import read_state

TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+")
BEGAN = datetime.now(UTC).replace(tzinfo=None).isoformat()
TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"

Outcome = dict[str, list[str]]


def outcome_of(database: Any, *, numbered: bool = True) -> Outcome:
    """Return the schema as the runner sees it, yoyo's own tables included, and the rows of each table.

    Left out are the times of the test, the secrets themselves and yoyo's random ids. A crash of the server may skip
    numbers of a sequence: without `numbered` the ids of what the defaults insert are left out too.
    """
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        state = read_state(connection)
        outcome = {"schema": sorted(f"{name}: {found}" for name, found in state.objects.items())}
        cursor.execute(TABLES)
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT to_jsonb(row) FROM {} AS row").format(sql.Identifier(table)))
            outcome[table] = sorted(_comparable(table, row, numbered) for (row,) in cursor.fetchall())
    return outcome


def _comparable(table: str, row: dict[str, Any], numbered: bool) -> str:
    if table == "_yoyo_log" or (not numbered and table in ("users", "projects", "settings")):
        del row["id"]
    if table == "app_secrets":
        row["value"] = f"a secret of {len(row['value'])} characters"
    return TIME.sub(lambda time: "then" if time[0] >= BEGAN else time[0], json.dumps(row, sort_keys=True))


def require_same(found: Outcome, expected: Outcome) -> None:
    """See that a database is as the other one, that no lock is left and that no index is half-built."""
    assert found.keys() == expected.keys()
    for name in expected:  # one by one, so that a failure shows what differs
        assert found[name] == expected[name], name
    assert found["yoyo_lock"] == []
    assert not [line for line in found["schema"] if "INVALID" in line]
    applied = [json.loads(row)["migration_id"] for row in found["_yoyo_log"]]
    assert len(applied) == len(set(applied)) == len(found["_yoyo_migration"])
