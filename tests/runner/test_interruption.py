"""A start that is ended in the middle: by a signal, by the server, by kill -9."""

import contextlib
import re
import signal
import subprocess
import sys

import pytest
from blocking import transaction
from installation import NEXT, ROOT, contents_of, read_until, wait_for
from listeners import closed_port, listening

SLOW = "CREATE TABLE made_it (id INTEGER);\nDELETE FROM projects;\nSELECT pg_sleep(600);\n"
SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
LOCKS = "SELECT FROM pg_locks WHERE locktype = 'advisory'"


@pytest.fixture
def slow(migrated, installation):
    """An installation whose pending migration takes a minute."""
    installation.add("slow", SLOW)
    installation.end_patiently()
    return installation


@contextlib.contextmanager
def sleeping(installation, database, command="migrate", **options):
    """Lend a start that is in the middle of the long statement."""
    with installation.start(command, database=database, **options) as process:
        wait_for(lambda: database.query(SLEEPING))
        yield process


def goes_on(installation, database) -> None:
    """See that the next start finds its way without any hand work, once the file is quick."""
    (installation.sql / f"{installation.ids[-1]}.sql").write_text("CREATE TABLE made_it (id INTEGER);\n")
    result = installation.run("migrate", database=database, env={"LOCK_WAIT_SECONDS": "20"})
    assert result.returncode == 0, result.stderr
    assert database.query("SELECT count(*) FROM made_it") == [(0,)]
    assert database.query("SELECT count(*) FROM yoyo_lock") == [(0,)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("command", ["migrate", "plan"])
def test_a_signal_cancels_the_statement_and_rolls_back(migrated, slow, command, number, code):
    before = contents_of(migrated)
    with sleeping(slow, migrated, command) as process:
        process.send_signal(number)
        said = process.communicate()[1]
    assert process.returncode == code
    assert "Traceback" not in said
    assert " error: " not in said
    assert migrated.query(SLEEPING) == []
    assert migrated.query(LOCKS) == []
    after = contents_of(migrated)
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]
    assert {**after, "public.yoyo_lock": before["public.yoyo_lock"]} == before
    goes_on(slow, migrated)


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("command", ["wait", "verify", "status", "report"])
def test_a_signal_ends_what_only_reads(migrated, installation, command, number, code):
    installation.edit("startup/catalog.py", "lock_timeout = '5s'", "lock_timeout = '5min'")
    with (
        transaction(migrated, "LOCK TABLE users, settings"),
        installation.start(command, database=migrated) as process,
    ):
        wait_for(lambda: migrated.query("SELECT FROM pg_locks WHERE NOT granted"))
        process.send_signal(number)
        said = process.communicate()[1]
    assert process.returncode == code
    assert " error: " not in said


@pytest.mark.only_pg("pg18")
def test_a_signal_ends_serve_before_gunicorn(migrated, slow):
    with sleeping(slow, migrated, "serve", env={"PORT": str(closed_port())}) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 143
    goes_on(slow, migrated)


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait_for_the_lock(migrated, slow, number, code):
    with contextlib.closing(migrated.connect()) as yoyo, yoyo.cursor() as cursor:
        cursor.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
        with slow.start("migrate", database=migrated) as process:
            read_until(process, "Waiting for the start lock")
            process.send_signal(number)
            process.communicate()
    assert process.returncode == code
    assert migrated.query("SELECT pid FROM yoyo_lock") == [(4711,)]
    wait_for(lambda: migrated.query(LOCKS) == [])


@pytest.mark.only_pg("pg18")
def test_a_signal_during_an_optional_file_is_no_failure_of_that_file(migrated, installation):
    (installation.sql / "optional" / "optional-0003-slow.sql").write_text("-- requires: true\nSELECT pg_sleep(600);\n")
    with sleeping(installation, migrated) as process:
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[1]
    assert process.returncode == 143
    assert "optional-0003" not in said


