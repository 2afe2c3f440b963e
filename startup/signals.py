"""Ending on a signal: SIGTERM gives exit code 143 and SIGINT 130, as PID 1 of a container too."""

import select
import signal
import time
from _thread import allocate_lock, start_new_thread

import psycopg2
from psycopg2 import extensions

# A statement that takes longer is looked at, by whoever watches.
QUICK_SECONDS = 0.3
# How long a server may take for an answer once a signal has come; without it the connection is given up.
ENDING_SECONDS = 2

_code: int | None = None  # to exit with, once a signal has come
_noted: SystemExit | None = None  # it came inside a statement, and was not raised yet
_asked_to_end: SystemExit | None = None  # it was raised, and the statement cancelled
_in_statement = False  # psycopg2 passes over what is raised while it takes in what the server says
_waits = False  # a statement does, where a signal can be raised at once
_watchers: dict = {}  # connection -> what watch() was given
_limits: dict = {}  # connection -> how many seconds an answer may take


def end_on_signals() -> None:
    """Leave by SystemExit when a signal asks for it; PID 1 would ignore SIGTERM without a handler."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def ignore_signals() -> None:
    """Let nothing be raised any more, once all is done: there would be nobody to take it but Python's own end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, frame) -> None:
    global _code, _noted
    _code = 128 + number
    if _in_statement and not _waits:
        _noted = SystemExit(_code)
    else:
        raise SystemExit(_code)


def make_statements_interruptible(connection) -> None:
    """Let a signal cancel the running statement; psycopg2 would wait for its end first.

    The connection stays usable, so that whoever holds the lock can give it back. It is closed where the server does
    not answer.
    """
    extensions.set_wait_callback(_wait)
    connection.cursor_factory = InterruptibleCursor


def watch(connection, look) -> None:
    """Have look(seconds) called while a statement of this connection takes longer than QUICK_SECONDS.

    `seconds` is how long it has taken; look() gives after how many it wants to be called again. It must not raise
    anything but what ends the start: the connection would be closed.
    """
    _watchers[connection] = look


def give_up_after(connection, seconds: float) -> None:
    """Close this connection by TimeoutError when an answer takes longer, and at once when a signal comes."""
    extensions.set_wait_callback(_wait)
    _limits[connection] = seconds


def unwatch(connection) -> None:
    """Look at no statement of this connection any more, and at no clock."""
    _watchers.pop(connection, None)
    _limits.pop(connection, None)


class InterruptibleCursor(extensions.cursor):
    """A cursor whose statement ends by SystemExit when a signal came while it ran."""

    def execute(self, statement, parameters=None):
        """Run a statement."""
        global _in_statement, _asked_to_end, _noted
        _in_statement = True
        try:
            super().execute(statement, parameters)
        finally:
            _in_statement = False
            if ending := _asked_to_end or _noted:
                _asked_to_end = _noted = None
                raise ending


def _wait(connection) -> None:
    """Wait for the answer of the server. What is raised here closes the connection."""
    global _asked_to_end
    if _code is not None and _noted is None:  # this tidies up
        try:
            _poll(connection, limit=ENDING_SECONDS)
        except TimeoutError:
            raise SystemExit(_code) from None
    elif connection in _limits:
        _poll(connection, limit=_limits[connection])
    else:
        try:
            _poll(connection, _watchers.get(connection))
        except SystemExit as ending:
            _asked_to_end = ending
            try:
                _poll(connection, limit=_cancel(connection, ENDING_SECONDS))
            except (TimeoutError, psycopg2.Error):
                raise ending from None


def _poll(connection, look=None, limit: float | None = None) -> None:
    """Let libpq wait for the answer. Raises TimeoutError when it takes longer than `limit`."""
    began, pause = time.monotonic(), QUICK_SECONDS if look else limit
    while (state := connection.poll()) != extensions.POLL_OK:
        readable = [connection] if state == extensions.POLL_READ else []
        writable = [connection] if state == extensions.POLL_WRITE else []
        if _is_ready(readable, writable, pause):
            if limit is not None:
                pause = max(0.0, began + limit - time.monotonic())
        elif look:
            pause = look(time.monotonic() - began)
        else:
            raise TimeoutError(f"no answer within {limit:.0f} s")


def _is_ready(readable: list, writable: list, seconds: float | None) -> bool:
    """Wait for libpq's socket. Raises SystemExit for a signal, be it one that came in a moment before."""
    global _waits, _noted
    _waits = True
    try:
        if _noted:
            ending, _noted = _noted, None
            raise ending
        return any(select.select(readable, writable, [], seconds))
    finally:
        _waits = False


def _cancel(connection, seconds: float) -> float:
    """Ask the server to cancel the running statement; give how many of the seconds are left.

    That takes a connection of its own, and on a silent machine it would last for minutes. psycopg2 lets no other
    thread run meanwhile, not even the one that counts the seconds; ctypes does. Raises TimeoutError.
    """
    began = time.monotonic()
    try:
        cancel = _cancel_by_libpq(connection)
    except (ImportError, AttributeError, OSError):  # libpq stands inside psycopg2, as in a build of one's own
        connection.cancel()
    else:
        done = allocate_lock()
        done.acquire()
        start_new_thread(lambda: (cancel(), done.release()), ())  # the end of the process ends it too
        if not done.acquire(timeout=seconds):
            raise TimeoutError(f"no answer within {seconds:.0f} s")
    return max(0.0, seconds - (time.monotonic() - began))


def _cancel_by_libpq(connection):
    """The function that cancels what this connection does."""
    import ctypes  # seldom needed

    from psycopg2 import _psycopg

    libpq = ctypes.CDLL(_psycopg.__file__)
    libpq.PQgetCancel.argtypes, libpq.PQgetCancel.restype = [ctypes.c_void_p], ctypes.c_void_p
    libpq.PQcancel.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    request, message = libpq.PQgetCancel(connection.pgconn_ptr), ctypes.create_string_buffer(256)
    return lambda: libpq.PQcancel(request, message, len(message))
