"""The database of a request: one connection for each thread, a snapshot for each page, a transaction for each change.

Gunicorn's worker threads live as long as the worker, so a connection for each of them needs no pool and no
lock; and as they only run in a worker, no connection is made before the fork.
"""

import contextlib
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import psycopg2
from flask import Flask, current_app, g
from psycopg2.extensions import PYDATE, PYDATETIME, new_type, register_type
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from app.metrics import CONNECTIONS
from startup.connection import connect

# A page is put together from several statements. One snapshot for all of them lets its figures agree.
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
CHANGE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

# PostgreSQL's calendar is longer than Python's, and an old database may hold any of it. Such a moment is shown as the
# nearest one that every time zone can hold.
FIRST_MOMENT, LAST_MOMENT = datetime.min + timedelta(days=2), datetime.max.replace(microsecond=0) - timedelta(days=2)
TIMESTAMP_OID, DATE_OID = 1114, 1082


class DatabaseAwayError(Exception):
    """The database cannot be reached, or was lost halfway. The message is for the log, not for a page."""


class Database:
    """The connections of one application."""

    def __init__(self, conninfo: str):
        self._conninfo = conninfo
        self._of_this_thread = threading.local()

    def begin(self, statement: str = SNAPSHOT) -> Connection:
        """Begin a transaction on this thread's connection and return the connection.

        Nothing was done on it yet, so one that broke since its last use (the server was restarted) is dropped
        and a fresh one is tried, once. Raises DatabaseAwayError.
        """
        kept = getattr(self._of_this_thread, "connection", None)
        if kept is not None:
            try:
                _execute(kept, statement)
                return kept
            except psycopg2.Error:  # OperationalError, InterfaceError or a bare DatabaseError
                self.drop()
        try:
            fresh = connect(self._conninfo)
            for known in TYPES:
                register_type(known, fresh)
            _execute(fresh, statement)
        except psycopg2.Error as error:
            raise DatabaseAwayError(one_line(error)) from error
        self._of_this_thread.connection = fresh
        CONNECTIONS.inc()
        return fresh

    def end(self, statement: str = "COMMIT") -> None:
        """End what `begin` began, so that the connection can serve the next request."""
        try:
            _execute(self._of_this_thread.connection, statement)
        except psycopg2.Error:
            self.drop()

    def drop(self) -> None:
        """Close this thread's connection; the next `begin` makes a new one."""
        self._of_this_thread.connection.close()
        self._of_this_thread.connection = None
        CONNECTIONS.dec()


def _moment(text: str | None, cursor: Cursor) -> datetime | None:
    """Return a timestamp of the database, held between FIRST_MOMENT and LAST_MOMENT."""
    try:
        moment = PYDATETIME(text, cursor)
    except ValueError:  # a year that Python does not know
        return FIRST_MOMENT if text.endswith("BC") else LAST_MOMENT
    if moment is None or FIRST_MOMENT <= moment <= LAST_MOMENT:
        return moment
    return FIRST_MOMENT if moment < FIRST_MOMENT else LAST_MOMENT


def _day(text: str | None, cursor: Cursor) -> date | None:
    """Return a day of the database, held likewise."""
    try:
        return PYDATE(text, cursor)
    except ValueError:
        return FIRST_MOMENT.date() if text.endswith("BC") else LAST_MOMENT.date()


TYPES = (new_type((TIMESTAMP_OID,), "MOMENT", _moment), new_type((DATE_OID,), "DAY", _day))


def _execute(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def one_line(error: Exception) -> str:
    """Return the message of `error` for the log, where each event has one line."""
    return " ".join(str(error).split())


def init_app(app: Flask, database: Database) -> None:
    """Let `connection`, `cursor` and `change` use `database`, and end its snapshot with the request."""
    app.extensions["database"] = database
    app.teardown_appcontext(_end)


def connection() -> Connection:
    """Return the connection of this request, inside its snapshot or its change. Raises DatabaseAwayError."""
    if "changing" in g:
        return g.changing
    if "connection" not in g:
        g.connection = current_app.extensions["database"].begin()
    return g.connection


def cursor() -> Cursor:
    """Return a cursor on the connection of this request, which reads its snapshot, or in a change what it wrote.

    Raises DatabaseAwayError.
    """
    return connection().cursor()


@contextlib.contextmanager
def change() -> Iterator[Cursor]:
    """Lend a cursor in a transaction that may write; it is committed at the end, rolled back by any exception.

    The snapshot that the request read so far ends before it, and `cursor` begins another one after it. Raises
    DatabaseAwayError, also where the answer to COMMIT was lost: whether the change was made is not known then.
    """
    _end(None)
    database: Database = current_app.extensions["database"]
    g.changing = changing = database.begin(CHANGE)
    try:
        with changing.cursor() as cursor:
            yield cursor
            cursor.execute("COMMIT")
    except BaseException as error:
        database.end("ROLLBACK")
        if changing.closed and isinstance(error, psycopg2.Error):
            raise DatabaseAwayError(one_line(error)) from error
        raise
    finally:
        del g.changing


def was_lost() -> bool:
    """Tell whether the connection of this request broke while it was used."""
    return "connection" in g and g.connection.closed != 0


def _end(error: BaseException | None) -> None:
    if g.pop("connection", None) is not None:
        current_app.extensions["database"].end()
