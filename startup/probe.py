"""Answering while the start lasts (STARTUP_PROBE=on): /healthz with 200, /readyz and all else with 503 and the step.

One thread and one selector: a client that is slow, silent or hostile holds up neither the others nor the start.
http.server would take a thread for each client, and half as long to import as a start with nothing to do.
Each connection is closed after its answer, so that none is left for Gunicorn to be cut.
"""

import json
import os
import selectors
import signal
import socket
import time
from _thread import allocate_lock, start_new_thread

from startup import progress

REQUEST_SECONDS = 5  # how long a client may take for its request
HANDOVER_SECONDS = 1  # the same, once Gunicorn is to take over
MOST_CLIENTS = 200  # the start needs open files too; the oldest gives way to the next
LONGEST_REQUEST = 32_768  # bytes; a body that comes later does not count
RETRY_AFTER_SECONDS = 5


class Probe:
    """Answers on a listening socket, in a thread of its own, until it is asked for the socket."""

    def __init__(self, listener: socket.socket):
        listener.setblocking(False)
        self._listener = listener
        self._clients: dict[socket.socket, _Client] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._asked_to_end, self._ask_to_end = os.pipe()
        self._ended = allocate_lock()
        self._ended.acquire()
        # A signal is the main thread's affair: it would not wake up for one that another thread got.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        start_new_thread(self._run, ())
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def hand_over(self) -> socket.socket:
        """Answer those who are connected, and give the socket. Who connects from now on waits in its backlog."""
        os.write(self._ask_to_end, b".")
        self._ended.acquire()
        return self._listener

    def _run(self) -> None:
        try:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._selector.register(self._asked_to_end, selectors.EVENT_READ)
            while self._asked_to_end not in (ready := self._serve()):
                if self._listener in ready:
                    self._accept()
            self._selector.unregister(self._asked_to_end)
            self._selector.unregister(self._listener)
            self._answer_the_last()
        finally:
            self._ended.release()

    def _answer_the_last(self) -> None:
        latest = time.monotonic() + HANDOVER_SECONDS
        for client in self._clients.values():
            client.deadline = min(client.deadline, latest)
        while self._clients:
            self._serve()

    def _accept(self) -> None:
        if len(self._clients) >= MOST_CLIENTS:
            oldest = next(iter(self._clients))
            self._clients[oldest].expire()
            self._close(oldest)
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # no file is left to open, or the client has gone
            time.sleep(0.05)
            return
        connection.setblocking(False)
        self._clients[connection] = _Client(connection)
        self._selector.register(connection, selectors.EVENT_READ)

    def _serve(self) -> set:
        """Wait until something happens, and go on with the clients that it concerns; give all that is ready."""
        deadlines = [client.deadline for client in self._clients.values()]
        timeout = max(0, min(deadlines) - time.monotonic()) if deadlines else None
        ready = {key.fileobj for key, _ in self._selector.select(timeout)}
        now = time.monotonic()
        for connection, client in [*self._clients.items()]:
            if connection in ready:
                client.read()
            if client.deadline <= now:
                client.expire()
            if client.done:
                self._close(connection)
        return ready

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._clients[connection]
        connection.close()


class _Client:
    """A connection: its request is read, answered, and what follows the request is read away."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.deadline = time.monotonic() + REQUEST_SECONDS
        self.request = b""
        self.answered = False
        self.done = False

    def read(self) -> None:
        """Take what has arrived, and answer when the request is complete or cannot become one."""
        try:
            received = self.connection.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self.done = True
        elif not self.answered:
            self.request += received
            head, complete, body = self.request.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
            is_none = len(self.request) > LONGEST_REQUEST or (head and not head[:1].isalpha())  # TLS, say
            if complete or is_none:
                self._answer(answer_to(head.partition(b"\n")[0]))
                # Closing over a body that nobody has read would reset the connection, and the answer be lost.
                self.done = self.done or (complete and not body and head.startswith((b"GET ", b"HEAD ")))

    def expire(self) -> None:
        """End it, for its time is over."""
        if not self.answered:
            self._answer(response("408 Request Timeout", "No complete request came in time"))
        self.done = True

    def _answer(self, content: bytes) -> None:
        self.answered = True
        try:
            self.connection.send(content)  # the buffer of a new connection has room for it
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self.done = True


def answer_to(request_line: bytes) -> bytes:
    """Give the answer to b'GET /readyz HTTP/1.1' and its like, in the formats of app/views/health.py."""
    words = request_line.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return response("400 Bad Request", "This is no request of HTTP/1")
    method, target, _ = words
    path = target.partition(b"?")[0]
    sentence = f"TimeTracker is starting: {progress.current()}"
    if path == b"/healthz" and method in (b"GET", b"HEAD"):
        content = response("200 OK", "ok")
    elif path == b"/readyz":
        content = response(
            "503 Service Unavailable", json.dumps({"ready": False, "reason": sentence}) + "\n", "application/json"
        )
    else:
        content = response("503 Service Unavailable", sentence)
    if method == b"HEAD":
        head, end, _ = content.partition(b"\r\n\r\n")
        return head + end
    return content


def response(status: str, body: str, content_type: str = "text/plain; charset=utf-8") -> bytes:
    """Give a complete answer, after which the connection is closed."""
    content = body.encode()
    lines = [
        f"HTTP/1.1 {status}",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        f"Content-Type: {content_type}",
        f"Content-Length: {len(content)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if status.startswith("503"):
        lines.append(f"Retry-After: {RETRY_AFTER_SECONDS}")
    return "\r\n".join([*lines, "", ""]).encode() + content
