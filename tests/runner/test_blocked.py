"""A migration that meets other people's locks: it gives way, names who is there, and tries again."""

import re
import signal
from contextlib import closing

import psycopg2
import pytest
from blocking import lines_with, transaction
from conftest import FAST, Server
from installation import errors_in, read_until, wait_for
from local_postgres.server import LocalServer

MORE = "SET LOCAL lock_timeout = '1s';\nALTER TABLE projects ADD COLUMN IF NOT EXISTS color TEXT;\n"
# Only the last try is told: it has to last until a busy machine has seen who is in the way.
LONGER = MORE.replace("1s", "5s")
HELD_UP = "Held up while applying "
APPLIED = "SELECT count(*) FROM _yoyo_migration WHERE migration_id = %s"
COLORED = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'projects'::regclass AND attname = 'color'"


@pytest.fixture
def more(migrated, installation):
    """An installation with a pending migration that needs the table projects for itself."""
    installation.add("more", MORE)
    return installation


def test_it_gives_way_names_who_is_there_and_goes_on_when_they_are_gone(migrated, more):
    with transaction(migrated) as reader:
        pid = reader.connection.info.backend_pid
        with more.start("migrate", database=migrated) as process:
            first = read_until(process, HELD_UP)
            # The second try, or a later one where it was over before the machine came to look.
            named = read_until(process, f"{HELD_UP}{more.ids[-1]}: pid {pid} ")
            reader.execute("COMMIT")
            said = process.communicate()[1]
    assert process.returncode == 0, said
    gave_way = r" Gave way \(canceling statement due to lock timeout\); next try in "
    assert re.search(rf" notice: {HELD_UP}{more.ids[-1]}: .*\.{gave_way}0\.5 s, 2\d\d s left\n$", first)
    assert re.search(
        rf" notice: {HELD_UP}{more.ids[-1]}: pid {pid} \(psql, role owner, idle in transaction, query \d+ s old,"
        rf" transaction \d+ s old\) holds ACCESS SHARE on projects\.{gave_way}\d+\.0 s, 2\d\d s left\n$",
        named,
    )
    assert migrated.query(APPLIED, more.ids[-1]) == [(1,)]
    assert migrated.query(COLORED) == [(1,)]


def test_nobody_waits_while_it_pauses(migrated, more):
    with transaction(migrated), more.start("migrate", database=migrated) as process:
        read_until(process, "next try in 4.0 s")  # longer than a busy machine may take to let the writer come
        migrated.execute("SET lock_timeout = '400ms'; UPDATE projects SET status = status")
        process.terminate()
        process.communicate()
    assert migrated.query(COLORED) == [(0,)]


def test_when_the_time_is_over_it_fails_and_names_them_and_the_next_start_goes_on(migrated, installation):
    id = installation.add("more", LONGER)
    with transaction(migrated) as reader:
        result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "2"})
        pid = reader.connection.info.backend_pid
    assert result.returncode == 6
    (error,) = errors_in(result)
    assert error.startswith(
        f"{id} was held up for 2 s and was rolled back: canceling statement due to lock timeout;"
        f" pid {pid} (psql, role owner, idle in transaction, "
    )
    assert error.endswith("start again; LOCK_WAIT_SECONDS sets how long to try")
    assert migrated.query(COLORED) == [(0,)]
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]
    assert installation.run("migrate", database=migrated).returncode == 0
    assert migrated.query(COLORED) == [(1,)]


def test_a_session_of_another_role_is_named_as_far_as_it_is_shown(migrated, installation):
    installation.add("more", LONGER)
    with transaction(migrated, user="postgres") as reader:
        result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "2"})
        pid = reader.connection.info.backend_pid
    assert f"; pid {pid} (psql, role postgres) holds ACCESS SHARE on projects." in errors_in(result)[0]


