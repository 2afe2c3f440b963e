"""The app under Gunicorn with our configuration."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from blocking import SOMEBODY_WAITS, transaction
from installation import ROOT, wait_for
from itsdangerous import URLSafeTimedSerializer
from listeners import closed_port
from local_postgres import SUPERUSER
from local_postgres.server import LocalServer

from app import create_app
from app.queries import sessions

SECRET = {"SECRET_KEY": "k"}
UNREACHABLE = "postgresql://owner@127.0.0.1:1/none"


def test_it_serves_without_a_database_and_says_nothing(serve):
    served = serve(UNREACHABLE, **SECRET)
    assert served.get("/healthz") == (200, "ok")
    assert served.get("/")[0] == 503
    assert served.stop() == 0
    log = served.log.read_text()
    assert re.fullmatch(r"\S+ warning: Answered 503: .*Connection refused.*\n", log), log


def test_it_ends_well_on_sigterm(serve):
    served = serve(UNREACHABLE, **SECRET)
    assert served.stop() == 0
    assert served.log.read_text() == ""


@pytest.mark.needs("linux")
def test_the_master_alone_ends_the_workers_at_ctrl_c(serve):
    """A terminal sends SIGINT to them too; Gunicorn's handler, held up by the master's SIGQUIT, may wait for itself."""
    served = serve(UNREACHABLE, **SECRET)

    def ignores_sigint(pid: int) -> bool:
        return bool(int(status_of(pid, "SigIgn"), 16) & 1 << signal.SIGINT - 1)

    workers = served.workers(2)
    wait_for(lambda: all(ignores_sigint(pid) for pid in workers))
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(30) == 0
    assert served.log.read_text() == ""


@pytest.mark.needs("linux")
def test_a_worker_that_was_forked_just_now_ends_on_sigterm_too(tmp_path):
    """Until it has handlers of its own it has those of the master, which put the signal where nobody looks."""
    (tmp_path / "gunicorn.conf.py").write_text(
        "import os, pathlib, signal\n"
        "exec(pathlib.Path('gunicorn.conf.py').read_text())\n"
        "graceful_timeout = 60\n"  # a busy machine may take long to let the worker go on
        "def post_fork(server, worker):\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
        "def worker_exit(server, worker):\n"
        "    print('ended by itself', flush=True)\n"
    )
    log = tmp_path / "log"
    with log.open("w") as stderr:
        master = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", str(tmp_path / "gunicorn.conf.py")],
            env=without_database(WEB_CONCURRENCY="1", **SECRET),
            cwd=ROOT,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
        wait_for(lambda: children.read_text())
        worker = int(children.read_text())
        wait_for(lambda: status_of(worker, "State").startswith("T"))
        master.terminate()
        wait_for(lambda: int(status_of(worker, "ShdPnd"), 16) & 1 << (signal.SIGTERM - 1))
        os.kill(worker, signal.SIGCONT)
        assert master.wait(60) == 0
    finally:
        master.kill()
    assert log.read_text() == "ended by itself\n"


def without_database(**settings: str) -> dict[str, str]:
    """Return the environment of a Gunicorn that the runner did not start, and whose database is away."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(ROOT),
        "PORT": str(closed_port()),
        "DATABASE_URL": UNREACHABLE,
        **settings,
    }


