"""One start at a time: an advisory lock among starts, and yoyo's lock row against a yoyo run by hand.

The advisory lock ends with its session, however that ends. Whoever waits for it looks at the database again
when it changes hands, and goes on without it once nothing is left to do: a crowd of starts leaves all at once.
"""

import time
from contextlib import contextmanager

from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from startup import log, progress
from startup.catalog import question
from startup.errors import LockTimeoutError, TablesLockedError
from startup.sessions import describe
from startup.yoyo_row import YoyoRow, has_row

ADVISORY_CLASS = 0x54696D65  # "Time"; the second key is the schema
POLL_SECONDS = (0.1, 1)  # at first, and at the most: a crowd that asks often slows down whom it waits for
REPORT_SECONDS = 10


@contextmanager
def start_lock(connection, schema: str, seconds: int, needed, pooled: bool = False, traceless=lambda: False):
    """Hold both locks of this schema for the block; gives the StartLock, or None when nothing is left to do.

    `needed()` reads the state anew and tells whether something is left. `pooled` says that people reach this
    database through a pooler in transaction mode, behind which nobody can be proven dead. `traceless()` tells, of
    the state that needed() has read, that nothing may be written yet: then yoyo's row is left to take_row().
    Raises LockTimeoutError after `seconds`.
    """
    lock = StartLock(connection, schema, seconds, pooled)
    try:
        yield lock if lock.obtain(needed, traceless) else None
    finally:
        if not connection.closed:
            lock.release()


class StartLock:
    """The advisory lock of a schema and yoyo's row in it, for one start."""

    def __init__(self, connection, schema: str, seconds: int, pooled: bool):
        self._connection = connection
        self._cursor = connection.cursor()
        self._schema = schema
        self._row = YoyoRow(connection, pooled)
        self._seconds = seconds

    def obtain(self, needed, traceless) -> bool:
        """Take both locks; gives false when nothing is left to do. Raises LockTimeoutError."""
        wait = Wait(self._seconds)

        def still_needed() -> bool:
            return _in_turn(self._cursor, wait, needed)

        if not (self._obtain_advisory_lock(still_needed, wait) and still_needed()):
            return False
        while traceless():
            if not self._wait_for_row(wait):
                return True
            if not still_needed():
                return False
        return self._obtain_row(still_needed, wait)

    def wait_for_row(self) -> None:
        """Wait while a yoyo run by hand holds the row, and write nothing.

        The time counts from now, whatever was done since obtain(). Raises LockTimeoutError.
        """
        self._wait_for_row(Wait(self._seconds))

    def obtain_row(self) -> None:
        """Take the row in a transaction of its own. The time counts likewise. Raises LockTimeoutError."""
        self._obtain_row(lambda: True, Wait(self._seconds))

    def take_row(self) -> bool:
        """Take the row within the transaction of the caller; gives false while somebody else has it.

        After a rollback, call drop_row().
        """
        return self._row.take_in_transaction()

    def drop_row(self) -> None:
        """Know that the transaction was rolled back in which the row was taken."""
        self._row.forget()

    def require_row(self) -> None:
        """Raise LockTimeoutError when somebody has taken yoyo's row away from this start."""
        self._row.require()

    def release(self) -> None:
        """Give back what is held."""
        if self._connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            self._cursor.execute("ROLLBACK")  # a signal came between BEGIN and the statement after it
        self._row.give_back()
        self._cursor.execute("SELECT pg_advisory_unlock_all()")

    def _wait_for_row(self, wait: "Wait") -> bool:
        """Give whether there was a wait."""
        waited = False
        while has_row(self._cursor) and self._row.is_held():
            waited = True
            wait.poll("a yoyo run by hand", self._row.name_holder)
        return waited

    def _obtain_advisory_lock(self, needed, wait: "Wait") -> bool:
        """Poll, for a blocked waiter would hang CREATE INDEX CONCURRENTLY in whoever holds the lock."""
        seen = None
        while not self._try_advisory_lock():
            holder = holder_of(self._cursor, self._schema)
            if seen is not None and holder != seen and not needed():
                return False
            seen = holder
            wait.poll("another start", lambda: name_start(self._cursor, self._schema))
        return True

    def _try_advisory_lock(self) -> bool:
        self._cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (ADVISORY_CLASS, self._schema))
        return self._cursor.fetchone()[0]

    def _obtain_row(self, needed, wait: "Wait") -> bool:
        waited = False
        while True:
            if self._row.is_free():
                if waited and not needed():
                    return False
                if self._row.take():
                    return True
            waited = True
            wait.poll("a yoyo run by hand", self._row.name_holder)