@pytest.mark.only_pg("pg18")
def test_a_prepared_transaction_is_named_by_its_name(tmp_path, run_runner, installation):
    with LocalServer(
        tmp_path / "server", settings={**FAST, "max_prepared_transactions": "1"}, listen_tcp=True
    ) as local:
        server = Server("pg18", local)
        with closing(psycopg2.connect(local.url("postgres", "postgres"))) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE ROLE owner LOGIN PASSWORD 'owner'; ALTER ROLE postgres PASSWORD 'postgres'")
            connection.commit()
        with server.new_database() as database:
            assert installation.run("migrate", database=database).returncode == 0
            installation.add("more", LONGER)
            database.execute("BEGIN; UPDATE projects SET status = status; PREPARE TRANSACTION 'forgotten'")
            result = installation.run("migrate", database=database, env={"LOCK_WAIT_SECONDS": "2"})
            database.execute("ROLLBACK PREPARED 'forgotten'")
    assert re.search(
        r"; prepared transaction forgotten \(role owner, transaction \d+ s old\) holds ROW EXCLUSIVE on projects\. ",
        errors_in(result)[0],
    )


def test_a_deadlock_is_tried_again(migrated, installation):
    """The other session would wait for a minute before it looked for a deadlock, so that ours is the one to go.

    A session looks for one once, when it has waited so long: by then the other one has to be there.
    """
    migrated.execute(f"ALTER DATABASE {migrated.name} SET deadlock_timeout = '5s'", user="postgres")
    installation.add("more", "SET LOCAL lock_timeout = '1min';\nLOCK TABLE users;\nLOCK TABLE projects;\n" + MORE)
    held = "SELECT FROM pg_locks WHERE relation = 'users'::regclass AND mode = 'AccessExclusiveLock' AND granted"
    with (
        transaction(
            migrated, "SET LOCAL deadlock_timeout = '1min'; LOCK TABLE projects IN EXCLUSIVE MODE", user="postgres"
        ) as other,
        installation.start("migrate", database=migrated) as process,
    ):
        wait_for(lambda: migrated.query(held))
        other.execute("LOCK TABLE users; COMMIT")
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert lines_with(said, "Gave way (deadlock detected)")
    assert migrated.query(COLORED) == [(1,)]


def test_without_a_second_connection_it_goes_on_and_says_so(migrated, more):
    migrated.execute("ALTER ROLE owner CONNECTION LIMIT 1", user="postgres")
    try:
        with transaction(migrated, user="postgres") as reader, more.start("migrate", database=migrated) as process:
            read_until(process, "cannot be seen: ")
            line = read_until(process, HELD_UP)
            reader.execute("COMMIT")
            said = process.communicate()[1]
    finally:
        migrated.execute("ALTER ROLE owner CONNECTION LIMIT -1", user="postgres")
    assert "who was in the way was not seen" in line
    assert process.returncode == 0, said


def test_an_optional_file_gives_way_too_and_never_stops_the_start(migrated, installation):
    (installation.sql / "optional" / "optional-0003-more.sql").write_text(f"-- requires: true\n{LONGER}")
    with transaction(migrated):
        result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "10"})
    assert result.returncode == 0
    assert lines_with(result.stderr, "Held up while applying optional-0003-more: ")
    (warning,) = lines_with(result.stderr, "warning: optional-0003-more was held up for 10 s and was rolled back")
    assert "holds ACCESS SHARE on projects" in warning
    assert installation.run("migrate", database=migrated).returncode == 0
    assert migrated.query(COLORED) == [(1,)]


def test_the_leftover_of_a_build_is_dropped_as_soon_as_nobody_uses_it(migrated, installation):
    migrated.execute("CREATE INDEX project_names ON projects (name)")
    migrated.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'project_names'::regclass", user="postgres"
    )
    id = installation.add("index", INDEX)
    with transaction(migrated) as reader, installation.start("migrate", database=migrated) as process:
        line = read_until(process, "holds ACCESS SHARE on projects")
        reader.execute("COMMIT")
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert f"Held up while applying {id}: " in line
    assert migrated.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'project_names'::regclass") == [(True,)]


