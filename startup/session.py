"""Sessions with the database: opened for a block, and taken up again when the server went away in the middle.

A start may be repeated from its beginning at any point, for each step commits whole or not at all. So a lost
connection (a restart, a crash, a failover to another host) is no reason to end.
"""

import re
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2.extensions import connection as Connection

from startup import log
from startup.catalog import State, ask, question, read_state
from startup.configuration import Configuration
from startup.connection import address, connect_interruptibly, wait_for_database
from startup.errors import ConnectionLostError, DatabaseUnusableError, TablesLockedError
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


def read_in_turn(connection: Connection, optional, seconds: int) -> State:
    """Read the state; while another start or a yoyo run by hand has a table locked, wait up to `seconds` for it."""
    try:
        return read_state(connection, optional)
    except TablesLockedError:
        from startup.lock import read_after_others

        return read_after_others(connection, lambda: read_state(connection, optional), seconds)


Place = namedtuple("Place", ["database", "oid", "server_started", "schema"])


def place_of(connection: Connection, state: State) -> Place:
    """Which schema of which database a session is in, told alike to every role and through every pooler."""
    with connection.cursor() as cursor:
        ((database, oid, server_started),) = ask(cursor, question("place"))
    return Place(database, oid, server_started, state.schema)


@contextmanager
def migrating_session(configuration: Configuration, place: Place, optional) -> Iterator[tuple[Connection, State]]:
    """Lend a session through MIGRATION_DATABASE_URL, and what it sees.

    Raises DatabaseUnusableError where that leads to another place than DATABASE_URL.
    """
    own_url = configuration.migration_conninfo
    with session(own_url, configuration.database_wait_seconds, "MIGRATION_DATABASE_URL") as connection:
        state = read_in_turn(connection, optional, configuration.lock_wait_seconds)
        require_writable(state, "MIGRATION_DATABASE_URL")
        own = place_of(connection, state)
        if own != place:
            raise DatabaseUnusableError(
                f"DATABASE_URL ({address(configuration.conninfo)}) leads to the database {place.database}, schema"
                f" {place.schema}, and MIGRATION_DATABASE_URL ({address(own_url)}) to {own.database}, schema"
                f" {own.schema}, on {'the same' if own.server_started == place.server_started else 'another'} server:"
                " expected the same schema; correct one of them"
            )
        log.write(f"Migrations go through MIGRATION_DATABASE_URL ({address(own_url)}), as {state.server['role']}")
        yield connection, state


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


def _ended_on_purpose(loss: ConnectionLostError, conninfo: str, seconds: float) -> bool:
    """Whether an administrator ended the session: the server, which says so, is there and was all the time."""
    # There is no SQLSTATE, and the server's words may be in any language: they stand before libpq's.
    if "\nserver closed the connection unexpectedly" not in str(loss.__cause__):
        return False
    try:
        with closing(connect_interruptibly(conninfo, connect_timeout=5, primary=True)) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => %s)", (seconds,)
            )
            return cursor.fetchone()[0]
    except psycopg2.Error:
        return False  # it shuts down, and this was its way to say so
