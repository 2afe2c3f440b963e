"""What a new installation starts with: the first administrator, a project, the settings, a secret key."""

import psycopg2

from startup import log
from startup.catalog import State, question
from startup.configuration import Configuration
from startup.errors import MigrationFailedError

TABLES = ["users", "projects", "settings", "app_secrets", "startup_marks"]


def missing(state: State) -> bool:
    """Whether there is anything that insert() would insert."""
    has_secret = state.has_rows.get("app_secrets", True)  # not told to a role that row security keeps out
    done = "defaults" in state.marks and state.has_rows.get("settings") and has_secret
    return not done and all(state.has_table(table) for table in TABLES)


def insert(connection, configuration: Configuration) -> list[str]:
    """Insert what is missing, in one transaction with the mark that it was done; nothing while a table is missing.

    Gives what was inserted, for tell(). The transaction may be the caller's, but no savepoint of one: the SQL knows
    its own rows by the transaction. Raises MigrationFailedError where the database refuses a row.
    """
    values = {"admin_username": configuration.admin_username} | configuration.settings
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s) AS name", (TABLES,))
        if not cursor.fetchone()[0]:
            return []
        try:
            cursor.execute(question("defaults"), values)  # several statements in one message are one transaction
        except psycopg2.IntegrityError as error:
            raise MigrationFailedError(
                f"The defaults could not be inserted, none of them was: {error.diag.message_primary}."
                " Look at the constraints and columns that are not TimeTracker's: python runner.py verify lists them"
            ) from error
        return [what for (what,) in cursor.fetchall()]


def tell(inserted: list[str]) -> None:
    """Say what was inserted, once that is committed."""
    if inserted:
        log.write(f"Inserted the defaults: {', '.join(inserted)}", inserted=inserted)
