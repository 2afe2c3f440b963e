"""Ending on a signal: SIGTERM gives exit code 143 and SIGINT 130, as PID 1 of a container too."""

import select
import signal
import sys

from psycopg2 import extensions


def end_on_signals() -> None:
    """Leave by SystemExit when a signal asks for it; PID 1 would ignore SIGTERM without a handler."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: sys.exit(128 + received))


def make_statements_interruptible() -> None:
    """Let a signal cancel the running statement; psycopg2 would wait for its end first."""
    extensions.set_wait_callback(_wait)


def _wait(connection) -> None:
    try:
        while (state := connection.poll()) != extensions.POLL_OK:
            readable = [connection] if state == extensions.POLL_READ else []
            writable = [connection] if state == extensions.POLL_WRITE else []
            select.select(readable, writable, [])
    except SystemExit:
        connection.cancel()
        raise