def status_of(pid: int, name: str) -> str:
    """Return what the kernel says of a process under this name."""
    return re.search(rf"^{name}:\t(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]


@pytest.fixture
def as_alice(migrated, cast):
    """Return a function that asks the served app as alice's browser does, by a form, and gives status and body."""
    app = create_app({"DATABASE_URL": migrated.url, **SECRET})
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        now = datetime.now(UTC).replace(tzinfo=None)
        token = sessions.begin(cursor, cast["alice"], now, "a test", "127.0.0.1")
    content = {"_user_id": token, "_permanent": True, "csrf_token": "raw"}
    cookie = app.session_interface.get_signing_serializer(app).dumps(content)
    csrf_token = URLSafeTimedSerializer(SECRET["SECRET_KEY"], salt="wtf-csrf-token").dumps("raw")

    def send(served, path: str, method: str = "POST", **fields: str) -> tuple[int, str]:
        place = urlsplit(served.url)
        with contextlib.closing(http.client.HTTPConnection(place.hostname, place.port, timeout=30)) as connection:
            headers = {"Cookie": f"session={cookie}", "Content-Type": "application/x-www-form-urlencoded"}
            connection.request(method, path, urlencode({"csrf_token": csrf_token, **fields}), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    return send


@pytest.mark.only_pg("pg18")
def test_it_finishes_what_it_serves_on_sigterm(serve, migrated, cast, as_alice):
    served = serve(migrated.url, **SECRET)
    with ThreadPoolExecutor(1) as pool:
        with transaction(migrated, f"SELECT FROM users WHERE id = {cast['alice']} FOR UPDATE"):
            answer = pool.submit(as_alice, served, "/timer/start", notes="slow")
            wait_for(lambda: migrated.query(SOMEBODY_WAITS))
            served.process.terminate()
            time.sleep(1)
            assert served.process.poll() is None
        assert answer.result(30)[0] == 303
    assert served.process.wait(30) == 0
    assert migrated.query("SELECT notes FROM time_entries") == [("slow",)]


@pytest.mark.only_pg("pg18")
@pytest.mark.needs("linux")
def test_what_is_typed_during_an_outage_is_sent_again_to_the_same_workers(serve, migrated, as_alice, close_database):
    served = serve(migrated.url, **SECRET)
    workers = served.workers(2)
    typed = {"day": "2026-03-09", "start": "10:00", "end": "11:00", "notes": "typed in vain"}
    assert as_alice(served, "/entries", **typed | {"notes": "before"})[0] == 303
    with close_database(migrated):
        status, page = as_alice(served, "/entries", **typed)
        assert status == 503
    assert '<input type="hidden" name="notes" value="typed in vain">' in page
    assert as_alice(served, "/entries", **typed)[0] == 303
    assert migrated.query("SELECT notes FROM time_entries ORDER BY id") == [("before",), ("typed in vain",)]
    assert served.workers(2) == workers


@pytest.mark.needs("linux")
def test_it_runs_two_workers_unless_web_concurrency_says_otherwise(serve):
    assert serve(UNREACHABLE, **SECRET).workers(2)
    assert serve(UNREACHABLE, **SECRET, WEB_CONCURRENCY="1").workers(1)


@pytest.mark.needs("linux")
def test_gunicorn_cmd_args_come_first(serve):
    served = serve(UNREACHABLE, **SECRET, GUNICORN_CMD_ARGS="--workers 3 --access-logfile -")
    assert served.workers(3)
    served.get("/healthz")
    served.stop()
    assert "GET /healthz" in served.log.read_text()


@pytest.mark.needs("linux")
def test_workers_do_not_share_a_connection(serve, migrated):
    served = serve(migrated.url)
    assert postgres_sockets(served.process.pid, migrated.server.port) == set()
    with ThreadPoolExecutor(16) as pool:

        def both_have_some() -> bool:
            """Ask often; a worker that is not up yet, or held up, leaves all that is asked to the other one."""
            assert {status for status, _ in pool.map(served.get, ["/sign-in"] * 200)} == {200}
            return all(postgres_sockets(pid, migrated.server.port) for pid in served.workers(2))

        wait_for(both_have_some)
    first, second = (postgres_sockets(pid, migrated.server.port) for pid in served.workers(2))
    assert not first & second
    assert postgres_sockets(served.process.pid, migrated.server.port) == set()
    backends = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'timetracker' AND datname = current_database()"
    )
    # The one by which the app was loaded may take a moment to end.
    wait_for(lambda: migrated.query(backends) == [(len(first) + len(second),)])
    assert len(first) + len(second) <= 8


@pytest.mark.needs("linux")
def test_it_recovers_from_a_restart_of_the_database_without_new_workers(serve, tmp_path, run_runner):
    settings = {"fsync": "off", "autovacuum": "off"}
    with LocalServer(tmp_path / "server", settings=settings, listen_tcp=True) as local:
        url = local.url(SUPERUSER, SUPERUSER)
        assert run_runner("migrate", database=url).returncode == 0
        served = serve(url, WEB_CONCURRENCY="1")
        workers = served.workers(1)
        assert served.get("/")[0] == 200
        assert served.get("/readyz")[0] == 200

        local.stop_immediately()
        status, page = served.get("/")
        assert status == 503
        assert "The database cannot be reached" in page
        assert served.get("/readyz")[0] == 503
        assert served.get("/healthz")[0] == 200

        local.start()
        assert served.get("/")[0] == 200
        assert served.get("/readyz")[0] == 200
        assert served.workers(1) == workers


@pytest.mark.only_pg("pg18")
@pytest.mark.needs("linux")
def test_the_figures_of_a_day_are_kept_and_no_socket_leaves(serve, migrated, as_alice):
    migrated.execute("UPDATE settings SET allow_analytics = true")
    today = datetime.now(UTC).date()
    served = serve(migrated.url, **SECRET, WEB_CONCURRENCY="1")
    [worker] = served.workers(1)
    port, seen = urlsplit(served.url).port, set()
    ours = {f"0100007F:{migrated.server.port:04X}"}

    def is_expected(local: str, remote: str) -> bool:
        return local.endswith(f":{port:04X}") or remote in ours

    def watch(done: threading.Event) -> None:
        while not done.is_set():
            seen.update(sockets(worker).values())

    paths = ("/", "/profile", "/week", "/projects", "/tasks", "/reports", "/reports/chart.svg", "/reports.csv")
    done = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        watching = pool.submit(watch, done)
        try:
            assert [as_alice(served, path, method="GET")[0] for path in paths] == [200] * len(paths)
            form = {"day": "2026-03-09", "start": "10:00", "end": "11:00", "notes": "kept here"}
            assert as_alice(served, "/entries", **form)[0] == 303
        finally:
            done.set()
            watching.result(30)
    [(kept,)] = migrated.query("SELECT count(*) FROM analytics WHERE day >= %s", today)  # midnight may have passed
    assert kept > 5
    seen.update(sockets(worker).values())
    assert ours & {remote for _, remote in seen}, "the connection to the database was not seen"
    assert [socket for socket in seen if not is_expected(*socket)] == []


def postgres_sockets(pid: int, port: int) -> set[str]:
    """Return the inodes of a process's TCP connections to this port of 127.0.0.1."""
    return {inode for inode, (_, remote) in sockets(pid).items() if remote == f"0100007F:{port:04X}"}


def sockets(pid: int) -> dict[str, tuple[str, str]]:
    """Return a process's sockets of TCP and UDP: inode -> local and remote address, in the kernel's notation."""
    known = {}
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]:
            _, local, remote, _, _, _, _, _, _, inode, *_ = line.split()
            known[inode] = local, remote
    opened = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    return {inode: addresses for inode, addresses in known.items() if inode in opened}


def test_a_database_that_is_gone_as_the_app_is_loaded_is_one_line_and_5():
    """Since the runner proved it, for example; without a SECRET_KEY the app has to ask it."""
    result = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"],
        env=without_database(DATABASE_WAIT_SECONDS="0"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 5
    (line,) = result.stderr.splitlines()
    assert " error: Cannot reach PostgreSQL at 127.0.0.1:1/none after 0 s: Connection refused. " in line