INDEX = """-- transactional: false
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('project_names') AND NOT indisvalid) THEN
        PERFORM set_config('lock_timeout', '1s', true);
        DROP INDEX project_names;
    END IF;
END;
$$;
CREATE INDEX CONCURRENTLY IF NOT EXISTS project_names ON projects (name);
"""


def test_what_a_build_sets_for_its_session_is_put_back(migrated, installation):
    """Without a lock_timeout the next file could wait for ever."""
    without = "    PERFORM set_config('lock_timeout', '0', false);\nEND;\n$$"  # as each of ours has it, for its build
    installation.add("index", INDEX.replace("END;\n$$", without))
    installation.add("next", "CREATE TABLE made_it AS SELECT current_setting('lock_timeout') AS lock_timeout;\n")
    result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "77"})
    assert result.returncode == 0, result.stderr
    assert migrated.query("SELECT lock_timeout FROM made_it") == [("77s",)]


BUILDING = "FROM pg_stat_progress_create_index"


@pytest.mark.parametrize("is_marked", [False, True])
def test_an_index_whose_build_was_killed_is_built_again(migrated, installation, is_marked):
    id = installation.add("index", INDEX)
    with (installation.sql / "runner" / "schema.txt").open("a", encoding="ascii") as file:
        file.write("index projects.project_names: USING btree (name)\n")
    if is_marked:
        assert installation.run("migrate", database=migrated).returncode == 0
        migrated.execute("DROP INDEX project_names")
    is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('project_names')"
    with transaction(migrated, "UPDATE projects SET status = status"):
        with installation.start("migrate", database=migrated) as process:
            # Only then is the index there, which the server would otherwise take back with the runner gone.
            wait_for(lambda: migrated.query(f"SELECT {BUILDING} WHERE phase = 'waiting for writers before build'"))
            process.kill()
            process.wait()
        wait_for(lambda: not migrated.query(f"SELECT {BUILDING}"))
        assert migrated.query(is_valid) == [(False,)]
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 0, result.stderr
    assert migrated.query(is_valid) == [(True,)]
    assert migrated.query(APPLIED, id) == [(1,)]
    healed = "Healed index projects.project_names"
    assert lines_with(result.stderr, "Healed") == ([healed] if is_marked else [])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_pause(migrated, more, number, code):
    more.edit("startup/patience.py", "PAUSES = (0.5,", "PAUSES = (200,")
    more.end_patiently()
    with transaction(migrated), more.start("migrate", database=migrated) as process:
        read_until(process, "next try in 200.0 s")
        process.send_signal(number)
        process.communicate()
    assert process.returncode == code
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]


@pytest.mark.only_pg("pg18")
def test_a_signal_ends_a_wait_that_is_being_looked_at(migrated, installation):
    installation.add("more", MORE.replace("1s", "10min"))
    installation.end_patiently()
    observer = (  # the test's own sessions have no name
        "SELECT FROM pg_stat_activity WHERE application_name = 'timetracker' AND datname = current_database()"
        " AND query LIKE '%pg_stat_progress_create_index%'"
    )
    with transaction(migrated), installation.start("migrate", database=migrated) as process:
        wait_for(lambda: migrated.query(observer))
        process.terminate()
        process.communicate()
    assert process.returncode == 143
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]


def test_a_start_that_meets_a_deadlock_looks_again(migrated, installation):
    """A start that heals locks the tables in another order than one that looks at them."""
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'"
    heals = "SET LOCAL deadlock_timeout = '1min'; ALTER SEQUENCE users_id_seq RENAME TO other"
    with (
        transaction(migrated, heals, user="postgres") as healing,
        installation.start("migrate", database=migrated) as process,
    ):
        wait_for(lambda: migrated.query(waiting))
        healing.execute("LOCK TABLE invoice_items")  # waits until the server has ended the deadlock
        healing.execute("ROLLBACK")
        said = process.communicate()[1]
    assert process.returncode == 0, said
