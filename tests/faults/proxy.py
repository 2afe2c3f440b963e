"""A proxy between a start and PostgreSQL that understands their messages, and lends control at any of them.

psycopg2 speaks the simple protocol only: the start sends a statement in one message (`Q`), the server answers in
several, of which the last says that it is ready again (`Z`). So a place in a start is a number and a moment: before
the nth statement reaches the server, when it was just sent, or after the server has done it and before the start knows.
"""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
MOMENTS = ("before", "sent", "after")
# How whoever looks at a statement that takes long begins, on a connection of its own: a busy machine has more of them.
OBSERVING = b"SET LOCAL statement_timeout = '2s'"


class Place(NamedTuple):
    """Where a start is interrupted: at which of its statements (the first is 1), and when: one of MOMENTS."""

    number: int
    moment: str


class Proxy:
    """A listener on 127.0.0.1, at `port`, that passes on to another port; a block that lends it ends it.

    `statements` are those that came through, of all connections, in the order in which they came; without those that
    look at another one, which would shift the places from start to start.
    """

    def __init__(self, target: int):
        self.target = target
        self.statements: list[str] = []
        self._actions: dict[Place, Callable[[], Any]] = {}
        self._connections: set[socket.socket] = set()
        self._counting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def url(self, url: str) -> str:
        """The URL of a database behind this proxy."""
        return url.replace(f"@127.0.0.1:{self.target}/", f"@127.0.0.1:{self.port}/")

    def interrupt(self, place: Place, action: Callable[[], Any]) -> None:
        """At this place, call `action`; the connection stays as it is until that is done.

        What the action has not brought to an end goes on: the statement is passed on after "before", and the answer
        after "after".
        """
        self._actions[place] = action

    def close(self) -> None:
        """Listen no more, and end all connections."""
        with contextlib.suppress(OSError):  # it was closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self.target))
            with server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections |= {client, server}
                try:
                    if greet(client, server):
                        self._pass_on(client, server)
                finally:
                    self._connections -= {client, server}

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on messages in both directions until one end hangs up."""
        asked, answered = bytearray(), bytearray()
        number = 0
        while True:
            ready, _, _ = select.select([client, server], [], [])
            for end, buffer in ((client, asked), (server, answered)):
                if end in ready:
                    received = end.recv(65536)
                    if not received:
                        return
                    buffer += received
            for kind, message in messages(asked):
                counts = kind == b"Q" and not message.startswith(OBSERVING, 5)
                if counts:
                    number = self._count(message)
                    self._reach(Place(number, "before"))
                server.sendall(message)
                if counts:
                    self._reach(Place(number, "sent"))
            for kind, message in messages(answered):
                if kind == b"Z":
                    self._reach(Place(number, "after"))
                client.sendall(message)

    def _count(self, message: bytes) -> int:
        with self._counting:
            self.statements.append(message[5:-1].decode("utf-8", "replace"))
            return len(self.statements)

    def _reach(self, place: Place) -> None:
        self._actions.get(place, lambda: None)()


def greet(client: socket.socket, server: socket.socket) -> bool:
    """Pass on the start-up message, which alone has no letter before its length; give false where none comes.

    Encryption is refused, for no message could be read.
    """
    while True:
        opening = client.recv(4, socket.MSG_WAITALL)
        if len(opening) < 4:
            return False
        rest = client.recv(struct.unpack("!I", opening)[0] - 4, socket.MSG_WAITALL)
        if struct.unpack("!I", rest[:4])[0] not in (SSL_REQUEST, GSS_REQUEST):
            server.sendall(opening + rest)
            return True
        client.sendall(b"N")


def messages(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Take whole messages out of a buffer; give each with its letter."""
    while len(buffer) >= 5:
        length = 1 + struct.unpack("!I", buffer[1:5])[0]
        if len(buffer) < length:
            return
        message = bytes(buffer[:length])
        del buffer[:length]
        yield message[:1], message
