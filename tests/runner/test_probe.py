"""STARTUP_PROBE=on: the port answers while the start lasts, and Gunicorn goes on with the very socket."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from background import Runner, running, until
from installation import HELD, ROOT, WAITING, errors_in, held_up, wait_for
from listeners import closed_port

from startup.probe import HANDOVER_SECONDS

pytestmark = pytest.mark.only_pg("pg18")

ONE = {"WEB_CONCURRENCY": "1"}
KEPT_SECONDS = 2  # how long Gunicorn keeps a connection for the next request
GET_READYZ = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Clients:
    """Threads that send requests without a pause; `answers` counts (who answered, path, status).

    Before the first of them was let in nothing listens; from then on a refusal is one of the `failures` too. A client
    that itself took too long, as on a busy machine, is told so, or finds its kept connection closed: neither counts.
    """

    def __init__(self, port: int):
        self.port = port
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.failures: list[str] = []
        self._let_in = threading.Event()
        self._enough = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(path, keep_alive))
            for path in ("/healthz", "/readyz")
            for keep_alive in (True, False, False)
        ]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def count(self, who: str) -> int:
        return sum(count for (answered_by, _, _), count in self.answers.copy().items() if answered_by == who)

    def _send(self, path: str, keep_alive: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        began = time.monotonic()
        while not self._enough.is_set():
            was_let_in, is_kept = self._let_in.is_set(), connection.sock is not None
            last_began, began = began, time.monotonic()
            try:
                connection.request("GET", path, headers={} if keep_alive else {"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                idled = is_kept and time.monotonic() - last_began >= KEPT_SECONDS and isinstance(error, ConnectionError)
                if not idled and (was_let_in or not isinstance(error, ConnectionRefusedError)):
                    self.failures.append(f"{path}, {keep_alive=}: {error!r}")
                connection.close()
                time.sleep(0.01)
                continue
            self._let_in.set()
            if answer.status == 408 and time.monotonic() - began >= HANDOVER_SECONDS:
                continue
            self.answers[answer.getheader("Server") or "probe", path, answer.status] += 1
        connection.close()


@pytest.fixture
def program(installation):
    """A copy of the whole program, whose last migration takes as long as a test holds it up."""
    shutil.copytree(ROOT / "app", installation.folder / "app")
    shutil.copy2(ROOT / "gunicorn.conf.py", installation.folder)
    installation.add("held", HELD)
    return installation


@pytest.fixture
def start(program, migrated, tmp_path):
    """Return a function that lends a start in the middle of its migration, and what lets that go on."""

    @contextlib.contextmanager
    def starting(port: int, **env: str) -> Iterator[tuple[Runner, Callable[[], None]]]:
        env = {"STARTUP_PROBE": "on", **ONE, "PORT": str(port), **env}
        with (
            held_up(migrated) as go_on,
            running("serve", migrated.url, tmp_path / "log", folder=program.folder, **env) as runner,
        ):
            until(lambda: migrated.query(f"SELECT {WAITING}"), runner)
            yield runner, go_on

    return starting


def exchange(port: int, request: bytes) -> bytes:
    """Send bytes, and return all that is answered until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def ready(runner: Runner, port: int) -> None:
    """Wait until Gunicorn serves."""
    until(lambda: runner.get(port, "/readyz")[0] == 200, runner)


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            return False
    return True


def test_no_connection_is_refused_or_cut_from_the_first_answer_until_gunicorn_serves(start):
    port = closed_port()
    with Clients(port) as clients, start(port, WEB_CONCURRENCY="2") as (runner, go_on):
        until(lambda: clients.count("probe") > 500, runner)
        go_on()
        ready(runner, port)
        served = clients.count("gunicorn")
        until(lambda: clients.count("gunicorn") > served + 500, runner)
        clients.stop()
    print(f"answered: {clients.answers}, failed: {len(clients.failures)}")
    assert clients.failures == []
    assert set(clients.answers) == {
        ("probe", "/healthz", 200),
        ("probe", "/readyz", 503),
        ("gunicorn", "/healthz", 200),
        ("gunicorn", "/readyz", 200),
    }


