"""The adoption report: what was found in a database of the predecessor, done, left alone, and is left to decide."""

import json
from collections import namedtuple

from startup import log
from startup.catalog import State
from startup.errors import DatabaseUnusableError

Row = namedtuple("Row", ["step", "object", "rows", "detail"])

# The steps in the order in which they are read, and how loudly a start tells them.
LEVELS = {"found": "info", "done": "info", "left alone": "notice", "to decide": "warning"}


def read_rows(connection, table: str = "adoption_report") -> list[Row]:
    """Read the report; empty where there is no table for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
        if not cursor.fetchone()[0]:
            return []
        cursor.execute(f"SELECT step, object, rows, detail FROM {table} ORDER BY id")  # noqa: S608
        return [Row(*row) for row in cursor.fetchall()]


def read_kept(connection, state: State) -> tuple[str | None, list[Row]]:
    """Give when the adoption was done, in UTC, or None, and the report of it.

    Raises DatabaseUnusableError for a role that may not read it.
    """
    marks, report = state.qualified("startup_marks"), state.qualified("adoption_report")
    if not (state.has_table("startup_marks") and state.has_table("adoption_report")):
        return None, []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege(%s, 'SELECT') AND has_table_privilege(%s, 'SELECT')", (marks, report)
        )
        if not cursor.fetchone()[0]:
            raise DatabaseUnusableError(
                f"Role {state.server['role']} may not read the report of the adoption:"
                f" GRANT SELECT ON {marks}, {report} TO {state.server['quoted role']}"
            )
        cursor.execute(
            f'SELECT to_char(marked_at, \'YYYY-MM-DD"T"HH24:MI:SS"Z"\') FROM {marks}'  # noqa: S608
            " WHERE name = 'adoption' AND value = 'done'"
        )
        row = cursor.fetchone()
    return row and row[0], read_rows(connection, report)


def tell(rows: list[Row]) -> None:
    """Write the report to the log, the steps in their order."""
    for row in _in_order(rows):
        log.write(f"Adoption, {row.step}: {describe_row(row)}", LEVELS.get(row.step, "notice"), **row._asdict())


def print_rows(rows: list[Row], names: dict[str, str] | None = None) -> None:
    """Print the report on stdout, grouped by its steps, which `names` may call otherwise."""
    printed = None
    for row in _in_order(rows):
        if row.step != printed:
            print(f"{(names or {}).get(row.step, row.step).capitalize()}:")
            printed = row.step
        print(f"  {describe_row(row)}")


def print_kept(adopted: str | None, rows: list[Row], as_json: bool) -> None:
    """Print the report that was kept on stdout."""
    if as_json:
        print(json.dumps({"adopted": adopted or False, "report": [row._asdict() for row in rows]}))
    elif adopted:
        print(f"Adopted {adopted.replace('T', ' ').removesuffix('Z')} UTC")
    elif rows:
        print("An adoption was begun by hand and is not done: python runner.py migrate goes on with it")
    else:
        print(
            "Nothing was adopted here: this database has been TimeTracker's own from the beginning, or is not migrated"
        )
    if not as_json:
        print_rows(rows)


def describe_row(row: Row) -> str:
    """One line: the object, how many rows, what about them."""
    count = "" if row.rows is None else f", {row.rows} {'row' if row.rows == 1 else 'rows'}"
    return log.CONTROL_CHARACTERS.sub(" ", f"{row.object}{count}: {row.detail}")


def _in_order(rows: list[Row]) -> list[Row]:
    steps = list(LEVELS)
    return sorted(rows, key=lambda row: steps.index(row.step) if row.step in steps else len(steps))
