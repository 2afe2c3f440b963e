"""Sessions with the database: opened for a block, and taken up again when the server went away in the middle.

A start may be repeated from its beginning at any point, for each step commits whole or not at all. So a lost
connection (a restart, a crash, a failover to another host) is no reason to end.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2.extensions import connection as Connection

from startup import log
from startup.catalog import State, question, read_state
from startup.configuration import Configuration
from startup.connection import address, connect, wait_for_database
from startup.errors import ConnectionLostError, DatabaseUnusableError
from startup.preconditions import require_writable
from startup.signals import make_statements_interruptible

TRIES = 5  # a statement that brings the server down must not do so for ever


@contextmanager
def session(conninfo: str, seconds: int, setting: str = "DATABASE_URL") -> Iterator[Connection]:
    """Lend a connection to the primary; `setting` is what the operator gave it by.

    Raises DatabaseUnusableError when it is not to be had within `seconds`, ConnectionLostError when the server
    ended it during the block.
    """
    connection = wait_for_database(conninfo, seconds, setting=setting)
    make_statements_interruptible(connection)
    with closing(connection):
        try:
            yield connection
        except psycopg2.Error as error:
            if not connection.closed:
                raise
            said = re.sub(r"^\w+:  ", "", str(error)).partition("\n")[0] or "no reason given"
            raise ConnectionLostError(said) from error


@contextmanager
def migrating_session(
    configuration: Configuration, connection: Connection, state: State, optional
) -> Iterator[tuple[Connection, State]]:
    """Lend the session to migrate on and what it sees: the one at hand, or MIGRATION_DATABASE_URL's.

    Raises DatabaseUnusableError where the two URLs lead to different places.
    """
    if configuration.migration_conninfo is None:
        yield connection, state
        return
    own_url = configuration.migration_conninfo
    with session(own_url, configuration.database_wait_seconds, "MIGRATION_DATABASE_URL") as migrating:
        seen = read_state(migrating, optional)
        require_writable(seen)
        places = [(*_identity(each), of.schema) for each, of in ((connection, state), (migrating, seen))]
        if places[0] != places[1]:
            raise DatabaseUnusableError(
                f"DATABASE_URL ({address(configuration.conninfo)}) leads to the database {places[0][0]}, schema"
                f" {places[0][-1]}, and MIGRATION_DATABASE_URL ({address(own_url)}) to {places[1][0]}, schema"
                f" {places[1][-1]}, on {'the same' if places[0][2] == places[1][2] else 'another'} server:"
                " expected the same schema; correct one of them"
            )
        log.write(f"Migrating through MIGRATION_DATABASE_URL ({address(own_url)}), as {seen.server['role']}")
        yield migrating, seen


def despite_losses(attempt: Callable, conninfo: str, tries: int = TRIES):
    """Give what `attempt()` gives; call it again when its connection was lost.

    Raises ConnectionLostError where somebody ended the session on purpose, and the last time.
    """
    began = time.monotonic()
    try:
        return attempt()
    except ConnectionLostError as loss:
        if tries == 1 or _ended_on_purpose(loss, conninfo, time.monotonic() - began):
            raise
        log.warning(f"{loss.loss}; going on")
    return despite_losses(attempt, conninfo, tries - 1)


def _identity(connection: Connection) -> tuple:
    """The database that a session is in: name, oid, and when its server was started."""
    with connection.cursor() as cursor:
        cursor.execute(question("identity"))
        return cursor.fetchone()


def _ended_on_purpose(loss: ConnectionLostError, conninfo: str, seconds: float) -> bool:
    """Whether an administrator ended the session: the server, which says so, is there and was all the time."""
    # There is no SQLSTATE, and the server's words may be in any language: they stand before libpq's.
    if "\nserver closed the connection unexpectedly" not in str(loss.__cause__):
        return False
    try:
        connection = connect(conninfo)
    except psycopg2.OperationalError:
        return False  # it shuts down, and this was its way to say so
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => %s)", (seconds,))
        return cursor.fetchone()[0]
