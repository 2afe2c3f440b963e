"""What must be true of database, role and files before a start writes anything."""

import re

from startup.catalog import YOYO_TABLES, State, ask, place_of, question, read_snapshot, table_of, type_of
from startup.configuration import Configuration
from startup.differences import width_of
from startup.errors import DatabaseUnusableError, MigrationFailedError
from startup.migrations import TABLES_OF_THE_DOCUMENT, MigrationFile


def require_writable(state: State, setting: str = "DATABASE_URL") -> None:
    """Raise DatabaseUnusableError where nothing can be written, whether or not something is pending.

    `setting` is what the operator gave the database by.
    """
    if problem := read_only(state, setting):
        raise DatabaseUnusableError(problem)


def read_only(state: State, setting: str = "DATABASE_URL") -> str | None:
    """Say why nothing can be written here, and what to do; None where something can."""
    if state.server["standby"] == "true":
        return f"The database is a read-only standby: give {setting} the primary"
    if state.server["read only"] == "on":
        return (
            f"The database of {setting} is read-only (default_transaction_read_only is on): expected one to write to;"
            " ALTER DATABASE ... or ALTER ROLE ... RESET default_transaction_read_only"
        )
    return None


def require_privileges(connection, state: State) -> None:
    """Raise DatabaseUnusableError with one sentence for each thing that keeps this start from migrating."""
    if problems := obstacles(connection, state):
        raise DatabaseUnusableError(*problems)


def require_names(state: State, pending: list[MigrationFile]) -> None:
    """Raise MigrationFailedError where a table that is to be made is there already, and is somebody else's.

    Those of the document are the predecessor's, and adopted. Any other is taken for ours if it has every column that
    the file which makes it names, as where the ledger was lost; what later files add to it may be missing.
    """
    makers = {table: file for file in pending for table in file.tables if table not in TABLES_OF_THE_DOCUMENT}
    there = sorted(table for table in makers if state.has_table(table))
    problems = []
    expected = read_snapshot() if there else {}
    for table in there:
        named = set(re.findall(r"\w+", makers[table].text))
        unlike = [
            f"{column} {definition}"
            for name, definition in expected.items()
            if type_of(name) == "column" and table_of(name) == table
            if (column := place_of(name).partition(".")[2]) in named
            and width_of(definition, state.objects.get(name, [None])[0]) in ("none", "other")
        ]
        if unlike:
            problems.append(
                f"A table {table} is there, and is not TimeTracker's: expected none of that name, or one with the"
                f" columns {', '.join(unlike)}. ALTER TABLE {state.qualified(table)} RENAME TO {table}_of_others, or,"
                " where another program needs that name, give TimeTracker a database of its own"
            )
    if problems:
        raise MigrationFailedError(*problems, "Nothing in the database was changed: mend that, then start again")


def is_pooled(connection, state: State) -> bool:
    """Whether a pooler stands between: the session at the server is then another than libpq was told of."""
    return state.server["backend pid"] != str(connection.info.backend_pid)


def obstacles(connection, state: State) -> list[str]:
    """What keeps this start from writing: a pooler that would give each transaction another session, or privileges."""
    if is_pooled(connection, state):
        return [
            "A pooler stands before the database, and a lock held through it may be lost or left behind: set"
            " MIGRATION_DATABASE_URL, which is used only when something is pending, to one straight to PostgreSQL"
        ]
    return [*_torn_ledger(state), *lacking(connection, state)]


def _torn_ledger(state: State) -> list[str]:
    """Yoyo's tables belong together; with some of them gone it fails half-way. Its first version had but one."""
    needed = {"_yoyo_migration", "_yoyo_log", "_yoyo_version"}
    gone = ", ".join(sorted(name for name in needed if not state.has_table(name)))
    there = ", ".join(sorted(name for name in needed if state.has_table(name)))
    if not gone or not there or (there == "_yoyo_migration" and not state.applied):
        return []
    return [
        f"Yoyo's {gone} is missing while {there} is there: restore it from a backup, or DROP TABLE {there};"
        " all files are then applied anew, which keeps every row"
    ]


def require_secret_key(configuration: Configuration, state: State) -> None:
    """Raise DatabaseUnusableError when the app would have no key to sign its sessions with."""
    if configuration.secret_key is None and not state.has_rows.get("app_secrets"):
        raise DatabaseUnusableError(
            f"Role {state.server['role']} cannot see the secret key in app_secrets: set SECRET_KEY or SECRET_KEY_FILE,"
            f" or GRANT SELECT, UPDATE ON {state.qualified('app_secrets')} TO {state.server['quoted role']}"
        )


def require_usable(state: State) -> None:
    """Raise DatabaseUnusableError when this role may not do with the rows what the app does."""
    if tables := state.server["out of reach"]:
        from shlex import quote  # no start needs it

        role = state.server["role"]
        raise DatabaseUnusableError(
            f"Role {role} may not read and write {tables}: psql -v role={quote(role)} -f sql/roles/app.sql, run as"
            " their owner, grants what the app needs"
        )
    require_readable_ledger(state)


def require_readable_ledger(state: State) -> None:
    """Raise DatabaseUnusableError when this role cannot see which migrations are applied."""
    if state.has_table("_yoyo_migration") and not state.ledger_readable:
        raise DatabaseUnusableError(
            f"Role {state.server['role']} may not read _yoyo_migration, the list of applied migrations:"
            f" GRANT SELECT ON {state.qualified('_yoyo_migration')} TO {state.server['quoted role']}"
        )


def lacking(connection, state: State) -> list[str]:
    """What this role lacks to migrate, a sentence a privilege. Other people's tables do not count."""
    with connection.cursor() as cursor:
        lacks = ask(cursor, question("privileges"), {"schema": state.schema})
    ours = {name if type_of(name) == "function" else f"table {table_of(name)}" for name in read_snapshot()}
    yoyos = {f"table {name}" for name in YOYO_TABLES}
    not_owned = {name: owner for name, _, _, owner in lacks if owner and name in ours}
    needed: dict[str, list[tuple[str, str]]] = {}
    for name, privilege, remedy, owner in lacks:
        if owner:
            relevant = name in ours
        elif name in yoyos:
            relevant = privilege != "UPDATE"
        else:
            relevant = name.startswith("schema ") or (name in ours and name not in not_owned)
        if relevant:
            needed.setdefault(privilege, []).append((name, remedy))

    role, owners = state.server["role"], set(not_owned.values())
    sentences = []
    for privilege, places in needed.items():
        remedy = "; ".join(remedy for _, remedy in places)
        if privilege.startswith("ownership") and len(owners) == 1 and not_owned.keys() >= ours & state.objects.keys():
            # Such as the app's own role: it is rather the login that is wrong than who owns the tables.
            (owner,) = owners
            sentences.insert(
                0,
                f"Role {role} lacks {privilege} on every table and function: connect as {owner}, or set"
                f" MIGRATION_DATABASE_URL to a URL of {owner}; or, to make {role} the owner: {remedy}",
            )
        else:
            sentences.append(f"Role {role} lacks {privilege} on {', '.join(name for name, _ in places)}: {remedy}")
    return sentences