def test_the_step_is_told_while_a_migration_runs(program, start):
    port = closed_port()
    with start(port) as (runner, go_on):
        assert runner.get(port) == (200, "ok")
        status, body = runner.get(port, "/readyz")
        assert status == 503
        told = json.loads(body)
        assert told["ready"] is False
        assert told["reason"].startswith(f"TimeTracker is starting: applying {program.ids[-1]}")
        status, sentence = runner.get(port, "/projects?page=2")
        assert status == 503
        assert sentence.startswith(f"TimeTracker is starting: applying {program.ids[-1]}")
        go_on()
        ready(runner, port)
        assert runner.ends(signal.SIGTERM) == 0
    assert is_free(port)


def test_the_answers_have_the_form_of_the_app(start):
    port = closed_port()
    get_healthz = GET_READYZ.replace(b"readyz", b"healthz")
    unavailable = b"HTTP/1.1 503 Service Unavailable"

    def head_of(answer: bytes) -> tuple[bytes, dict[str, str], bytes]:
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        return status, {name: value for name, value in (line.decode().split(": ", 1) for line in lines)}, body

    with start(port) as (runner, go_on):
        probe = [head_of(exchange(port, request)) for request in (get_healthz, GET_READYZ)]
        status, headers, body = head_of(exchange(port, GET_READYZ.replace(b"GET", b"HEAD")))
        assert (status, body) == (unavailable, b"")
        assert headers["Content-Length"] == probe[1][1]["Content-Length"]
        status, headers, _ = head_of(exchange(port, b"POST /healthz HTTP/1.0\nContent-Length: 3\n\nabc"))
        assert (status, headers["Retry-After"]) == (unavailable, "5")
        go_on()
        ready(runner, port)
        closing = b"Host: localhost\r\nConnection: close"
        app = [
            head_of(exchange(port, request.replace(b"Host: localhost", closing)))
            for request in (get_healthz, GET_READYZ)
        ]
    for answered, later in zip(probe, app, strict=True):
        for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options"):
            assert answered[1][name] == later[1][name]
        assert "Server" not in answered[1]
    assert probe[0][0] == app[0][0] == b"HTTP/1.1 200 OK"
    assert set(json.loads(probe[1][2])) <= {"ready", "reason"}


def test_nothing_listens_before_gunicorn_unless_it_is_asked_for(start):
    port = closed_port()
    with start(port, STARTUP_PROBE="off") as (runner, go_on):
        assert is_free(port)
        go_on()
        ready(runner, port)


def test_nothing_is_imported_for_it_unless_it_is_asked_for(run_runner):
    env = {"PYTHONPROFILEIMPORTTIME": "1", "DATABASE_WAIT_SECONDS": "0"}
    result = run_runner("serve", database=f"postgresql://owner@127.0.0.1:{closed_port()}/none", env=env)
    assert result.returncode == 5
    assert "startup.server" in result.stderr
    assert not re.search(r"\| +(startup\.probe|gunicorn|http)\b", result.stderr)


def test_a_start_with_nothing_to_do_hands_over_too(migrated, tmp_path):
    port = closed_port()
    with (
        Clients(port) as clients,
        running("serve", migrated.url, tmp_path / "log", STARTUP_PROBE="on", **ONE, PORT=str(port)) as runner,
    ):
        ready(runner, port)
        served = clients.count("gunicorn")
        until(lambda: clients.count("gunicorn") > served + 300, runner)
        clients.stop()
    assert clients.failures == []
    assert next(line for line in runner.lines if "Answering" in line).endswith(
        f" Answering /healthz and /readyz on http://127.0.0.1:{port} while this start lasts"
    )


def test_it_answers_during_the_wait_for_the_database(tmp_path):
    port = closed_port()
    env = {"STARTUP_PROBE": "on", "PORT": str(port)}
    with running("serve", f"postgresql://owner@127.0.0.1:{closed_port()}/none", tmp_path / "log", **env) as runner:
        runner.says("Waiting for PostgreSQL")
        assert runner.get(port) == (200, "ok")
        assert runner.get(port, "/readyz")[0] == 503
        assert runner.ends(signal.SIGTERM) == 143
    assert is_free(port)


