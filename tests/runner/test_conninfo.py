"""DATABASE_URL in every form that people have it in, and what is said of one that cannot be read."""

import contextlib
import os
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from startup.connection import address, connect
from startup.conninfo import conninfo_from_url

ALICE = {"user": "alice", "password": "secret", "host": "db", "dbname": "tracker"}
SPECIAL = "/#?@:[]%&= '\"\\+!$^`|{}<>;,~*()"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://alice:secret@db/tracker", ALICE),
        ("postgres://alice:secret@db/tracker", ALICE),
        ("POSTGRESQL://alice:secret@db/tracker", ALICE),
        ("postgresql+psycopg2://alice:secret@db/tracker", ALICE),
        ("postgresql+asyncpg://alice:secret@db/tracker", ALICE),
        ("host=db user=alice password=secret dbname=tracker", ALICE),
        ("host = db user = alice password = 'secret' dbname = tracker", ALICE),
        ("postgresql://db/tracker?user=alice&password=secret", ALICE),
        ("postgresql://alice:secret@db:5433/tracker", ALICE | {"port": "5433"}),
        ("postgresql://alice@db", {"user": "alice", "host": "db"}),
        ("postgresql://alice:secret@db/tracker?sslmode=require", ALICE | {"sslmode": "require"}),
        ("postgresql://alice@db?sslmode=require", {"user": "alice", "host": "db", "sslmode": "require"}),
        ("postgresql://alice:secret@one:1,two:2/tracker", ALICE | {"host": "one,two", "port": "1,2"}),
        ("postgresql://alice:secret@one,two:2/tracker", ALICE | {"host": "one,two", "port": ",2"}),
        ("postgresql://alice:secret@one,two/tracker?port=1,2", ALICE | {"host": "one,two", "port": "1,2"}),
        ("postgresql://alice:secret@/tracker?host=/run/pg", ALICE | {"host": "/run/pg"}),
        ("postgresql://alice:secret@%2Frun%2Fpg/tracker", ALICE | {"host": "/run/pg"}),
        ("postgresql://alice:secret@%2Frun%2Fpg:5433/tracker", ALICE | {"host": "/run/pg", "port": "5433"}),
        ("postgresql://alice:secret@[::1]:5433/tracker", ALICE | {"host": "::1", "port": "5433"}),
        ("postgresql://alice@west:secret@db/tracker", ALICE | {"user": "alice@west"}),
        ("postgresql://alice:secret@db/my tracker", ALICE | {"dbname": "my tracker"}),
        ("postgresql://alice:secret@db/tracker?options=-csearch_path%3Da", ALICE | {"options": "-csearch_path=a"}),
        ("postgresql://alice:secret@db/tracker?options=-c search_path=a", ALICE | {"options": "-c search_path=a"}),
        ("postgresql://alice:secret@db/tracker?sslrootcert=/ca@x.pem", ALICE | {"sslrootcert": "/ca@x.pem"}),
        ("postgresql:///tracker?service=here", {"dbname": "tracker", "service": "here"}),
    ],
)
def test_it_is_brought_to_libpqs_form(url, expected):
    assert parse_dsn(conninfo_from_url(url)) == expected


@pytest.mark.parametrize("character", SPECIAL)
@pytest.mark.parametrize("form", ["{}", "{}xy", "x{}y", "xy{}", "x{}y{}z", "1{}x"])
def test_each_character_may_stand_in_a_password_as_it_is_and_encoded(character, form):
    password = form.replace("{}", character)
    for written in (password, quote(password, safe="")):
        for scheme in ("postgresql", "postgresql+psycopg2"):
            url = f"{scheme}://alice:{written}@db:5432/tracker?sslmode=require"
            assert parse_dsn(conninfo_from_url(url)) == ALICE | {
                "password": password,
                "port": "5432",
                "sslmode": "require",
            }


@pytest.mark.parametrize(
    "password",
    [
        SPECIAL,
        SPECIAL[::-1],
        "p@ss/word",
        "a@b:5432/c",
        "http://x/?y=z#",
        "100%",
        "%zz",
        "50%2",
        "äöü€",
        "@",
        "://",
        "@@@",
    ],
)
def test_many_of_them_may_stand_together(password):
    expected = ALICE | {"password": password}
    assert parse_dsn(conninfo_from_url(f"postgresql://alice:{password}@db/tracker")) == expected
    assert parse_dsn(conninfo_from_url(f"postgresql://alice:{quote(password, safe='')}@db/tracker")) == expected
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    assert parse_dsn(conninfo_from_url(f"host=db user=alice password='{escaped}' dbname=tracker")) == expected


