"""What a start with nothing to do costs, which is what happens a thousand times for each migration."""

import contextlib
import os
import re
import subprocess
import sys
import time

import pytest
from faults.proxy import OBSERVING
from installation import ROOT
from listeners import closed_port
from psycopg2 import sql

# The floor: what any program pays that asks this database one question.
FLOOR = "import os, psycopg2; psycopg2.connect(os.environ['DATABASE_URL']).cursor().execute('SELECT 1')"
START = "import sys; sys.argv[1:] = ['migrate']; import runner; assert runner.main(sys.argv[1:]) == 0"
PEAK = "; print(*(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"

COUNTERS = """
SELECT sessions, xact_commit, xact_rollback, tup_inserted + tup_updated + tup_deleted,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_wal_insert_lsn() - '0/0'
FROM pg_stat_database
WHERE datname = %s
"""


@pytest.fixture
def settled(migrated, run_runner):
    """A database on which two starts have left what the first look at new rows leaves, such as hint bits."""
    for _ in range(2):
        assert run_runner("migrate", database=migrated).returncode == 0
    return migrated


@pytest.fixture(params=["migrate", "serve"])
def start(request, run_runner, settled):
    """Return a function that starts as far as Gunicorn, which loads the app and ends."""
    environment = {"GUNICORN_CMD_ARGS": "--check-config", "PORT": str(closed_port()), "SECRET_KEY": "given"}

    def run() -> None:
        result = run_runner(request.param, database=settled, env=environment)
        assert result.returncode == 0, result.stderr
        assert "Verified the schema" in result.stderr

    return run


def counters(database) -> dict[str, int]:
    """Return what the server has counted, once the sessions of the runner are gone and have reported."""
    with contextlib.closing(database.server.connect()) as connection, connection.cursor() as cursor:
        deadline = time.monotonic() + 60
        while True:
            cursor.execute("SELECT FROM pg_stat_activity WHERE datname = %s", (database.name,))
            if not cursor.rowcount:
                break
            assert time.monotonic() < deadline, "a session of the runner does not end"
            time.sleep(0.01)
        if database.server.version < 15:
            time.sleep(0.6)  # what these read is up to half a second old
        cursor.execute(COUNTERS, (database.name,))
        names = ("connections", "commits", "rollbacks", "tuples", "transaction ids", "bytes of WAL")
        return {name: int(value) for name, value in zip(names, cursor.fetchone(), strict=True)}


def cost(database, start) -> dict[str, int]:
    before = counters(database)
    start()
    after = counters(database)
    return {name: after[name] - before[name] for name in after}


def test_it_makes_one_connection_and_only_reads(settled, start):
    found = cost(settled, start)
    assert found["connections"] == 1
    assert found["commits"] <= 3  # the log-in is one
    assert (found["rollbacks"], found["tuples"], found["transaction ids"]) == (0, 0, 0)


def test_the_counters_would_see_a_start_that_writes(settled, run_runner):
    settled.execute("DELETE FROM settings")
    found = cost(settled, lambda: run_runner("migrate", database=settled))
    assert found["commits"] > 3
    assert min(found["tuples"], found["transaction ids"], found["bytes of WAL"]) > 0


def test_it_writes_no_byte_of_wal(settled, start):
    # The server's own processes write some now and then; a start that writes would do so each time.
    assert 0 in [cost(settled, start)["bytes of WAL"] for _ in range(3)]


def test_it_sends_two_statements(server, settled, start):
    server.execute(f"ALTER DATABASE {settled.name} SET log_statement = 'all'")
    size = server.local.log.stat().st_size
    start()
    counters(settled)
    logged = server.local.log.read_bytes()[size:]
    assert len(re.findall(rb"LOG:  (?:statement|execute)", logged)) == 2


def test_it_leaves_no_line_in_the_log_of_the_server(server, settled, start):
    size = server.local.log.stat().st_size
    start()
    counters(settled)
    lines = server.local.log.read_bytes()[size:].splitlines()
    assert [line for line in lines if b"checkpoint" not in line] == []


def test_it_takes_no_lock_but_that_of_a_reader(server, settled, start):
    """EXCLUSIVE lets readers through, and nobody else: what asked for more would wait for ever."""
    relations = (
        "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE relkind = 'r' AND NOT relisshared AND nspname IN ('public', 'pg_catalog')"
    )
    with contextlib.closing(settled.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(relations)
        names = sql.SQL(", ").join(sql.Identifier(*names) for names in cursor.fetchall())
        cursor.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))
        start()
        cursor.execute("ROLLBACK")


def loaded_by(run_runner, database) -> set[str]:
    result = run_runner("migrate", database=database, env={"PYTHONPROFILEIMPORTTIME": "1"})
    return {name.split(".")[0] for name in re.findall(r"^import time: .* \| +(\S+)$", result.stderr, re.MULTILINE)}


def test_it_loads_nothing_that_it_does_not_need(settled, run_runner):
    loaded = loaded_by(run_runner, settled)
    assert {"runner", "psycopg2", "startup"} - loaded == {"runner"}
    assert loaded & {"yoyo", "sqlparse", "importlib_metadata", "argparse", "flask", "gunicorn", "subprocess"} == set()
    assert loaded & {"socket", "threading", "hashlib"} == set(), "each takes as long as the questions to the database"
    assert "_ssl" not in loaded, "psycopg2 brings its own"


def test_a_first_start_loads_of_yoyo_only_what_it_needs(database, run_runner):
    loaded = loaded_by(run_runner, database)
    assert "yoyo" in loaded
    assert loaded & {"sqlparse", "importlib_metadata"} == set()


def test_yoyo_finds_and_reads_all_the_same_once_it_is_asked():
    program = (
        "import startup.apply, yoyo, yoyo.backends.base\n"
        "print(yoyo.backends.base.get_backend_class('postgresql').__name__)\n"
        "migration = yoyo.read_migrations('sql')[0]\n"
        "migration.load()\n"
        "print(len(migration.steps))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.stderr == ""
    backend, steps = result.stdout.split()
    assert (backend, int(steps) > 1) == ("PostgresqlBackend", True)


@pytest.mark.needs("linux")
def test_it_needs_no_more_memory_than_any_program_that_connects(settled):
    def peak_of(program: str) -> int:
        environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "DATABASE_URL": settled.url}
        result = subprocess.run(
            [sys.executable, "-c", program + PEAK], env=environment, check=True, capture_output=True, text=True
        )
        return int(re.search(r"VmHWM:\s+(\d+) kB", result.stdout)[1])

    assert peak_of(START) < peak_of(FLOOR)


@pytest.mark.only_pg("pg18")
def test_a_migration_costs_four_messages_beside_its_own(server, installation):
    """A look at yoyo's lock row, BEGIN, the mark with the log row and the hashes, COMMIT."""

    def messages_of_a_first_start(files: int) -> int:
        installation.keep(1)
        for number in range(files):
            installation.add(f"example-{number}", "SELECT 1;\n")
        with server.new_database() as database:
            server.execute(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
            size = server.local.log.stat().st_size
            installation.run("migrate", database=database, env={"HEAL": "off"})
            counters(database)
            logged = server.local.log.read_bytes()[size:]
            # Without those of whoever looks at a statement that takes long, as any may on a busy machine.
            return len(re.findall(rb"LOG:  statement: (?!" + re.escape(OBSERVING) + b")", logged))

    assert messages_of_a_first_start(12) - messages_of_a_first_start(2) == 10 * (4 + 1)