def test_it_answers_during_the_wait_for_the_lock(migrated, program, tmp_path):
    migrated.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
    port = closed_port()
    env = {"STARTUP_PROBE": "on", "PORT": str(port)}
    with (
        contextlib.closing(migrated.connect()),  # a session that may be that yoyo's
        running("serve", migrated.url, tmp_path / "log", folder=program.folder, **env) as runner,
    ):
        runner.says("Waiting for the start lock")
        assert runner.get(port) == (200, "ok")
        assert runner.get(port, "/readyz")[0] == 503
        assert runner.ends(signal.SIGINT) == 130
    assert is_free(port)


def test_a_signal_during_the_migration_ends_it(start):
    port = closed_port()
    with start(port) as (runner, _), socket.create_connection(("127.0.0.1", port)):
        assert runner.get(port) == (200, "ok")
        assert runner.ends(signal.SIGTERM) == 143
        assert "Traceback" not in runner.log.read_text()
    assert is_free(port)


def test_a_start_that_fails_leaves_the_port_free(program, migrated):
    port = closed_port()
    program.add("broken", "SELECT 1 / 0;\n")
    result = program.run("serve", database=migrated, env={"STARTUP_PROBE": "on", "PORT": str(port)})
    assert result.returncode == 6
    assert "Answering" in result.stderr
    assert is_free(port)


@pytest.mark.needs("ipv6")
def test_it_answers_on_ipv6(start):
    port = closed_port()
    with start(port, LISTEN_ADDRESS="::1") as (runner, go_on):
        assert runner.get(port, host="[::1]") == (200, "ok")
        go_on()
        until(lambda: runner.get(port, "/readyz", host="[::1]")[0] == 200, runner)


def test_a_taken_port_is_told_as_without_it(run_runner):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        results = [
            run_runner("serve", database="postgresql://owner@localhost/none", env={"PORT": str(port), **probe})
            for probe in ({}, {"STARTUP_PROBE": "on"})
        ]
    assert [result.returncode for result in results] == [2, 2]
    assert errors_in(results[0]) == errors_in(results[1])
    assert errors_in(results[0])[0].startswith(f"Cannot serve on 127.0.0.1, port {port}: Address already in use. ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--bogus", "GUNICORN_CMD_ARGS is wrong: unrecognized arguments: --bogus. "),
        ("--workers many", "GUNICORN_CMD_ARGS is wrong: argument -w/--workers: invalid int value: 'many'. "),
        ("--threads -1", "GUNICORN_CMD_ARGS is wrong: "),
        ("--user nobody-here", "GUNICORN_CMD_ARGS is wrong: "),
        ("--bind 127.0.0.1:http", "GUNICORN_CMD_ARGS is wrong: 'http' is not a valid port number. "),
        ("--bind 127.0.0.1:99999", "GUNICORN_CMD_ARGS is wrong: --bind has the port 99999, and 65535 is the last. "),
        ("--worker-class bogus", "GUNICORN_CMD_ARGS is wrong: class uri 'bogus' invalid or not found. "),
        ("--name 'a", "GUNICORN_CMD_ARGS is wrong: No closing quotation. "),
        ("--version", "GUNICORN_CMD_ARGS is wrong: with --help or --version Gunicorn does nothing but print. "),
        ("-h", "GUNICORN_CMD_ARGS is wrong: with --help or --version Gunicorn does nothing but print. "),
    ],
)
def test_wrong_arguments_for_gunicorn_are_told_before_anything_is_touched(arguments, expected, run_runner):
    result = run_runner("serve", database="postgresql://owner@localhost/none", env={"GUNICORN_CMD_ARGS": arguments})
    assert result.returncode == 2
    (sentence,) = errors_in(result)
    assert sentence.startswith(expected)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", ["--bind 127.0.0.1:1", "-b 127.0.0.1:1", "--reuse-port", "--certfile tls.pem"])
def test_a_socket_of_gunicorns_own_cannot_be_answered_on(arguments, run_runner):
    env = {"GUNICORN_CMD_ARGS": arguments, "STARTUP_PROBE": "on"}
    result = run_runner("serve", database="postgresql://owner@localhost/none", env=env)
    assert result.returncode == 2
    (sentence,) = errors_in(result)
    assert re.match(r"GUNICORN_CMD_ARGS has --(bind|reuse-port|certfile), and STARTUP_PROBE=on ", sentence)


# --- Clients that mean no good ---