EXPECTED = "expected postgresql://user:password@host:5432/database"
PORT = f"its port is not a number from 1 to 65535; {EXPECTED}"
HOST = "its host has a blank or one of / ? # @ in it; percent-encode special characters of user and password"
LINES = "it has several lines or characters that cannot be printed; expected one line"
QUOTES = "it stands in quotes; they belong to the shell, leave them out here"
VARIABLE = (
    "it holds ${...} or $(...), which whatever set it did not replace by the value;"
    " if that is really a part of the password, write $ as %24"
)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("Tr0ub4dor", f"{EXPECTED}, or key=value pairs"),
        ("db:5432", f"{EXPECTED}, or key=value pairs"),
        ("alice:Tr0ub4dor@db/tracker", f"{EXPECTED}, or key=value pairs"),
        ("postgresql:/alice:Tr0ub4dor@db/tracker", f"{EXPECTED}, or key=value pairs"),
        ("host=db password=Tr0ub4dor word dbname=tracker", f"{EXPECTED}, or key=value pairs"),
        ("host=db password='Tr0ub4dor", f"{EXPECTED}, or key=value pairs"),
        ("postgresql://alice:Tr0ub4dor@[::1/tracker", f"{EXPECTED}, or key=value pairs"),
        ("http://alice:Tr0ub4dor@db:5432/tracker", f"it begins with http://; {EXPECTED}"),
        ("https://db", f"it begins with https://; {EXPECTED}"),
        ("mysql://alice:Tr0ub4dor@db/tracker", f"it begins with mysql://; {EXPECTED}"),
        ("sqlite:///tracker.db", f"it begins with sqlite://; {EXPECTED}"),
        ("jdbc:postgresql://db/tracker", f"it begins with jdbc:postgresql://; {EXPECTED}"),
        ("psql postgresql://alice:Tr0ub4dor@db/tracker", f"there is something before ://; {EXPECTED}"),
        ("Tr0ub4dor@db postgresql://alice@db", f"there is something before ://; {EXPECTED}"),
        ('"postgresql://alice:Tr0ub4dor@db/tracker"', QUOTES),
        ("'postgresql://alice:Tr0ub4dor@db/tracker'", QUOTES),
        ("DATABASE_URL=postgresql://alice@db", "it begins with DATABASE_URL=; expected only what stands behind that"),
        ("export DATABASE_URL=postgres://db", "it begins with DATABASE_URL=; expected only what stands behind that"),
        ("postgresql://alice:${DB_PASSWORD}@db/tracker", VARIABLE),
        ("postgresql://alice:${DB_PASSWORD:-Tr0ub4dor}@db/tracker", VARIABLE),
        ("postgresql://alice:$(DB_PASSWORD)@db/tracker", VARIABLE),
        ("host=db password=${DB_PASSWORD}", VARIABLE),
        ("postgresql://alice:Tr0ub4dor@db/tracker\npostgresql://db", LINES),
        ("postgresql://alice:Tr0ub4dor\x00@db/tracker", LINES),
        ("postgresql://alice:Tr0ub4dor\x1b@db/tracker", LINES),
        ("postgresql://alice:Tr0ub4dor@db:0/tracker", PORT),
        ("postgresql://alice:Tr0ub4dor@db:65536/tracker", PORT),
        ("postgresql://alice:Tr0ub4dor@db:postgres/tracker", PORT),
        ("postgresql://alice:Tr0ub4dor@one:1,two:x/tracker", PORT),
        ("postgresql://alice:Tr0ub/4dor", PORT),
        ("host=db port=abc", PORT),
        ("postgresql://alice:Tr0ub4dor@d b/tracker", HOST),
        ("postgresql://alice:Tr0ub4dor@ db/tracker", HOST),
        (
            "postgresql://db/tracker?pool_size=5",
            "it has an option that PostgreSQL does not know (pool_size); leave it out",
        ),
        ("host=db password=Tr0ub4dor Tr0ub4dor=5", "it has an option that PostgreSQL does not know; leave it out"),
        ("postgresql://db/tracker?sslmode", "an option behind the ? has no name or no value; expected name=value"),
        ("postgresql://alice:a%00b@db/tracker", "a % in it begins no code of a character; write a literal % as %25"),
    ],
)
def test_what_cannot_be_read_is_told_without_showing_a_password(url, problem):
    with pytest.raises(ValueError) as caught:
        conninfo_from_url(url)
    assert str(caught.value) == problem
    assert "Tr0ub" not in problem


