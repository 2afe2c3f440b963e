"""What a person gets wrong: one clear line a problem, the right exit code, and nothing changed."""

import re
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest
from installation import contents_of
from listeners import HTTP, closed_port, listening

COMMANDS = ["serve", "wait", "migrate", "verify", "status", "plan", "snapshot"]
WRITERS = ["serve", "migrate", "plan"]
LACKS_CREATE = "error: Role bob lacks CREATE on schema public: GRANT CREATE ON SCHEMA public TO bob"
READ_ONLY = (
    "error: The database of DATABASE_URL is read-only (default_transaction_read_only is on): expected one to write to;"
)


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What a run said on stderr, without the times."""
    assert result.stdout == ""
    return [line.partition(" ")[2] for line in result.stderr.splitlines()]


@pytest.fixture
def refused(database, run_runner) -> Callable[..., list[str]]:
    """Run a command that ends with this exit code and changes nothing, and return what it said."""

    def run(command: str, url: str, code: int, **env: str) -> list[str]:
        before = contents_of(database)
        result = run_runner(command, database=url, env={"PORT": str(closed_port())} | env, timeout=30)
        assert result.returncode == code, result.stderr
        assert contents_of(database) == before
        return said(result)

    return run


@pytest.fixture
def bob(server) -> Iterator[str]:
    """A role that owns nothing."""
    server.create_role("bob")
    yield "bob"
    server.execute("DROP ROLE bob")


# --- DATABASE_URL ---


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({}, "DATABASE_URL is not set: expected postgresql://user:password@host:5432/database"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is empty: expected postgresql://user:password@host:5432/database"),
        (
            {"DATABASE_URL": "db.example"},
            "DATABASE_URL is malformed: expected postgresql://user:password@host:5432/database",
        ),
    ],
    ids=["unset", "empty", "malformed"],
)
def test_a_database_url_that_names_no_database_is_a_mistake_in_the_configuration(command, env, problem, run_runner):
    result = run_runner(command, env=env)
    assert result.returncode == 2
    (line,) = said(result)
    assert line.startswith(f"error: {problem}")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.only_pg("pg18")
def test_a_wrong_password_ends_every_command_at_once(command, database, refused):
    place = f"127.0.0.1:{database.server.port}/{database.name}"
    assert refused(command, database.url_as("owner", "Tr0ub4dor"), 5) == [
        f'error: Cannot use PostgreSQL at {place}: password authentication failed for user "owner".'
        " Check the user name and the password in DATABASE_URL"
    ]


def test_a_server_that_says_no_ends_it_at_once(database, refused, bob):
    server, name = database.server, database.name
    database.execute(f"REVOKE CONNECT ON DATABASE {name} FROM public", user="postgres")
    server.execute("CREATE ROLE idle PASSWORD 'idle'")
    refusals = [
        (server.url(name, "nobody", "Tr0ub4dor"), 'password authentication failed for user "nobody"'),
        (f"postgresql://owner@127.0.0.1:{server.port}/{name}", "fe_sendauth: no password supplied"),
        (server.url("tracker", "owner"), 'database "tracker" does not exist'),
        (server.url(name, "idle"), 'role "idle" is not permitted to log in'),
        (server.url(name, "bob"), f'permission denied for database "{name}"'),
        (f"{database.url}?replication=true", "no pg_hba.conf entry for replication connection"),
        (f"{database.url}?options=-ccolour=red", 'unrecognized configuration parameter "colour"'),
        (f"{database.url}?options=-cwork_mem=red", 'invalid value for parameter "work_mem": "red"'),
        (f"{database.url}?options=-zz", "invalid command-line argument"),
    ]
    try:
        for url, reason in refusals:
            assert_unusable(refused("migrate", url, 5), reason)
    finally:
        server.execute("DROP ROLE idle")


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("sslmode=always", 'invalid sslmode value: "always"'),
        ("sslmode=require", "server does not support SSL, but SSL was required"),
        ("target_session_attrs=master", 'invalid target_session_attrs value: "master"'),
        ("keepalives=x", 'invalid integer value "x" for connection option "keepalives"'),
        ("port=1,2", "could not match 2 port numbers to 1 hosts"),
        ("hostaddr=db", 'could not parse network address "db"'),
        ("channel_binding=require", "channel binding required, but SSL not in use"),
        (f"host=/{'x' * 120}", "Unix-domain socket path"),
        ("service=nowhere", 'definition of service "nowhere" not found'),
    ],
)
def test_an_option_that_libpq_refuses_ends_it_at_once(option, reason, database, run_runner):
    result = run_runner("wait", database=f"{database.url}?{option}", env={"PGSERVICEFILE": "/dev/null"}, timeout=30)
    assert result.returncode == 5
    assert_unusable(said(result), reason)


def assert_unusable(lines: list[str], reason: str) -> None:
    """One line says that there is no way in, why, and what to do."""
    (line,) = lines
    assert line.startswith("error: Cannot use PostgreSQL at ")
    assert f": {reason}" in line
    assert line.rpartition(". ")[2]


def test_a_port_where_something_else_answers(refused):
    with listening(HTTP) as port:
        assert refused("migrate", f"postgresql://alice:Tr0ub4dor@127.0.0.1:{port}/tracker", 5) == [
            f"error: Cannot use PostgreSQL at 127.0.0.1:{port}/tracker: received invalid response to SSL negotiation:"
            " H. Something other than PostgreSQL answers there; correct host and port in DATABASE_URL"
        ]


# --- Roles and databases ---


@pytest.mark.parametrize("command", WRITERS)
def test_a_role_that_may_not_create(command, database, refused, bob):
    database.execute("REVOKE CREATE ON SCHEMA public FROM public", user="postgres")
    lines = refused(command, database.url_as(bob), 5)
    assert [line for line in lines if line.startswith("error")] == [LACKS_CREATE]


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.only_pg("pg18")
def test_a_read_only_database(command, database, refused):
    name = database.name
    url = f"{database.url}?options=-cdefault_transaction_read_only=on"
    (line,) = refused(command, url, 5)
    assert line.startswith(READ_ONLY)
    database.server.execute(f"ALTER ROLE owner IN DATABASE {name} SET default_transaction_read_only = on")
    (line,) = refused(command, database.url, 5)
    assert line.startswith(READ_ONLY)
    database.server.execute(f"ALTER ROLE owner IN DATABASE {name} RESET default_transaction_read_only")
    database.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    (line,) = refused(command, database.url, 5)
    assert line.startswith(READ_ONLY)


@pytest.mark.only_pg("pg18")
def test_the_connection_test_tells_of_a_read_only_database(migrated, run_runner):
    url = f"{migrated.url}?options=-cdefault_transaction_read_only=on"
    result = run_runner("wait", database=url)
    assert result.returncode == 0
    assert "notice: The database of DATABASE_URL is read-only (default_transaction_read_only is on)" in result.stderr


@pytest.mark.only_pg("pg18")
def test_a_read_only_database_can_be_verified(migrated, run_runner):
    url = f"{migrated.url}?options=-cdefault_transaction_read_only=on"
    before = contents_of(migrated)
    for command in ("wait", "verify", "status"):
        assert run_runner(command, database=url).returncode == 0
    assert contents_of(migrated) == before


# --- The environment ---


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.only_pg("pg18")
def test_wrong_settings_are_all_told_before_anything_is_done(command, database, refused):
    wrong = {
        "DATABASE_WAIT_SECONDS": "soon",
        "HEAL": "perhaps",
        "TZ": "Mars/Phobos",
        "CURRENCY": "€",
        "ROUNDING_MINUTES": "none",
        "SINGLE_ACTIVE_TIMER": "ja",
    }
    assert refused(command, database.url, 2, **wrong) == [
        "error: DATABASE_WAIT_SECONDS=soon: expected a whole number from 0 to 86400",
        "error: HEAL=perhaps: expected yes or no (or true/false, on/off, 1/0)",
        "error: TZ=Mars/Phobos: expected a time zone such as Europe/Rome",
        "error: CURRENCY=€: expected three capital letters such as EUR",
        "error: ROUNDING_MINUTES=none: expected a whole number from 1 to 60",
        "error: SINGLE_ACTIVE_TIMER=ja: expected yes or no (or true/false, on/off, 1/0)",
    ]


@pytest.mark.only_pg("pg18")
def test_a_busy_port_is_told_before_the_database_is_touched(database, refused):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        expected = [
            f"error: Cannot serve on 127.0.0.1, port {port}: Address already in use."
            " Set PORT to another, or end what listens there"
        ]
        assert refused("serve", database.url, 2, PORT=port) == expected
        assert refused("serve", "postgresql://alice@db.invalid/tracker", 2, PORT=port) == expected
        everywhere = refused("serve", database.url, 2, PORT=port, LISTEN_ADDRESS="0.0.0.0")
        assert everywhere == [line.replace("127.0.0.1", "0.0.0.0") for line in expected]


@pytest.mark.only_pg("pg18")
def test_an_address_that_is_none_of_this_machine_is_told_before_the_database_is_touched(database, refused):
    remedy = "Set LISTEN_ADDRESS to an address of this machine, such as 127.0.0.1"
    for given, reason in [("192.0.2.77", "Cannot assign requested address"), ("no.invalid", ".*")]:
        (line,) = refused("serve", database.url, 2, LISTEN_ADDRESS=given, PORT="8099")
        assert re.fullmatch(rf"error: Cannot serve on {given}, port 8099: {reason}\. {remedy}", line)


# --- The command line ---


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["migrat"], "argument command: invalid choice: 'migrat'"),
        (["--version"], "unrecognized arguments: --version"),
        (["migrate", "--json"], "unrecognized arguments: --json"),
        (["migrate", "serve"], "unrecognized arguments: serve"),
        (["verify", "--only", "colour"], "argument --only: invalid choice: 'colour'"),
        (["verify", "--only"], "argument --only: expected one argument"),
        (["verify", "--jsn"], "unrecognized arguments: --jsn"),
        (["status", "users"], "unrecognized arguments: users"),
        (["status", "two\nlines"], "unrecognized arguments: two lines"),
        ([""], "argument command: invalid choice: ''"),
    ],
)
def test_a_command_line_that_is_not_understood(arguments, problem, run_runner):
    result = run_runner(*arguments, env={"DATABASE_URL": "postgresql://alice@db.invalid/tracker"})
    assert result.returncode == 2
    (line,) = said(result)
    assert line.startswith(f"error: {problem}")
    assert line.endswith("; python runner.py --help lists the commands")


def test_help_needs_no_database(run_runner):
    for arguments in (["--help"], ["-h"], ["serve", "--help"]):
        result = run_runner(*arguments)
        assert result.returncode == 0
        assert result.stderr == ""
        assert all(f"\n  {command} " in result.stdout for command in COMMANDS)
