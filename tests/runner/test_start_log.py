"""The start-up log: one line a step with its time, as text or as JSON, without secrets and without asking DNS."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from installation import MIGRATIONS, SLOW_ANSWER
from listeners import closed_port

from startup import __version__, log, machine

ROOT = Path(__file__).parents[2]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
PASSWORD = "Tr0ub/4dor @home"

# Whatever would ask DNS fails. libpq looks names up by itself; it is given an address here.
NO_DNS = """
import socket

def refuse(*arguments, **options):
    raise AssertionError(f"DNS was asked for {arguments}")

for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo", "getfqdn"):
    setattr(socket, name, refuse)
"""


def lines_of(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines without the times at their ends and beginnings."""
    assert result.stdout == ""
    for line in result.stderr.splitlines():
        assert re.match(rf"{TIME} \S", line), line
    return [re.sub(r" \(\d+ ms\)$", " (MS)", line.partition(" ")[2]) for line in result.stderr.splitlines()]


def test_a_first_start_tells_each_step_in_a_line(database, run_runner):
    lines = lines_of(run_runner("migrate", database=database))
    python, driver = sys.version.split()[0], psycopg2.__version__.split()[0]
    server = re.escape(database.query("SHOW server_version")[0][0])
    first, second, *steps = lines
    assert re.fullmatch(
        rf"TimeTracker {re.escape(__version__)}, Python {python}, psycopg2 {driver},"
        rf" on {re.escape(socket.gethostname())} \((loopback only|[0-9a-f.:]+(, [0-9a-f.:]+)*)\)",
        first,
    )
    assert re.fullmatch(
        rf"Connected to PostgreSQL {server} at .*, database {database.name}, schema public, as owner \(MS\)", second
    )
    assert steps[: len(MIGRATIONS)] == [f"Applied {id} (MS)" for id in MIGRATIONS]
    assert steps[len(MIGRATIONS)] == "Inserted the defaults: user admin, project General, settings, secret key"
    assert f"{len(MIGRATIONS)} migrations applied, 0 pending" in steps
    assert re.fullmatch(r"Verified the schema public: \d+ objects looked at", steps[-1])


@pytest.mark.only_pg("pg18")
def test_a_start_with_nothing_to_do_takes_four_lines(migrated, run_runner):
    lines = lines_of(run_runner("migrate", database=migrated))
    assert [line.split()[0] for line in lines] == ["TimeTracker", "Connected", str(len(MIGRATIONS)), "Verified"]


def test_wait_says_which_server_answered(database, run_runner):
    _, connected, *answers = lines_of(run_runner("wait", database=database.url_as("owner")))
    version, zone = database.query("SELECT current_setting('server_version'), current_setting('log_timezone')")[0]
    assert connected == (
        f"Connected to PostgreSQL {version} at 127.0.0.1:{database.server.port}, database {database.name},"
        " schema public, as owner (MS)"
    )
    assert answers == [
        f"PostgreSQL {version}, primary, encoding UTF8, time zone {zone}",
        "Role owner, privileges: all that a migration needs",
    ]


def test_wait_says_what_the_role_may_not_do(migrated, run_runner):
    migrated.server.create_role("reader")
    try:
        migrated.execute("GRANT SELECT ON users TO reader")
        _, _, _, *answers = lines_of(run_runner("wait", database=migrated.url_as("reader")))
    finally:
        migrated.execute("DROP OWNED BY reader", user="postgres")
        migrated.server.execute("DROP ROLE reader")
    assert answers[0] == "Role reader, privileges: some that a migration needs are missing"
    assert any(line.startswith("notice: Role reader lacks ownership (it belongs to owner) on ") for line in answers)


@pytest.mark.only_pg("pg18")
def test_it_names_hosts_and_addresses_without_asking_dns(database, run_runner, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NO_DNS)
    guard = {"PYTHONPATH": str(tmp_path)}
    guarded = subprocess.run(
        [sys.executable, "-c", "import socket; socket.getfqdn()"], env=os.environ | guard, stderr=subprocess.DEVNULL
    )
    assert guarded.returncode == 1
    url = database.url_as("owner")
    for command in ("migrate", "migrate", "wait"):
        result = run_runner(command, database=url, env=guard)
        assert result.returncode == 0, result.stderr
        named = re.search(rf" on {re.escape(socket.gethostname())} \((.*)\)\n", result.stderr)[1]
        assert named == (", ".join(machine.addresses()) or "loopback only")


def test_the_addresses_are_those_of_this_machine():
    for address in machine.addresses():
        assert not address.startswith(("127.", "fe80:"))
        assert address != "::1"
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))


