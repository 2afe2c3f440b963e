"""A server that goes away in the middle of a start: the start goes on when there is one again."""

import contextlib
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from installation import HELD, SLOW_ANSWER, errors_in, read_until, wait_for
from local_postgres import SUPERUSER
from local_postgres.server import LocalServer

from startup import session
from startup.connection import wait_for_database
from startup.errors import ConnectionLostError

SETTINGS = {"fsync": "off", "autovacuum": "off", "max_connections": "20", "shared_buffers": "16MB"}
LOST = "warning: The connection to PostgreSQL was lost"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that a test may stop, crash and start again."""
    with LocalServer(tmp_path_factory.mktemp("own"), settings=SETTINGS, listen_tcp=True) as local:
        yield local


@pytest.fixture
def url(own_server) -> Iterator[str]:
    """The URL of an empty database on it."""
    rows(own_server, "CREATE DATABASE tracker TEMPLATE template0")
    yield own_server.url("tracker", SUPERUSER)
    rows(own_server, "DROP DATABASE tracker WITH (FORCE)")


def rows(local: LocalServer, sql: str, dbname: str = "postgres") -> list[tuple]:
    with contextlib.closing(psycopg2.connect(local.url(dbname, SUPERUSER))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def in_the_middle(own_server, url, installation, **options):
    """Lend a start that waits inside its last migration, and the session that it waits for."""
    id = installation.add("held", HELD)
    with contextlib.closing(psycopg2.connect(url)) as holder:
        holder.autocommit = True
        holder.cursor().execute("SELECT pg_advisory_lock(42)")
        with installation.start("migrate", database=url, **options) as process:
            wait_for(lambda: rows(own_server, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'"))
            yield id, process


def arrived(own_server: LocalServer, id: str) -> bool:
    applied = rows(own_server, "SELECT migration_id, count(*) FROM _yoyo_log GROUP BY 1 HAVING count(*) > 1", "tracker")
    marked = rows(own_server, f"SELECT migration_id FROM _yoyo_migration WHERE migration_id = '{id}'", "tracker")
    left = rows(own_server, "SELECT pid FROM yoyo_lock", "tracker")
    return (applied, len(marked), left) == ([], 1, [])


@pytest.mark.parametrize("end", [LocalServer.stop, LocalServer.stop_immediately])
def test_a_server_that_is_restarted_is_waited_for_and_the_start_goes_on(
    own_server, url, installation, end: Callable[[LocalServer], None]
):
    with in_the_middle(own_server, url, installation) as (id, process):
        end(own_server)
        own_server.start()
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert said.count(LOST) == 1
    assert f"Applied {id}" in said
    assert arrived(own_server, id)


def test_a_server_that_does_not_come_back_is_waited_for_no_longer_than_any_other(own_server, url, installation):
    env = {"DATABASE_WAIT_SECONDS": "1", **SLOW_ANSWER}
    with in_the_middle(own_server, url, installation, env=env) as (id, process):
        own_server.stop_immediately()
        said = process.communicate()[1]
    own_server.start()
    assert process.returncode == 5
    assert "error: Cannot reach PostgreSQL at" in said
    result = installation.run("migrate", database=url)
    assert result.returncode == 0, result.stderr
    assert arrived(own_server, id)


def test_a_session_that_an_administrator_ends_in_a_wait_is_not_taken_up_again(own_server, url, installation):
    """He may want the start to end; the next one is the operator's affair."""
    first = installation.run("migrate", database=url)
    assert first.returncode == 0, first.stderr
    installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
    with contextlib.closing(psycopg2.connect(url)) as holder:
        holder.autocommit = True
        cursor = holder.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s, hashtext('public'))", (0x54696D65,))
        with installation.start("migrate", database=url) as process:
            read_until(process, "Waiting for the start lock")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'timetracker' AND datname = current_database()"
            )
            said = process.communicate()[1]
    assert process.returncode == 5
    assert " error: The connection to PostgreSQL was lost: terminating connection due to administrator" in said
    assert LOST not in said


def test_a_server_that_goes_away_while_it_is_asked_is_no_administrator(own_server, url, monkeypatch):
    def connect_to_one_that_goes_away(*_, **__):
        connection = wait_for_database(url, 60)
        rows(own_server, f"SELECT pg_terminate_backend({connection.info.backend_pid}, 60000)")
        return connection

    calls = []

    def attempt() -> str:
        calls.append(1)
        if len(calls) == 1:
            said = "terminating connection\nserver closed the connection unexpectedly"
            raise ConnectionLostError("terminating connection") from psycopg2.OperationalError(said)
        return "arrived"

    monkeypatch.setattr(session, "connect_interruptibly", connect_to_one_that_goes_away)
    assert session.despite_losses(attempt, url) == "arrived"


def test_a_migration_that_brings_the_server_down_each_time_ends_the_start(own_server, url, installation):
    """The statement kills the process that runs it, whereupon PostgreSQL ends all sessions and recovers."""
    installation.add("fatal", "CREATE TABLE made_it (id INTEGER);\nCOPY (SELECT 1) TO PROGRAM 'kill -9 $PPID';\n")
    result = installation.run("migrate", database=url, env={"DATABASE_WAIT_SECONDS": "30"})
    assert result.returncode == 5, result.stderr
    assert result.stderr.count(LOST) == 4
    assert errors_in(result)[0].startswith("The connection to PostgreSQL was lost")
    wait_for_database(url, 60).close()
    assert rows(own_server, "SELECT to_regclass('made_it')", "tracker") == [(None,)]
