"""One start at a time: an advisory lock among runners, and yoyo's lock row against a yoyo run by hand.

The advisory lock ends with its session, however that ends; the row makes a stock `yoyo apply` wait. Our
row bears the negative backend pid: whoever holds the advisory lock and meets a negative row knows that
its writer is dead. A positive row is a person's yoyo, and is never removed here.
"""

import time
from contextlib import contextmanager, suppress

from psycopg2.errors import DuplicateTable, UniqueViolation
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from startup import log
from startup.catalog import question
from startup.errors import LockTimeoutError

ADVISORY_CLASS = 0x54696D65  # "Time"; the second key is the schema
POLL_SECONDS = 0.1
REPORT_SECONDS = 10


@contextmanager
def start_lock(connection, schema: str, seconds: int):
    """Hold the lock of this schema for the block. Raises LockTimeoutError after `seconds`."""
    began = time.monotonic()
    with connection.cursor() as cursor:
        _wait_until(lambda: _advisory_lock(cursor, schema), lambda: _holder(cursor, schema), began, seconds)
        with suppress(DuplicateTable, UniqueViolation):  # a yoyo run by hand made it in the same moment
            cursor.execute(question("yoyo_lock"))
        try:
            _wait_until(lambda: _lock_row(cursor), lambda: _row_holder(cursor), began, seconds)
            yield
        finally:
            if not connection.closed:
                _release(connection, cursor, schema)


def refuse_while_locked(connection, schema: str) -> None:
    """Take the lock until the end of the transaction. Raises LockTimeoutError when somebody else holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (ADVISORY_CLASS, schema))
        if not cursor.fetchone()[0]:
            raise LockTimeoutError(
                f"Nothing can be rehearsed now: {_holder(cursor, schema)}. Try again when it is done"
            )
        cursor.execute("SELECT to_regclass('yoyo_lock') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute("SELECT EXISTS (SELECT FROM yoyo_lock WHERE pid > 0)")
            if cursor.fetchone()[0]:
                raise LockTimeoutError(f"Nothing can be rehearsed now: {_row_holder(cursor)}")


def _wait_until(obtained, holder, began: float, seconds: int) -> None:
    """Poll, for a blocked waiter would hang CREATE INDEX CONCURRENTLY in whoever holds the lock."""
    reported = began
    while not obtained():
        now = time.monotonic()
        if now - began >= seconds:
            raise LockTimeoutError(
                f"The start lock was not to be had within {seconds} s: {holder()}."
                " LOCK_WAIT_SECONDS sets how long to wait"
            )
        if reported == began or now - reported >= REPORT_SECONDS:
            log.write(f"Waiting for the start lock, {round(seconds - (now - began))} s left: {holder()}")
            reported = now
        time.sleep(POLL_SECONDS)


def _release(connection, cursor, schema: str) -> None:
    if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
        cursor.execute("ROLLBACK")  # a signal came between BEGIN and the statement after it
    cursor.execute("DELETE FROM yoyo_lock WHERE pid = -pg_backend_pid()")
    cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (ADVISORY_CLASS, schema))


def _advisory_lock(cursor, schema: str) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (ADVISORY_CLASS, schema))
    return cursor.fetchone()[0]


def _holder(cursor, schema: str) -> str:
    cursor.execute(question("lock_holder"), {"class": ADVISORY_CLASS, "schema": schema})
    holder = cursor.fetchone()
    if holder is None:
        return "its holder has just let it go"
    pid, application, host, since = holder
    if since is None:  # the server shows nothing of another role's session
        return f"another start holds it (backend {pid} of another role)"
    return f"another start holds it (backend {pid}, {application} from {host or 'a local socket'}, since {since} UTC)"


def _lock_row(cursor) -> bool:
    cursor.execute("DELETE FROM yoyo_lock WHERE pid < 0 RETURNING -pid")
    for (pid,) in cursor.fetchall():
        log.notice(f"Removed the lock row of a start that died (backend {pid})")
    cursor.execute(
        "INSERT INTO yoyo_lock (locked, ctime, pid)"
        " VALUES (1, timezone('utc', now()), -pg_backend_pid()) ON CONFLICT DO NOTHING"
    )
    return cursor.rowcount == 1


def _row_holder(cursor) -> str:
    cursor.execute("SELECT pid, to_char(ctime, 'YYYY-MM-DD HH24:MI:SS') FROM yoyo_lock")
    row = cursor.fetchone()
    if row is None:
        return "its holder has just let it go"
    return (
        f"a yoyo run by hand holds it (process {row[0]} on its machine, since {row[1]} UTC);"
        " if it is gone: yoyo break-lock"
    )
