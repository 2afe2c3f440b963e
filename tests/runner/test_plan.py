"""plan: what a start would do and which locks it would take, by doing it and rolling back."""

import contextlib
import re

import pytest
from blocking import transaction
from installation import (
    HELD,
    MIGRATIONS,
    NEXT,
    WAITING,
    contents_of,
    errors_in,
    held_up,
    migration_files,
    read_until,
    sessions_in,
    wait_for,
)

from startup.lock import ADVISORY_CLASS

LOCK_ROW = "INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)"


def test_on_an_empty_database_it_lists_every_migration_and_changes_nothing(database, run_runner):
    before = contents_of(database)
    result = run_runner("plan", database=database)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    outside = {
        path.stem: "outside a transaction; readers and writers go on"
        for path in migration_files()
        if path.read_text().startswith("-- transactional: false")
    }
    assert outside
    assert [line.split(": would be applied") for line in lines[: len(MIGRATIONS)]] == [
        [id, f" {outside[id]}" if id in outside else "; locks no table that is there already"] for id in MIGRATIONS
    ]
    assert lines[len(MIGRATIONS) :] == [
        "optional-0001-trigram-extension: would be tried (optional)",
        "optional-0002-notes-trigram: would be tried (optional)",
        "The defaults that are missing would be inserted",
    ]
    assert contents_of(database) == before


def test_on_a_current_database_there_is_nothing_to_do(migrated, run_runner):
    before = contents_of(migrated)
    result = run_runner("plan", database=migrated)
    assert (result.returncode, result.stdout) == (0, "Nothing is pending\n")
    assert contents_of(migrated) == before


@pytest.mark.only_pg("pg18")
class TestPendingFiles:
    def test_are_told_with_the_locks_that_they_take_on_tables_that_are_there(self, migrated, installation):
        first = installation.add("first", "ALTER TABLE users ADD COLUMN example INTEGER;\nCREATE TABLE made_it ();\n")
        second = installation.add(
            "second",
            "CREATE INDEX made_on_tasks ON tasks (name);\nUPDATE users SET role = 'admin';\nLOCK TABLE made_it;\n",
        )
        third = installation.add("third", "SELECT count(*) FROM projects;\n")
        result = installation.run("plan", database=migrated)
        assert result.returncode == 0
        assert result.stdout.splitlines() == [
            f"{first}: would be applied; ACCESS EXCLUSIVE on users",
            f"{second}: would be applied; ROW EXCLUSIVE on users, SHARE on tasks",
            f"{third}: would be applied; locks no table that is there already",
        ]

    def test_change_nothing_not_even_a_sequence(self, migrated, installation):
        installation.add(
            "example",
            "ALTER TABLE users ADD COLUMN example INTEGER DEFAULT 7;\nDELETE FROM projects;\n"
            "CREATE TABLE made_it (id SERIAL PRIMARY KEY);\nINSERT INTO made_it DEFAULT VALUES;\nTRUNCATE settings;\n",
        )
        before = contents_of(migrated)
        assert installation.run("plan", database=migrated).returncode == 0
        assert contents_of(migrated) == before
        assert installation.run("migrate", database=migrated, env={"HEAL": "off"}).returncode == 0

    def test_without_a_transaction_are_told_and_not_rehearsed(self, migrated, installation):
        id = installation.add(
            "example",
            "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS made_it ON users (created_at);\n",
        )
        before = contents_of(migrated)
        result = installation.run("plan", database=migrated)
        assert result.stdout == f"{id}: would be applied outside a transaction; readers and writers go on\n"
        assert result.returncode == 0
        assert contents_of(migrated) == before

    def test_that_would_fail_are_named(self, migrated, installation):
        installation.add("first", "CREATE TABLE made_it (id INTEGER);\n")
        second = installation.add("second", "ALTER TABLE made_it ADD COLUMN id TEXT;\n")
        before = contents_of(migrated)
        result = installation.run("plan", database=migrated)
        assert result.returncode == 6
        assert errors_in(result) == [
            f'{second} failed and was rolled back: column "id" of relation "made_it" already exists.'
            " Statement: ALTER TABLE made_it ADD COLUMN id TEXT;"
        ]
        assert contents_of(migrated) == before

    def test_that_are_wrong_are_told(self, migrated, installation):
        installation.add("example", "COMMIT;\n")
        result = installation.run("plan", database=migrated)
        assert result.returncode == 2
        assert errors_in(result)[0].startswith(f"{NEXT}-example.sql: statement 1 is COMMIT")

    def test_that_meet_a_lock_name_who_holds_it(self, migrated, installation):
        # The one try that there is lasts until a busy machine has seen who it is.
        id = installation.add("more", "SET LOCAL lock_timeout = '5s';\nALTER TABLE projects ADD COLUMN color TEXT;\n")
        before = contents_of(migrated)
        with transaction(migrated) as reader:
            result = installation.run("plan", database=migrated, env={"LOCK_WAIT_SECONDS": "2"})
            pid = reader.connection.info.backend_pid
        assert result.returncode == 6
        (error,) = errors_in(result)
        assert error.startswith(
            f"{id} was held up for 2 s and was rolled back: canceling statement due to lock timeout"
        )
        assert f"; pid {pid} (psql, role owner, idle in transaction, " in error
        assert contents_of(migrated) == before

    def test_that_meet_a_lock_are_rehearsed_once_it_is_gone(self, migrated, installation):
        id = installation.add("more", "SET LOCAL lock_timeout = '1s';\nALTER TABLE projects ADD COLUMN color TEXT;\n")
        with transaction(migrated) as reader, installation.start("plan", database=migrated) as process:
            read_until(process, "A rehearsal takes the locks that it tells of while it lasts")
            read_until(process, "Held up while rehearsing the migrations: ")
            reader.execute("COMMIT")
            told = process.communicate()[0]
        assert (process.returncode, told) == (0, f"{id}: would be applied; ACCESS EXCLUSIVE on projects\n")


