"""A server that falls silent without closing anything: a start neither hangs for ever nor ignores a signal."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from blocking import lines_with
from installation import wait_for
from psycopg2.extensions import make_dsn

from startup.connection import connect

pytestmark = pytest.mark.only_pg("pg18")

OURS = "FROM pg_stat_activity WHERE application_name = 'timetracker' AND datname = current_database()"
MIGRATING = f"SELECT pid {OURS} AND query LIKE '%pg_sleep%'"
OBSERVING = f"SELECT pid {OURS} AND query LIKE '%pg_stat_progress_create_index%'"
POSTMASTER = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int"
LOCKS = "SELECT FROM pg_locks WHERE locktype = 'advisory'"
# Far more than it takes, and far less than for ever.
SECONDS = 25


@contextlib.contextmanager
def silent(*pids: int) -> Iterator[None]:
    """Keep processes of the server from running for the length of a block."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def pid_of(database, question: str) -> int:
    """Return the one process that a question is answered with, as soon as there is one."""
    found = []

    def answered() -> list:  # the next time it may be answered otherwise: the observer asks two questions in turn
        found.extend(database.query(question, user="postgres"))
        return found

    wait_for(answered)
    ((pid,),) = found
    return pid


def test_without_an_answer_to_the_second_session_the_migration_goes_on(migrated, installation):
    id = installation.add("slow", "CREATE TABLE made_it (id INTEGER);\nSELECT pg_sleep(9);\n")
    with (
        installation.start("migrate", database=migrated) as process,
        silent(pid_of(migrated, OBSERVING)),
    ):
        said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0, said
    assert lines_with(said, "cannot be seen") == [
        "notice: Who holds up a statement, and how far it is, cannot be seen: no answer within 3 s"
    ]
    assert f" Applied {id} " in said


@pytest.mark.parametrize(
    ("who", "number", "code"),
    [
        pytest.param([MIGRATING], signal.SIGTERM, 143, id="migrating"),
        pytest.param([OBSERVING], signal.SIGTERM, 143, id="observing"),
        pytest.param([MIGRATING, OBSERVING], signal.SIGINT, 130, id="both"),
        pytest.param([MIGRATING, POSTMASTER], signal.SIGTERM, 143, id="postmaster"),
    ],
)
def test_a_signal_ends_the_start_whoever_is_silent(migrated, installation, who, number, code):
    """The postmaster is who takes the request to cancel a statement."""
    id = installation.add("slow", "CREATE TABLE made_it (id INTEGER);\nSELECT pg_sleep(60);\n")
    with installation.start("migrate", database=migrated) as process:
        pid_of(migrated, OBSERVING)
        with silent(*[pid_of(migrated, question) for question in who]):
            process.send_signal(number)
            said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert " error: " not in said
    wait_for(lambda: migrated.query(LOCKS) == [])
    (installation.sql / f"{id}.sql").write_text("CREATE TABLE made_it (id INTEGER);\n")
    again = installation.run("migrate", database=migrated)
    assert again.returncode == 0, again.stderr


SLEEP = """
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN OLD; END';
CREATE TRIGGER sleep BEFORE DELETE ON yoyo_lock FOR EACH ROW EXECUTE FUNCTION sleep();
"""
STUBBORN = """
DO $$
BEGIN
    PERFORM pg_sleep(60);
EXCEPTION WHEN query_canceled THEN
    PERFORM pg_sleep(60);
END;
$$;
"""


@pytest.mark.parametrize(
    ("prepared", "slow"),
    [
        pytest.param("", STUBBORN, id="the statement that is cancelled"),
        pytest.param(SLEEP, "SELECT pg_sleep(60);\n", id="what gives the lock back"),
    ],
)
def test_a_signal_ends_a_start_whose_last_statements_last(migrated, installation, prepared, slow):
    migrated.execute(prepared or "SELECT")
    installation.add("slow", slow)
    with installation.start("migrate", database=migrated) as process:
        pid_of(migrated, OBSERVING)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert " error: " not in said


def test_a_machine_that_vanishes_is_noticed_unless_the_url_says_otherwise(server):
    wanted = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "4", "tcp_user_timeout": "30000"}
    with contextlib.closing(connect(server.url("postgres"))) as connection:
        assert wanted.items() <= connection.info.dsn_parameters.items()
    with contextlib.closing(connect(make_dsn(server.url("postgres"), **dict.fromkeys(wanted, "7")))) as connection:
        assert dict.fromkeys(wanted, "7").items() <= connection.info.dsn_parameters.items()