class Wait:
    """A bounded wait that says every ten seconds for whom."""

    def __init__(self, seconds: int):
        self._seconds = seconds
        self._began = time.monotonic()
        self._reported: float | None = None

    def poll(self, whom: str, holder) -> None:
        """Sleep until it is time to try again; `holder()` names who is waited for. Raises LockTimeoutError."""
        now = time.monotonic()
        if now - self._began >= self._seconds:
            raise LockTimeoutError(
                f"The start lock was not to be had within {self._seconds} s: {holder()}."
                " LOCK_WAIT_SECONDS sets how long to wait"
            )
        if self._reported is None or now - self._reported >= REPORT_SECONDS:
            left = round(self._seconds - (now - self._began))
            log.write(f"Waiting for the start lock, {left} s left: {holder()}")
            progress.tell(f"waiting for {whom}")
            self._reported = now
        shortest, longest = POLL_SECONDS
        time.sleep(min(max(shortest, (now - self._began) / 10), longest))


def read_after_others(connection, read, seconds: int):
    """Give what `read()` gives, once another start or a yoyo run by hand no longer has a table locked.

    Raises LockTimeoutError after `seconds`, and the TablesLockedError when it is somebody else who has.
    """
    with connection.cursor() as cursor:
        return _in_turn(cursor, Wait(seconds), read)


def _in_turn(cursor, wait: Wait, read):
    is_last_look = False
    while True:
        try:
            return read()
        except TablesLockedError as error:
            if is_last_look:
                raise TablesLockedError(f"{error}; {_name_lockers(cursor)}") from None
        is_last_look = not _somebody_migrates(cursor)  # whoever did may have ended in this very moment
        if not is_last_look:
            wait.poll("another migration", lambda: _name_lockers(cursor))


def _somebody_migrates(cursor) -> bool:
    return holder_of(cursor, schema=None) is not None or has_row(cursor)


def _name_lockers(cursor) -> str:
    cursor.execute(question("table_lockers"))
    pids = [pid for (pid,) in cursor.fetchall()]
    named = describe(cursor, [pid for pid in pids if pid])
    if None in pids:
        named.append("a prepared transaction, which pg_prepared_xacts names and ROLLBACK PREPARED ends")
    return f"a table is locked ({'; '.join(named)})" if named else "a table was locked until now"


def holder_of(cursor, schema: str | None) -> int | None:
    """The pid of the other backend that holds the advisory lock of this schema, or of any."""
    cursor.execute(question("lock_holder"), {"class": ADVISORY_CLASS, "schema": schema})
    row = cursor.fetchone()
    return row and row[0]


def name_start(cursor, schema: str) -> str:
    """Say who holds the advisory lock of this schema at this moment."""
    named = describe(cursor, [holder_of(cursor, schema)])
    return f"another start holds it ({named[0]})" if named else "its holder has just let it go"


def refuse_while_locked(connection, schema: str) -> None:
    """Take the lock until the end of the transaction. Raises LockTimeoutError when somebody else holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (ADVISORY_CLASS, schema))
        if not cursor.fetchone()[0]:
            raise LockTimeoutError(
                f"Nothing can be rehearsed now: {name_start(cursor, schema)}. Try again when it is done"
            )
        row = YoyoRow(connection)
        if has_row(cursor) and row.is_held():
            raise LockTimeoutError(f"Nothing can be rehearsed now: {row.name_holder()}")