@pytest.mark.only_pg("pg18")
class TestDifferences:
    INDEX = "DROP INDEX idx_time_entries_user_id"
    DEFAULT = "ALTER TABLE projects ALTER status DROP DEFAULT"

    @pytest.mark.parametrize(
        ("damage", "env", "told"),
        [
            (DEFAULT, {}, "1 difference would be healed by replaying the migrations, under ACCESS EXCLUSIVE locks:"),
            (
                f"{DEFAULT}; {INDEX}",
                {},
                "2 differences would be healed by replaying the migrations, under ACCESS EXCLUSIVE locks:",
            ),
            (
                INDEX,
                {},
                "1 difference would be healed by replaying migrations of their own; readers and writers go on:",
            ),
            (DEFAULT, {"HEAL": "off"}, "1 difference would be left as found, for HEAL=off:"),
        ],
    )
    def test_are_told_with_what_would_become_of_them(self, migrated, run_runner, damage, env, told):
        migrated.execute(damage)
        before = contents_of(migrated)
        result = run_runner("plan", database=migrated, env=env)
        assert (result.returncode, result.stdout.splitlines()[0]) == (0, told)
        assert contents_of(migrated) == before


@pytest.mark.only_pg("pg18")
class TestWhileSomebodyElseMigrates:
    def test_another_start_is_named(self, database, run_runner):
        with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, hashtext('public'))", (ADVISORY_CLASS,))
            before = contents_of(database)
            result = run_runner("plan", database=database)
            assert contents_of(database) == before
        assert result.returncode == 7
        (line,) = errors_in(result)
        assert re.match(r"Nothing can be rehearsed now: another start holds it \(backend \d+ of role owner, ", line)

    def test_a_yoyo_run_by_hand_is_named(self, migrated, installation):
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        with contextlib.closing(migrated.connect()) as yoyo, yoyo.cursor() as cursor:
            cursor.execute(LOCK_ROW)
            pid, before = yoyo.info.backend_pid, contents_of(migrated)
            result = installation.run("plan", database=migrated)
            assert contents_of(migrated) == before
        assert result.returncode == 7
        named = rf"a yoyo run by hand holds it \(process 4711 on its machine, .*\), perhaps alive: backend {pid} of "
        assert re.search(named, errors_in(result)[0])

    def test_a_yoyo_that_died_is_no_obstacle(self, migrated, installation):
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        migrated.execute(LOCK_ROW)
        before = contents_of(migrated)
        wait_for(lambda: sessions_in(migrated) == 0)
        assert installation.run("plan", database=migrated).returncode == 0
        assert contents_of(migrated) == before

    def test_a_start_waits_for_the_end_of_a_plan(self, migrated, installation):
        installation.add("held", f"SET LOCAL lock_timeout = '1min';\n{HELD}")  # else it gives way, and the start comes
        with held_up(migrated) as release, installation.start("plan", database=migrated) as rehearsal:
            wait_for(lambda: migrated.query(f"SELECT pid {WAITING}"))
            with installation.start("migrate", database=migrated) as start:
                read_until(start, "Waiting for the start lock")
                release()
                start.communicate()
            rehearsal.communicate()
        assert (rehearsal.returncode, start.returncode) == (0, 0)
