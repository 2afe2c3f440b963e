"""What must be true of database, role and files before a start writes anything."""

from startup.catalog import YOYO_TABLES, State
from startup.errors import DatabaseUnusableError
from startup.verification import read_snapshot, table_of


def require_writable(state: State) -> None:
    """Raise DatabaseUnusableError where nothing can be written, whether or not something is pending."""
    if state.server["standby"] == "true":
        raise DatabaseUnusableError("The database is a read-only standby: give DATABASE_URL the primary")
    if state.server["read only"] == "on":
        raise DatabaseUnusableError(
            "The database is read-only (default_transaction_read_only is on): expected one that can be written;"
            " ALTER DATABASE ... or ALTER ROLE ... RESET default_transaction_read_only"
        )


def require_privileges(connection, state: State) -> None:
    """Raise DatabaseUnusableError with one sentence for each thing that this role may not do."""
    if state.server["backend pid"] != str(connection.info.backend_pid):
        raise DatabaseUnusableError(
            "There is something to migrate, and a pooler in transaction mode stands before the database:"
            " a lock cannot be held through it. Run python runner.py migrate once with a DATABASE_URL that"
            " goes straight to PostgreSQL"
        )
    problems = [
        f"Role {state.server['role']} lacks {privilege} on {name}: {remedy}"
        for name, privilege, remedy in lacking(state)
    ]
    if problems:
        raise DatabaseUnusableError(*problems)


def lacking(state: State) -> list[tuple[str, str, str]]:
    """What this role lacks to migrate: (object, privilege, SQL that grants it). Other people's tables do not count."""
    ours = YOYO_TABLES | {table_of(name) for name in read_snapshot()}
    return [
        (name, privilege, remedy)
        for name, privilege, remedy in state.lacks
        if name.startswith("schema ") or name.removeprefix("table ") in ours
    ]
