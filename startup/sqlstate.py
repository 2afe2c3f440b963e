"""The SQLSTATE of a refused connection, which psycopg2 does not give.

Servers refuse in the language of their administrators, and only the SQLSTATE means the same in all of them.
libpq, which psycopg2 has loaded, can be told to print it in place of the message.
"""

import ctypes
import select
import time

from psycopg2 import _psycopg

ONLY_THE_SQLSTATE = 3  # PQERRORS_SQLSTATE, since libpq 12
FAILED, READING, _, CONNECTED = range(4)  # of PostgresPollingStatusType


def refusal(parameters: dict[str, str], seconds: float = 5) -> str:
    """Connect once more, and give libpq's message with each SQLSTATE in place of what the server said.

    Empty when it let us in this time, said nothing in time, or libpq cannot be called.
    """
    try:
        libpq = _declared(ctypes.CDLL(_psycopg.__file__))
    except (AttributeError, OSError):  # libpq stands inside psycopg2, as in a build of one's own
        return ""
    size = len(parameters) + 1
    texts = ctypes.c_char_p * size
    names = texts(*(name.encode() for name in parameters), None)
    values = texts(*(str(value).encode() for value in parameters.values()), None)
    connection = libpq.PQconnectStartParams(names, values, 0)
    try:
        libpq.PQsetErrorVerbosity(connection, ONLY_THE_SQLSTATE)
        failed = _poll(libpq, connection, time.monotonic() + seconds) == FAILED
        return libpq.PQerrorMessage(connection).decode("utf-8", "replace") if failed else ""
    finally:
        libpq.PQfinish(connection)


def _poll(libpq, connection, deadline: float) -> int:
    """Let libpq connect; give the state that it came to, which is none of both ends when the time is over."""
    state = FAILED if libpq.PQsocket(connection) < 0 else None
    while state not in (FAILED, CONNECTED) and time.monotonic() < deadline:
        socket, patience = [libpq.PQsocket(connection)], max(0, deadline - time.monotonic())
        if state == READING:
            select.select(socket, [], [], patience)
        else:  # WRITING, and so it begins
            select.select([], socket, [], patience)
        state = libpq.PQconnectPoll(connection)
    return state


def _declared(libpq: ctypes.CDLL) -> ctypes.CDLL:
    """Say what the functions take and give: ctypes would cut a pointer to the size of an int."""
    texts = ctypes.POINTER(ctypes.c_char_p)
    for name, result, *arguments in (
        ("PQconnectStartParams", ctypes.c_void_p, texts, texts, ctypes.c_int),
        ("PQsetErrorVerbosity", ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
        ("PQsocket", ctypes.c_int, ctypes.c_void_p),
        ("PQconnectPoll", ctypes.c_int, ctypes.c_void_p),
        ("PQerrorMessage", ctypes.c_char_p, ctypes.c_void_p),
        ("PQfinish", None, ctypes.c_void_p),
    ):
        function = getattr(libpq, name)
        function.restype, function.argtypes = result, arguments
    return libpq