def test_a_machine_that_tells_nothing_has_no_addresses(monkeypatch):
    """As under systemd's RestrictAddressFamilies, which forbids the sockets that list the interfaces."""

    def refuse():
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(machine.socket, "if_nameindex", refuse)
    assert all(":" in address for address in machine.addresses())


# --- JSON ---


def test_json_gives_one_object_a_line(database, run_runner):
    result = run_runner("migrate", database=database, env={"LOG_FORMAT": "json"})
    assert result.returncode == 0
    entries = [json.loads(line) for line in result.stderr.splitlines()]
    for entry in entries:
        assert re.fullmatch(TIME, entry["time"])
        assert entry["level"] in ("info", "notice", "warning", "error")
        assert entry["message"]
    started, connected = entries[:2]
    assert (started["version"], started["host"], started["addresses"]) == (
        __version__,
        socket.gethostname(),
        machine.addresses(),
    )
    assert (connected["database"], connected["database_schema"]) == (database.name, "public")
    applied = [entry["migration"] for entry in entries if "migration" in entry and "optional" not in entry["migration"]]
    assert applied == MIGRATIONS
    assert all(isinstance(entry["milliseconds"], int) for entry in entries if "migration" in entry)
    assert entries[-1]["verified"] is True


@pytest.mark.parametrize(
    ("arguments", "env", "code", "count"),
    [
        (["migrate"], {"DATABASE_URL": ""}, 2, 1),
        (["migrate"], {"DATABASE_URL": "http://db", "PORT": "x", "TZ": "Mars"}, 2, 3),
        (["migrat"], {}, 2, 1),
        (["migrate"], {"DATABASE_URL": "postgresql://alice@127.0.0.1:{port}/d", "DATABASE_WAIT_SECONDS": "5"}, 5, 2),
        (["migrate"], {"DATABASE_URL": "postgresql://alice@127.0.0.1/d?sslmode=always"}, 5, 1),
        (["serve"], {"DATABASE_URL": "postgresql://alice@127.0.0.1/d", "LISTEN_ADDRESS": "192.0.2.77"}, 2, 1),
    ],
)
def test_json_holds_for_what_ends_a_start_too(arguments, env, code, count, run_runner):
    env = {name: value.format(port=closed_port()) for name, value in env.items()}
    result = run_runner(*arguments, env={"LOG_FORMAT": "json", **env})
    assert result.returncode == code
    entries = [json.loads(line) for line in result.stderr.splitlines()]
    assert len(entries) == count
    assert entries[-1]["level"] == "error"


def test_an_unknown_format_is_told_as_text(run_runner):
    result = run_runner("migrate", env={"LOG_FORMAT": "yaml", "PGHOST": "db"})
    assert result.returncode == 2
    assert lines_of(result) == ["error: LOG_FORMAT=yaml: expected text or json"]


# --- Lines and secrets ---


def test_nothing_that_is_told_can_break_a_line_or_steer_a_terminal(capsys):
    log.write("one\ntwo\r\x1b[31mthree\x85four")
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert line.endswith(" one two [31mthree four")


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.only_pg("pg18")
def test_no_password_reaches_the_log(log_format, server, database, run_runner):
    server.execute("CREATE ROLE carol LOGIN SUPERUSER PASSWORD %s", (PASSWORD,))
    try:
        right = f"postgresql://carol:{PASSWORD}@127.0.0.1:{server.port}/{database.name}"
        urls = [
            right,
            right.replace("carol", "dave"),
            right.replace(database.name, "tracker"),
            right.replace(str(server.port), str(closed_port())),
            right.replace(str(server.port), "http"),
            f"{right}?sslmode=always",
            f"{right}?colour=red",
            f"{right}?options=-ccolour=red",
            right.replace("postgresql:", "mysql:"),
            right.replace("@127.0.0.1", ""),
            f"'{right}'",
            f"host=127.0.0.1 password={PASSWORD}",
        ]
        for url in urls:
            env = {"LOG_FORMAT": log_format, "DATABASE_WAIT_SECONDS": "0", **SLOW_ANSWER}
            result = run_runner("migrate", database=url, env=env)
            assert result.returncode == (0 if url == right else 2 if "Cannot" not in result.stderr else 5)
            assert "4dor" not in result.stderr + result.stdout
            assert "@home" not in result.stderr + result.stdout
    finally:
        server.execute("DROP OWNED BY carol")
        database.execute("DROP OWNED BY carol CASCADE", user="postgres")
        server.execute("DROP ROLE carol")
