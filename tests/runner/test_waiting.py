"""Waiting for the database: what passes is waited for, what does not ends at once, and the log stays short."""

import contextlib
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from background import running
from installation import SLOW_ANSWER
from listeners import HTTP, SSH, closed_port, listening
from local_postgres import SUPERUSER
from local_postgres.server import LocalServer

from startup import connection
from startup.errors import DatabaseUnusableError

SETTINGS = {"fsync": "off", "autovacuum": "off", "max_connections": "20", "shared_buffers": "16MB"}
PATIENT = {"DATABASE_WAIT_SECONDS": "60"}
ADVICE = (
    "Start it, see whether PostgreSQL is what listens there, or correct DATABASE_URL"
    " (DATABASE_WAIT_SECONDS sets how long to wait)"
)


def execute(local: LocalServer, sql: str, dbname: str = "postgres") -> None:
    with contextlib.closing(connection.connect(local.url(dbname, SUPERUSER), primary=False)) as opened:
        opened.cursor().execute(sql)


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that comes and goes; each test starts it or has it started, as a primary."""
    with LocalServer(tmp_path_factory.mktemp("spare"), settings=SETTINGS, listen_tcp=True) as local:
        execute(local, "CREATE ROLE owner LOGIN PASSWORD 'owner'")
        execute(local, "CREATE DATABASE tracker OWNER owner")
        yield local


@pytest.fixture
def absent(spare: LocalServer) -> Iterator[LocalServer]:
    """The spare server, while it does not run."""
    spare.stop()
    yield spare
    if spare.pid is None:
        spare.start()


@pytest.fixture
def standby(absent: LocalServer) -> Iterator[LocalServer]:
    """The spare server as a hot standby. It is a primary again afterwards."""
    absent.place("standby.signal", b"")
    absent.start()
    yield absent
    with contextlib.closing(connection.connect(url_of(absent), primary=False)) as opened:
        promoted = opened.info.parameter_status("in_hot_standby") == "off"
    if not promoted:
        execute(absent, "SELECT pg_promote()")


def url_of(local: LocalServer) -> str:
    return local.url("tracker", "owner", "owner", tcp=True)


# --- What passes ---


def test_a_database_that_comes_up_late_is_noticed(absent, tmp_path):
    with running("migrate", url_of(absent), tmp_path / "log", **PATIENT) as runner:
        line = runner.says("Waiting for PostgreSQL")
        absent.start()
        assert runner.ends() == 0
    place = f"127.0.0.1:{absent.port}/tracker"
    assert re.fullmatch(rf"\S+ Waiting for PostgreSQL at {place}, (60|5\d) s left: Connection refused", line)
    waited = [line for line in runner.lines if "Waiting for" in line]
    assert len(waited) <= 2  # the second: it is starting up
    assert len([line for line in waited if "refused" in line]) == 1
    assert "Connected to PostgreSQL" in runner.lines[len(waited) + 1]


def test_a_socket_that_is_not_there_yet_is_waited_for(absent, tmp_path):
    absent_url = absent.url("tracker", "owner", "owner")
    with running("wait", absent_url, tmp_path / "log", **PATIENT) as runner:
        line = runner.says("Waiting for PostgreSQL")
        absent.start()
        assert runner.ends() == 0
    assert f"at {absent.socket_folder}:{absent.port}/tracker" in line
    assert line.endswith("No such file or directory")


def test_a_server_that_is_starting_up_is_waited_for(absent):
    # Archive recovery begins by asking this command for a file, which has none once the runner has seen the server.
    log = absent.socket_folder / "log"
    absent.settings["restore_command"] = f"until grep -qs 'starting up' {log}; do sleep 0.05; done; false"
    absent.place("recovery.signal", b"")
    with running("wait", url_of(absent), log, **PATIENT) as runner:
        absent.start()
        del absent.settings["restore_command"]
        assert runner.ends() == 0
    assert len([line for line in runner.lines if "the database system is starting up" in line]) == 1


def test_a_standby_is_waited_for_by_what_writes_until_it_is_promoted(standby, tmp_path):
    with running("migrate", url_of(standby), tmp_path / "log", **PATIENT) as runner:
        runner.says(" s left: server is in hot standby mode")
        execute(standby, "SELECT pg_promote()")
        assert runner.ends() == 0
    assert len([line for line in runner.lines if "Waiting for" in line]) == 1


@pytest.mark.parametrize("command", ["serve", "migrate", "plan"])
def test_a_standby_that_stays_one_is_no_database_to_write_to(command, standby, run_runner):
    env = {"DATABASE_WAIT_SECONDS": "0", "PORT": str(closed_port()), **SLOW_ANSWER}
    for url in (url_of(standby), f"{url_of(standby)}?target_session_attrs=any"):
        result = run_runner(command, database=url, env=env)
        assert result.returncode == 5
        assert result.stderr.partition(" ")[2] == (
            f"error: Cannot reach PostgreSQL at 127.0.0.1:{standby.port}/tracker after 0 s: server is in hot standby"
            " mode. Promote it, or give DATABASE_URL the primary (DATABASE_WAIT_SECONDS sets how long to wait)\n"
        )


def test_wait_verify_and_status_work_on_a_standby(absent, run_runner):
    absent.start()
    url = url_of(absent)
    assert run_runner("migrate", database=url).returncode == 0
    absent.stop()
    absent.place("standby.signal", b"")
    absent.start()
    try:
        said = run_runner("wait", database=url)
        assert said.returncode == 0
        assert re.search(r"PostgreSQL 18\S*, standby, encoding UTF8, time zone \S+", said.stderr)
        assert run_runner("verify", database=url).returncode == 0
        assert run_runner("status", database=url).returncode == 0
    finally:
        execute(absent, "SELECT pg_promote()")


@pytest.mark.only_pg("pg18")
def test_of_several_hosts_the_primary_is_taken(server, standby, run_runner):
    """And the first for what only reads."""
    server.execute("CREATE DATABASE tracker OWNER owner")
    try:
        url = f"postgresql://owner:owner@127.0.0.1:{standby.port},127.0.0.1:{server.port}/tracker"
        env = {"DATABASE_WAIT_SECONDS": "0", **SLOW_ANSWER}
        assert run_runner("migrate", database=url, env=env).returncode == 0
        assert f"at 127.0.0.1:{standby.port}, " in run_runner("wait", database=url).stderr
    finally:
        server.execute("DROP DATABASE tracker WITH (FORCE)")


@pytest.mark.parametrize(
    ("url", "place", "reason"),
    [
        ("postgresql://u:Tr0ub4dor@127.0.0.1:{port}/d", "127.0.0.1:{port}/d", "Connection refused"),
        ("postgresql://u:Tr0ub4dor@127.0.0.1:{port},127.0.0.1:{port}/d", None, "Connection refused"),
        ("postgresql://u:Tr0ub4dor@/d?host=/nowhere", "/nowhere:5432/d", "No such file or directory"),
        # Words of the list of hopeless reasons, as names.
        ("postgresql://u:Tr0ub4dor@certificate.invalid/d", "certificate.invalid:5432/d", None),
        ("postgresql://u:Tr0ub4dor@db.invalid/invalid port", "db.invalid:5432/invalid port", None),
    ],
)
def test_when_the_time_is_over_it_says_why(url, place, reason, run_runner):
    port = closed_port()
    result = run_runner("wait", database=url.format(port=port), env={"DATABASE_WAIT_SECONDS": "1"})
    assert result.returncode == 5
    *waiting, ending = result.stderr.splitlines()
    assert len(waiting) <= 1  # none where looking up a name takes long
    place = re.escape((place or "127.0.0.1:{port},127.0.0.1:{port}/d").format(port=port))
    reason = reason or r'could not translate host name "\w+.invalid" to address: .*'
    for line in waiting:
        assert re.fullmatch(rf"\S+ Waiting for PostgreSQL at {place}, [01] s left: {reason}", line)
    ended = rf"\S+ error: Cannot reach PostgreSQL at {place} after 1 s: {reason}\. {re.escape(ADVICE)}"
    assert re.fullmatch(ended, ending)


# --- What does not pass ---

SOMETHING_ELSE = "Something other than PostgreSQL answers there; correct host and port in DATABASE_URL"


@pytest.mark.parametrize("sslmode", ["prefer", "disable"])
@pytest.mark.parametrize(
    ("answer", "greets"),
    [(HTTP, False), (SSH, True), (b"\x15\x03\x01\x00\x02\x02\x46", False), (b"-ERR\r\n", False)],
    ids=["http", "ssh", "tls", "redis"],
)
def test_something_else_that_answers_ends_it_at_once(answer, greets, sslmode, run_runner):
    with listening(answer, greets=greets) as port:
        url = f"postgresql://alice:Tr0ub4dor@127.0.0.1:{port}/tracker?sslmode={sslmode}"
        result = run_runner("migrate", database=url, env=PATIENT, timeout=30)
    assert result.returncode == 5
    (line,) = result.stderr.splitlines()
    assert f" error: Cannot use PostgreSQL at 127.0.0.1:{port}/tracker: " in line
    assert line.endswith(SOMETHING_ELSE)
    assert line.isprintable()


def test_an_answer_in_another_encoding_is_no_surprise(run_runner):
    with listening(b"\xff\xfe\x00") as port:
        url = f"postgresql://alice:Tr0ub4dor@127.0.0.1:{port}/tracker"
        result = run_runner("migrate", database=url, env={"DATABASE_WAIT_SECONDS": "0", **SLOW_ANSWER})
    assert result.returncode == 5
    (line,) = result.stderr.splitlines()
    assert f"PostgreSQL at 127.0.0.1:{port}/tracker" in line
    assert "SSL negotiation: \ufffd" in line or "its answer is no UTF-8 text" in line


def test_a_listener_that_closes_at_once_may_be_a_proxy_of_a_database_to_come(run_runner):
    with listening() as port:
        url = f"postgresql://alice:Tr0ub4dor@127.0.0.1:{port}/tracker"
        # Long enough for the first attempt to be over before the wait is.
        result = run_runner("migrate", database=url, env={"DATABASE_WAIT_SECONDS": "5", **SLOW_ANSWER})
    assert result.returncode == 5
    waiting, ending = result.stderr.splitlines()
    assert re.search("[0-5] s left: server closed the connection unexpectedly$", waiting)
    assert ending.endswith(f"after 5 s: server closed the connection unexpectedly. {ADVICE}")


def test_a_listener_that_never_answers_is_given_up(run_runner):
    with listening(silent=True) as port:
        url = f"postgresql://alice:Tr0ub4dor@127.0.0.1:{port}/tracker"
        result = run_runner("migrate", database=url, env={"DATABASE_WAIT_SECONDS": "1"})
    assert result.returncode == 5
    (line,) = result.stderr.splitlines()
    assert line.endswith(f"Cannot reach PostgreSQL at 127.0.0.1:{port}/tracker after 1 s: timeout expired. {ADVICE}")


def test_a_hopeless_host_among_others_is_not_the_end(tmp_path):
    with listening(HTTP) as port:
        url = f"postgresql://alice@127.0.0.1:{closed_port()},127.0.0.1:{port}/tracker"
        with running("wait", url, tmp_path / "log", **PATIENT) as runner:
            assert runner.says("Waiting for").endswith(
                "Connection refused; received invalid response to SSL negotiation: H"
            )
            assert runner.ends(signal.SIGTERM) == 143


def test_a_hopeless_host_before_another_is_not_the_end(tmp_path):
    url = f"host=/{'x' * 120},127.0.0.1 port={closed_port()} dbname=tracker user=alice"
    with running("wait", url, tmp_path / "log", **PATIENT) as runner:
        assert re.search(
            r'left: Unix-domain socket path ".*" is too long.*; Connection refused$', runner.says("left: ")
        )
        assert runner.ends(signal.SIGTERM) == 143


@pytest.mark.parametrize("password", ["e", "password", "authentication", "user"])
def test_a_password_that_is_a_common_word_does_not_garble_the_reason(server, password, run_runner):
    result = run_runner("wait", database=server.url("postgres", "owner", password), env=PATIENT, timeout=30)
    assert result.returncode == 5
    assert result.stderr.partition(" ")[2] == (
        f"error: Cannot use PostgreSQL at 127.0.0.1:{server.port}/postgres: password authentication failed for"
        ' user "owner". Check the user name and the password in DATABASE_URL\n'
    )


@pytest.mark.parametrize(
    ("ending", "remark"), [("", ""), ("\r\n", "; it ends with a carriage return, as the lines of Windows do")]
)
def test_a_wrong_password_out_of_a_file_is_sought_there(server, ending, remark, tmp_path, run_runner):
    file = tmp_path / "password"
    file.write_bytes(b"Tr0ub4dor" + ending.encode())
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGDATABASE": "postgres", "PGUSER": "owner"}
    url = f"postgresql://owner@127.0.0.1:{server.port}/postgres"
    for given, named in (({"DATABASE_URL": url}, "DATABASE_URL"), (place, "the PG* variables")):
        result = run_runner("wait", env={**given, "PGPASSWORD_FILE": str(file), **PATIENT}, timeout=30)
        assert result.returncode == 5
        (line,) = result.stderr.splitlines()
        assert line.endswith(f". Check the user name and the password in {named}, or in PGPASSWORD_FILE{remark}")


@pytest.mark.parametrize(
    ("env", "place", "reason", "remedy"),
    [
        (
            {"PGPORT": "abc"},
            "db:abc",
            'invalid integer value "abc" for connection option "port"',
            "Correct this option",
        ),
        ({"PGSSLMODE": "always"}, "db:5432", 'invalid sslmode value: "always"', "Correct this option"),
    ],
)
def test_libpqs_own_variables_are_named_where_they_are_wrong(env, place, reason, remedy, run_runner):
    result = run_runner("wait", env={"PGHOST": "db", "PGDATABASE": "tracker", **env, **PATIENT}, timeout=30)
    assert result.returncode == 5
    assert result.stderr.partition(" ")[2] == (
        f"error: Cannot use PostgreSQL at {place}/tracker: {reason}. {remedy} in the PG* variables\n"
    )


# --- The log ---


@pytest.fixture
def sixty_seconds(monkeypatch):
    """Let time pass by sleeping only; gives what is to be done at each sleep."""
    clock = SimpleNamespace(now=0.0, at_each_sleep=lambda: None)

    def sleep(seconds: float) -> None:
        clock.now += seconds
        clock.at_each_sleep()

    monkeypatch.setattr(connection, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return clock


def test_one_line_in_ten_seconds_tells_a_reason(sixty_seconds, capsys):
    with pytest.raises(DatabaseUnusableError):
        connection.wait_for_database(f"host=127.0.0.1 port={closed_port()}", 60)
    assert len(capsys.readouterr().err.splitlines()) == 6


def test_reasons_that_take_turns_do_not_flood_the_log(sixty_seconds, capsys, monkeypatch):
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "30")  # the listener is in this process, and as slow
    with listening() as open_port:
        ports = [str(open_port), str(closed_port())]

        def take_turns() -> None:
            ports.reverse()
            monkeypatch.setenv("PGPORT", ports[0])

        take_turns()
        sixty_seconds.at_each_sleep = take_turns
        with pytest.raises(DatabaseUnusableError):
            connection.wait_for_database("host=127.0.0.1", 60)
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.endswith("Connection refused")]) == 6
    assert len([line for line in lines if line.endswith("closed the connection unexpectedly")]) == 6
    assert len(lines) == 12


def test_a_password_file_that_others_may_read_is_told_once(server, tmp_path, run_runner):
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:owner\n")
    passwords.chmod(0o644)
    told = f"warning: The password file {passwords} is not used, because others may read it: chmod 0600 {passwords}"

    def lines(port: int, **env: str) -> list[str]:
        env = {"DATABASE_WAIT_SECONDS": "5", "PGPASSFILE": str(passwords)} | env
        result = run_runner("wait", database=f"postgresql://owner@127.0.0.1:{port}/postgres", env=env)
        return [line.partition(" ")[2] for line in result.stderr.splitlines()]

    refused = lines(closed_port())
    assert refused[0] == told
    assert len(refused) == 3
    unused = lines(server.port)
    assert unused[0] == told
    assert "no password supplied" in unused[1]
    assert "warning" not in str(lines(server.port, PGPASSWORD="owner"))
    passwords.chmod(stat.S_IRUSR)
    assert "warning" not in str(lines(server.port))


# --- Signals ---


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("command", ["serve", "wait"])
def test_a_signal_ends_the_wait(command, number, code, tmp_path):
    url = f"postgresql://alice:Tr0ub4dor@127.0.0.1:{closed_port()}/tracker"
    with running(command, url, tmp_path / "log", PORT=str(closed_port()), **PATIENT) as runner:
        runner.says("Waiting for PostgreSQL")
        assert runner.ends(number) == code
    assert len(runner.lines) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait_for_a_server_that_never_answers(number, code, tmp_path):
    """Without waiting for the attempt: libpq, which reads the answer, would take its five seconds."""
    with listening(silent=True) as port:
        url = f"postgresql://alice@127.0.0.1:{port}/tracker?connect_timeout=3600"
        with running("wait", url, tmp_path / "log", **PATIENT) as runner:
            while not has_connected_to(runner.process.pid, port):
                assert runner.process.poll() is None
            assert runner.ends(number) == code
    assert runner.lines == []


def has_connected_to(pid: int, port: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        return any(row.split()[2].endswith(f":{port:04X}") and row.split()[3] == "01" for row in rows)
    return False