@pytest.mark.needs("linux")
def test_clients_that_are_silent_or_slow_hold_up_neither_others_nor_the_handover(start):
    port = closed_port()
    with start(port) as (runner, go_on), contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(300)]
        for client in silent[::2]:
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: ")
        assert runner.get(port) == (200, "ok")
        assert len(os.listdir(f"/proc/{runner.process.pid}/fd")) < 250  # the database needs some too
        go_on()
        runner.says("Serving on ")
        ready(runner, port)
        assert {client.recv(1024)[:12] for client in silent} == {b"HTTP/1.1 408"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"A" * 100_000, b"400"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"503"),
        (b"\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.1\r\n\r\n" * 50, b"200"),
        (b"POST /login HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000, b"503"),
    ],
    ids=range(9),
)
def test_whatever_is_sent_is_answered(start_once, request_, status):
    assert exchange(start_once, request_).split(b" ", 2)[1] == status
    assert exchange(start_once, b"GET /healthz HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\nok")


@pytest.fixture
def start_once(tmp_path) -> Iterator[int]:
    """The port of a start that waits for its database."""
    port = closed_port()
    env = {"STARTUP_PROBE": "on", "PORT": str(port)}
    with running("serve", f"postgresql://owner@127.0.0.1:{closed_port()}/none", tmp_path / "log", **env) as runner:
        runner.says("Waiting for PostgreSQL")
        yield port
        assert "Traceback" not in runner.log.read_text()


def test_five_hundred_connections_at_the_handover_are_all_answered(start):
    port = closed_port()
    with start(port) as (runner, go_on), contextlib.ExitStack() as stack:
        go_on()
        clients, slow = [], 0
        for _ in range(500):
            began = time.monotonic()
            clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)))
            clients[-1].sendall(GET_READYZ)
            slow += time.monotonic() - began >= HANDOVER_SECONDS
        answers = Counter(client.recv(65_536).split(b" ", 2)[1] for client in clients)
        runner.says("Serving on ")
    assert sum(answers.values()) == 500
    assert answers.pop(b"408", 0) <= slow  # whose request took too long, as on a busy machine
    assert set(answers) <= {b"200", b"503"}


def test_a_body_that_comes_late_does_not_cost_the_answer(start_once):
    """A connection that is closed over it would be reset, at the latest when the client sends the next part."""
    with socket.create_connection(("127.0.0.1", start_once), timeout=30) as client:
        client.sendall(b"POST /login HTTP/1.1\r\nContent-Length: 30\r\n\r\n")
        for _ in range(3):
            time.sleep(0.2)
            client.sendall(b"x" * 10)
        assert client.recv(1024).startswith(b"HTTP/1.1 503 ")


def test_a_client_that_never_stops_sending_is_left(start_once):
    with socket.create_connection(("127.0.0.1", start_once), timeout=30) as client:
        deadline = time.monotonic() + 30
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                client.sendall(b"x" * 1_000_000)


# --- Gunicorn's own ways with a socket that it was given ---


@pytest.mark.needs("linux")
def test_gunicorn_can_reload(migrated, tmp_path):
    port = closed_port()

    def workers() -> list[str]:
        pid = runner.process.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    with running("serve", migrated.url, tmp_path / "log", STARTUP_PROBE="on", PORT=str(port), **ONE) as runner:
        ready(runner, port)
        before = workers()
        runner.process.send_signal(signal.SIGHUP)
        until(lambda: len(workers()) == 1 and workers() != before, runner)
        assert runner.get(port, "/readyz")[0] == 200
        assert runner.ends(signal.SIGTERM) == 0
    assert is_free(port)


def test_gunicorn_can_replace_itself(migrated, tmp_path):
    """The second Gunicorn goes on with the socket when the first one ends."""
    port = closed_port()
    env = {"STARTUP_PROBE": "on", "PORT": str(port), "GUNICORN_CMD_ARGS": f"--pid {tmp_path / 'pid'}", **ONE}
    with running("serve", migrated.url, tmp_path / "log", **env) as runner:
        ready(runner, port)
        runner.process.send_signal(signal.SIGUSR2)
        second = int(until(lambda: (tmp_path / "pid.2").exists() and (tmp_path / "pid.2").read_text(), runner))
        try:
            assert runner.ends(signal.SIGTERM) == 0
            assert exchange(port, b"GET /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nok")
        finally:
            os.kill(second, signal.SIGTERM)
    wait_for(lambda: is_free(port))
