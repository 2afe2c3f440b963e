"""plan: what a start would do and which locks it would take, by doing it and rolling back."""

import contextlib
import re

import pytest
from installation import HELD, NEXT, WAITING, contents_of, errors_in, held_up, migration_files, read_until, wait_for

from startup.lock import ADVISORY_CLASS

MIGRATIONS = [path.stem for path in migration_files()]


def test_on_an_empty_database_it_lists_every_migration_and_changes_nothing(database, run_runner):
    before = contents_of(database)
    result = run_runner("plan", database=database)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    beside = [id for id in MIGRATIONS if "-index-" in id]
    assert sorted(lines[: len(MIGRATIONS)]) == [
        f"{id}: would be applied outside a transaction; readers and writers go on"
        if id in beside
        else f"{id}: would be applied; locks no table that is there already"
        for id in MIGRATIONS
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
        assert re.match(r"Nothing can be rehearsed now: another start holds it \(backend \d+, ", line)

    def test_a_yoyo_run_by_hand_is_named(self, migrated, installation):
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        migrated.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
        before = contents_of(migrated)
        result = installation.run("plan", database=migrated)
        assert result.returncode == 7
        assert "a yoyo run by hand holds it (process 4711 on its machine" in errors_in(result)[0]
        assert contents_of(migrated) == before

    def test_a_start_waits_for_the_end_of_a_plan(self, migrated, installation):
        installation.add("held", HELD)
        with held_up(migrated) as release, installation.start("plan", database=migrated) as rehearsal:
            wait_for(lambda: migrated.query(f"SELECT pid {WAITING}"))
            with installation.start("migrate", database=migrated) as start:
                read_until(start, "Waiting for the start lock")
                release()
                start.communicate()
            rehearsal.communicate()
        assert (rehearsal.returncode, start.returncode) == (0, 0)
