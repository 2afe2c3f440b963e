"""Rehearsing the pending migrations in a transaction that is rolled back."""

from startup import defaults, heal, log
from startup.apply import rehearse
from startup.catalog import State, question, table_of, type_of
from startup.configuration import Configuration
from startup.differences import Difference
from startup.migrations import MigrationFile, adoption_is_due, pending
from startup.verification import compare


def rehearse_all(
    configuration: Configuration,
    connection,
    state: State,
    files: list[MigrationFile],
    optional: list[MigrationFile],
) -> None:
    """Print what a start would do, and the locks that it would take on tables that are there already.

    Raises MigrationFailedError for what would fail, LockTimeoutError while somebody else migrates.
    """
    todo, within = pending(state.applied, files), {}
    if todo:  # else nothing is set for the session, which may be a pooler's, and other clients' next
        log.write(
            "A rehearsal takes the locks that it tells of while it lasts: run it in a quiet hour, or on a copy of the"
            " database"
        )
        with connection.cursor() as cursor:
            cursor.execute(question("session"), {"schema": state.schema, "seconds": 60})
        rehearse_these = _rehearse_adoption if adoption_is_due(state, files) else _rehearse_files
        within = rehearse_these(configuration, connection, state, todo)
    for file in todo:
        print(f"{file.id}: {within.get(file, 'would be applied outside a transaction; readers and writers go on')}")
    for file in pending(state.applied, optional, state.fulfilled):
        print(f"{file.id}: would be tried (optional)")
    defaults_are_there = "defaults" in state.marks and not defaults.missing(state)
    if not defaults_are_there:
        print("The defaults that are missing would be inserted")
    damaged = heal.targets(connection, compare(state), files, ("error", "warning")) if not todo else []
    if damaged:
        print(f"{heal.count_of(damaged)} {_what_becomes(configuration, damaged, files)}:")
        print("\n".join(f"  {found.kind} {found.object}" for found in damaged))
    elif not todo and defaults_are_there:
        print("Nothing is pending")


def _what_becomes(configuration: Configuration, damaged: list[Difference], files: list[MigrationFile]) -> str:
    """Say what a start would do about differences."""
    if not configuration.heal:
        return "would be left as found, for HEAL=off"
    if all(any(heal.mends_alone(file, found) for file in files) for found in damaged):
        return "would be healed by replaying migrations of their own; readers and writers go on"
    return "would be healed by replaying the migrations, under ACCESS EXCLUSIVE locks"


def _rehearse_files(
    configuration: Configuration, connection, state: State, todo: list[MigrationFile]
) -> dict[MigrationFile, str]:
    """Give what would become of each transactional file."""
    tables = {table_of(name) for name in state.objects if type_of(name) == "table"}
    transactional, seconds = [file for file in todo if file.transactional], configuration.lock_wait_seconds
    rehearsed = rehearse(connection, state.schema, transactional, tables, seconds)
    nothing = "locks no table that is there already"
    return {file: f"would be applied; {', '.join(locks) or nothing}" for file, locks in rehearsed}


def _rehearse_adoption(
    configuration: Configuration, connection, state: State, todo: list[MigrationFile]
) -> dict[MigrationFile, str]:
    """Print what would be reported, and give the same."""
    from startup import adoption, adoption_report, backup  # which most plans do not need

    backup.tell_plan(connection, configuration)
    rehearsed = adoption.rehearse(connection, state, todo, configuration)
    adoption_report.print_rows(rehearsed.report, names={"done": "would be done"})
    tables = ", ".join(rehearsed.tables)
    print(f"All in one transaction, which would begin with ACCESS EXCLUSIVE locks on {tables}:")
    return {file: "would be applied in that transaction" for file, *_ in rehearsed.applied}