@pytest.mark.only_pg("pg18")
def test_a_signal_during_an_index_build_leaves_nothing_marked(migrated, installation):
    id = installation.add(
        "slow", "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS made_it ON users (created_at);\n"
    )
    installation.end_patiently()
    with contextlib.closing(migrated.connect()) as writer, writer.cursor() as cursor:
        cursor.execute("BEGIN; UPDATE users SET role = role")
        with installation.start("migrate", database=migrated) as process:
            wait_for(lambda: migrated.query("SELECT FROM pg_stat_progress_create_index"))
            process.send_signal(signal.SIGTERM)
            process.communicate()
    assert process.returncode == 143
    assert (id,) not in migrated.query("SELECT migration_id FROM _yoyo_migration")
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]


def test_a_session_that_the_server_ends_is_told_and_rolled_back(migrated, slow):
    before = contents_of(migrated)
    with sleeping(slow, migrated) as process:
        ((pid,),) = migrated.query(SLEEPING)
        migrated.query("SELECT pg_terminate_backend(%s)", pid)
        said = process.communicate()[1]
    assert process.returncode == 5
    assert re.search(
        rf" error: The connection to PostgreSQL was lost during {NEXT}-slow: terminating connection due to"
        r" administrator command\. What was not committed is rolled back; look at the server, then start again\n$",
        said,
    )
    assert {**contents_of(migrated), "public.yoyo_lock": before["public.yoyo_lock"]} == before
    goes_on(slow, migrated)


@pytest.mark.only_pg("pg18")
def test_a_statement_that_somebody_cancels_is_a_failed_file(migrated, slow):
    with sleeping(slow, migrated) as process:
        ((pid,),) = migrated.query(SLEEPING)
        migrated.query("SELECT pg_cancel_backend(%s)", pid)
        process.communicate()
    assert process.returncode == 6
    goes_on(slow, migrated)


def test_after_a_kill_the_next_start_waits_for_the_statement_to_be_given_up(migrated, slow):
    """The server looks every second whether the runner is still there."""
    before = contents_of(migrated)
    with sleeping(slow, migrated) as process:
        process.kill()
        process.wait()
        assert migrated.query("SELECT count(*) FROM yoyo_lock WHERE pid < 0") == [(1,)]
        goes_on(slow, migrated)
    assert contents_of(migrated)["public.projects"] == before["public.projects"]


def test_a_later_connection_is_given_up_in_time_too():
    """The wait callback, which lets signals through, would make libpq forget its connect_timeout."""
    program = (
        "import sys; from startup import connection, signals; from psycopg2 import extensions;"
        "extensions.set_wait_callback(signals._wait); connection.connect(sys.argv[1], connect_timeout=2)"
    )
    with listening(silent=True) as port:
        command = [sys.executable, "-c", program, f"host=127.0.0.1 port={port} user=nobody"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert "timeout expired" in result.stderr


def test_a_signal_that_comes_while_a_notice_is_taken_in_is_not_lost(database):
    """psycopg2 passes over what is raised there."""
    program = """
import os, signal, sys
from startup import connection, signals

class Notices(list):
    def append(self, text):
        os.kill(os.getpid(), signal.SIGTERM)

signals.end_on_signals()
opened = connection.connect(sys.argv[1], connect_timeout=5)
opened.autocommit = True
signals.make_statements_interruptible(opened)
opened.notices = Notices()
opened.cursor().execute("DO $$ BEGIN RAISE NOTICE 'one'; END $$")
print("went on")
"""
    command = [sys.executable, "-c", program, database.url]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout, result.stderr) == (143, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_python_ends_is_no_matter(migrated, installation, number):
    """As the second one of somebody in a hurry; what was to be done is done."""
    late = f"import atexit, os\n\natexit.register(os.kill, os.getpid(), {number:d})\n"
    installation.edit("runner.py", "import sys\n", f"{late}import sys\n")
    result = installation.run("status", database=migrated)
    assert (result.returncode, result.stderr) == (0, "")
