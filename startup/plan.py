"""Rehearsing the pending migrations in a transaction that is rolled back."""

from startup import defaults, heal
from startup.apply import rehearse
from startup.catalog import State, question, table_of, type_of
from startup.migrations import MigrationFile, pending
from startup.verification import compare


def rehearse_all(connection, state: State, files: list[MigrationFile], optional: list[MigrationFile]) -> None:
    """Print what a start would do, and the locks that it would take on tables that are there already.

    Raises MigrationFailedError for what would fail, LockTimeoutError while somebody else migrates.
    """
    todo = pending(state.applied, files)
    with connection.cursor() as cursor:
        cursor.execute(question("session"), {"schema": state.schema, "seconds": 60})
    tables = {table_of(name) for name in state.objects if type_of(name) == "table"}
    rehearsed = dict(rehearse(connection, state.schema, [file for file in todo if file.transactional], tables))
    for file in todo:
        if file in rehearsed:
            print(
                f"{file.id}: would be applied; {', '.join(rehearsed[file]) or 'locks no table that is there already'}"
            )
        else:
            print(f"{file.id}: would be applied outside a transaction; readers and writers go on")
    for file in pending(state.applied, optional, state.fulfilled):
        print(f"{file.id}: would be tried (optional)")
    defaults_are_there = "defaults" in state.marks and not defaults.missing(state)
    if not defaults_are_there:
        print("The defaults that are missing would be inserted")
    damaged = heal.targets(compare(state), files, ("error", "warning")) if not todo else []
    if damaged:
        print(f"{len(damaged)} differences would be healed by replaying the migrations, under ACCESS EXCLUSIVE locks:")
        print("\n".join(f"  {found.kind} {found.object}" for found in damaged))
    elif not todo and defaults_are_there:
        print("Nothing is pending")
