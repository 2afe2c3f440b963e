"""Ending on a signal: SIGTERM gives exit code 143 and SIGINT 130, as PID 1 of a container too."""

import select
import signal
import sys
import time

from psycopg2 import extensions

# A statement that takes longer is looked at, by whoever watches.
QUICK_SECONDS = 0.3

_asked_to_end: SystemExit | None = None
_watchers: dict = {}  # connection -> what watch() was given


def end_on_signals() -> None:
    """Leave by SystemExit when a signal asks for it; PID 1 would ignore SIGTERM without a handler."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: sys.exit(128 + received))


def make_statements_interruptible(connection) -> None:
    """Let a signal cancel the running statement; psycopg2 would wait for its end first.

    The connection stays usable, so that whoever holds the lock can give it back.
    """
    extensions.set_wait_callback(_wait)
    connection.cursor_factory = InterruptibleCursor


def watch(connection, look) -> None:
    """Have look(seconds) called while a statement of this connection takes longer than QUICK_SECONDS.

    `seconds` is how long it has taken; look() gives after how many it wants to be called again. It must not raise
    anything but what ends the start: the connection would be closed.
    """
    _watchers[connection] = look


def unwatch(connection) -> None:
    """Look at no statement of this connection any more."""
    _watchers.pop(connection, None)


class InterruptibleCursor(extensions.cursor):
    """A cursor whose statement ends by SystemExit when a signal came while it ran."""

    def execute(self, statement, parameters=None):
        """Run a statement."""
        global _asked_to_end
        try:
            super().execute(statement, parameters)
        finally:
            if _asked_to_end:
                ending, _asked_to_end = _asked_to_end, None
                raise ending


def _wait(connection) -> None:
    """Wait for the answer of the server. What is raised here would close the connection."""
    global _asked_to_end
    try:
        _poll(connection, _watchers.get(connection))
    except SystemExit as ending:
        _asked_to_end = ending
        connection.cancel()
        _poll(connection)


def _poll(connection, look=None) -> None:
    began, pause = time.monotonic(), QUICK_SECONDS if look else None
    while (state := connection.poll()) != extensions.POLL_OK:
        readable = [connection] if state == extensions.POLL_READ else []
        writable = [connection] if state == extensions.POLL_WRITE else []
        if not any(select.select(readable, writable, [], pause)):
            pause = look(time.monotonic() - began)
