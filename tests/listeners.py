"""Listeners on a port of this machine that are not PostgreSQL."""

import contextlib
import itertools
import os
import random
import socket
import socketserver
import threading
from collections.abc import Iterator

HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2\r\n"

# Below those of the servers that the tests start; one that was given is not given again for long.
PORTS = 1_000
FIRST_PORT = 10_000 + PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10)
_numbers = itertools.count(random.randrange(PORTS))


@contextlib.contextmanager
def listening(answer: bytes = b"", *, greets: bool = False, silent: bool = False) -> Iterator[int]:
    """Give the port of a listener that sends `answer` to whoever asks something, and closes.

    One that `greets` speaks first, as SSH does; a `silent` one never says anything and never closes.
    """
    ended = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if silent:
                ended.wait()
                return
            with contextlib.suppress(OSError):
                if not greets:
                    self.request.recv(1024)
                self.request.sendall(answer)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Listener(("127.0.0.1", 0), Handler) as listener:
        serving = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield listener.server_address[1]
        finally:
            ended.set()
            listener.shutdown()
            serving.join()


def closed_port() -> int:
    """Give a port of 127.0.0.1 on which nothing listens, and which neither the kernel nor another worker gives out."""
    while True:
        port = FIRST_PORT + next(_numbers) % PORTS
        with contextlib.suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            return port