@pytest.mark.parametrize(
    ("url", "variables", "shown"),
    [
        ("postgresql://alice:secret@db/tracker", {}, "db:5432/tracker"),
        ("postgresql://alice:secret@db:5433", {}, "db:5433/alice"),
        ("postgresql://alice:secret@[::1]:5433/tracker", {}, "[::1]:5433/tracker"),
        ("postgresql://alice:secret@one,two:2/tracker", {}, "one:5432,two:2/tracker"),
        ("postgresql://one,two/tracker?port=1", {}, "one:1,two:1/tracker"),
        ("postgresql:///tracker?host=/run/pg", {}, "/run/pg:5432/tracker"),
        ("postgresql:///tracker", {}, "local socket:5432/tracker"),
        ("postgresql:///tracker?hostaddr=192.0.2.1", {}, "192.0.2.1:5432/tracker"),
        ("postgresql://?service=here", {}, "service here"),
        ("postgresql://db?service=here", {}, "db:5432"),
        ("", {"PGHOST": "db", "PGPORT": "5433", "PGUSER": "alice", "PGPASSWORD": "secret"}, "db:5433/alice"),
        ("", {"PGHOSTADDR": "192.0.2.1", "PGDATABASE": "tracker"}, "192.0.2.1:5432/tracker"),
        ("", {"PGSERVICE": "here", "PGHOST": "db"}, "service here"),
    ],
)
def test_the_log_names_the_server_without_user_and_password(url, variables, shown, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert address(conninfo_from_url(url) if url else "") == shown


# --- On a real server ---


@pytest.fixture
def carol(server):
    """A role whose password a test may choose."""

    def with_password(password: str) -> None:
        server.execute(sql.SQL("ALTER ROLE carol PASSWORD {}").format(sql.Literal(password)))

    server.execute("CREATE ROLE carol LOGIN")
    yield with_password
    server.execute("DROP ROLE carol")


def test_a_password_with_any_character_signs_in(server, carol):
    for password in [*(f"a{character}b" for character in SPECIAL), SPECIAL, "p@ss/word", "100%", "pässword"]:
        carol(password)
        for written in (password, quote(password, safe="")):
            url = f"postgresql+psycopg2://carol:{written}@127.0.0.1:{server.port}/postgres"
            with contextlib.closing(connect(conninfo_from_url(url))) as connection:
                assert connection.info.user == "carol", password
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(conninfo_from_url(f"postgresql://carol:{SPECIAL}@127.0.0.1:{server.port}/postgres"))


@pytest.mark.only_pg("pg18")
def test_the_runner_signs_in_with_such_a_password_and_never_shows_it(server, carol, run_runner):
    carol(SPECIAL)
    url = f"postgresql://carol:{SPECIAL}@127.0.0.1:{server.port}/postgres"
    result = run_runner("wait", database=url)
    assert result.returncode == 0, result.stderr
    assert ", as carol (" in result.stderr
    wrong = run_runner("wait", database=url.replace("carol:", "carol:wrong"))
    assert wrong.returncode == 5
    for said in (result, wrong):
        assert SPECIAL not in said.stdout + said.stderr
        assert quote(SPECIAL, safe="") not in said.stdout + said.stderr


def test_the_server_is_reached_by_socket_and_by_tcp(server, database):
    folder, port, name = server.local.socket_folder, server.port, database.name
    for url in (
        f"postgresql://owner:owner@/{name}?host={folder}&port={port}",
        f"postgresql://owner:owner@{quote(str(folder), safe='')}:{port}/{name}",
        f"host={folder} port={port} user=owner password=owner dbname={name}",
        f"postgres://owner:owner@127.0.0.1:{port}/{name}",
        f"postgresql://owner:owner@localhost:{port}/{name}",
        f"postgresql://owner:owner@127.0.0.1:1,127.0.0.1:{port}/{name}",
        f"host=127.0.0.1,127.0.0.1 port=1,{port} user=owner password=owner dbname={name}",
        f"postgresql://owner:owner@/{name}?hostaddr=127.0.0.1&port={port}",
    ):
        with contextlib.closing(connect(conninfo_from_url(url))) as connection:
            assert connection.info.dbname == name
            assert str(connection.info.port) == str(port)


@pytest.mark.only_pg("pg18")
def test_the_environment_of_libpq_is_enough(server, database, run_runner, tmp_path):
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "owner", "PGDATABASE": database.name}
    passwords, service = tmp_path / "pgpass", tmp_path / "services"
    passwords.write_text(f"127.0.0.1:{server.port}:*:owner:owner\n")
    passwords.chmod(0o600)
    options = "\n".join(f"{name.removeprefix('PG').lower()}={value}" for name, value in where.items())
    service.write_text(f"[tracker]\n{options}\n".replace("database=", "dbname="))
    for env in (
        {**where, "PGPASSWORD": "owner"},
        {**where, "PGPASSFILE": str(passwords)},
        {"PGSERVICE": "tracker", "PGSERVICEFILE": str(service), "PGPASSWORD": "owner"},
        {"PGSERVICE": "tracker", "PGSERVICEFILE": str(service), "PGPASSFILE": str(passwords)},
        {"DATABASE_URL": f"postgresql://owner@127.0.0.1:{server.port}/{database.name}", "PGPASSWORD": "owner"},
    ):
        result = run_runner("wait", env=env)
        assert result.returncode == 0, result.stderr
        assert f"at 127.0.0.1:{server.port}, database {database.name}, schema public, as owner (" in result.stderr
        assert "warning" not in result.stderr


@pytest.mark.only_pg("pg18")
def test_an_options_own_search_path_is_obeyed(server, database, run_runner):
    database.execute("CREATE SCHEMA tracker AUTHORIZATION owner", user="postgres")
    result = run_runner("wait", database=f"{database.url}?options=-csearch_path=tracker")
    assert result.returncode == 0
    assert f"database {database.name}, schema tracker, as owner (" in result.stderr
