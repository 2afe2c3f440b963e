"""One start at a time: who waits, for whom, for how long, and what a yoyo run by hand has to do with it."""

import contextlib
import re
from collections.abc import Iterator

import psycopg2
import pytest
from installation import HELD, ROOT, WAITING, contents_of, errors_in, held_up, read_until, wait_for

from startup.lock import ADVISORY_CLASS

MIGRATIONS = sorted(path.stem for path in (ROOT / "sql").glob("*.sql"))


@contextlib.contextmanager
def start_lock_of(database, user: str = "owner", schema: str = "public") -> Iterator[psycopg2.extensions.connection]:
    """Hold what a start holds."""
    with contextlib.closing(database.connect(user)) as connection, connection.cursor() as cursor:
        cursor.execute("SET application_name = 'another timetracker'")
        cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (ADVISORY_CLASS, schema))
        yield connection


class TestASecondStart:
    def test_waits_until_the_first_is_done(self, database, installation):
        installation.add("held", HELD)
        with held_up(database) as release, installation.start("migrate", database=database) as first:
            read_until(first, "Applied 0014")
            with installation.start("migrate", database=database) as second:
                assert "another start holds it" in read_until(second, "Waiting for the start lock, 300 s left: ")
                release()
                said = second.communicate()[1]
                assert second.returncode == 0
                assert "Applied" not in said
            first.communicate()
            assert first.returncode == 0
        assert database.query("SELECT count(*) FROM _yoyo_log WHERE migration_id = '0015-held'") == [(1,)]

    def test_ends_when_the_wait_is_over_and_says_who_holds_the_lock(self, database, run_runner):
        with start_lock_of(database) as holder:
            pid = holder.info.backend_pid
            before = contents_of(database)
            result = run_runner("migrate", database=database, env={"LOCK_WAIT_SECONDS": "1"})
            assert contents_of(database) == before
        assert result.returncode == 7
        (line,) = errors_in(result)
        assert re.fullmatch(
            rf"The start lock was not to be had within 1 s: another start holds it \(backend {pid},"
            r" another timetracker from 127\.0\.0\.1, since \d\d:\d\d:\d\d UTC\)\. LOCK_WAIT_SECONDS sets .*",
            line,
        )

    def test_names_a_holder_of_which_the_server_shows_nothing(self, database, run_runner):
        with start_lock_of(database, user="postgres") as holder:
            pid = holder.info.backend_pid
            result = run_runner("migrate", database=database, env={"LOCK_WAIT_SECONDS": "0"})
        assert f"another start holds it (backend {pid} of another role)" in result.stderr
        assert result.returncode == 7

    def test_does_not_wait_where_nothing_is_to_do(self, migrated, run_runner):
        with start_lock_of(migrated):
            result = run_runner("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"})
        assert result.returncode == 0

    def test_does_not_wait_for_a_start_in_another_schema(self, database, run_runner):
        with start_lock_of(database, schema="elsewhere"):
            result = run_runner("migrate", database=database, env={"LOCK_WAIT_SECONDS": "0"})
        assert result.returncode == 0

    def test_lets_the_first_build_an_index_concurrently(self, migrated, installation):
        """A blocked waiter would have a snapshot, for which the build would wait, while it waits for the build."""
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        with start_lock_of(migrated) as holder, installation.start("migrate", database=migrated) as waiter:
            read_until(waiter, "Waiting for the start lock")
            with holder.cursor() as cursor:
                cursor.execute("SET statement_timeout = '20s'")
                cursor.execute("CREATE INDEX CONCURRENTLY made_meanwhile ON users (created_at)")
                cursor.execute("SELECT pg_advisory_unlock_all()")
            waiter.communicate()
        assert waiter.returncode == 0


def test_four_starts_at_once_apply_each_migration_once(database, installation):
    with contextlib.ExitStack() as stack:
        starts = [stack.enter_context(installation.start("migrate", database=database)) for _ in range(4)]
        said = [process.communicate()[1] for process in starts]
    assert [process.returncode for process in starts] == [0, 0, 0, 0], said
    applied = database.query("SELECT migration_id, count(*) FROM _yoyo_log WHERE migration_id ~ '^[0-9]' GROUP BY 1")
    assert sorted(applied) == [(id, 1) for id in MIGRATIONS]
    assert database.query("SELECT count(*) FROM yoyo_lock") == [(0,)]
    assert sum("Inserted the defaults" in text for text in said) == 1


@pytest.mark.only_pg("pg18")
class TestTheLockRow:
    def test_is_there_for_yoyo_to_see_while_a_start_migrates(self, migrated, installation):
        installation.add("held", HELD)
        with held_up(migrated), installation.start("migrate", database=migrated) as process:
            wait_for(lambda: migrated.query("SELECT locked, pid < 0 FROM yoyo_lock") == [(1, True)])
            wait_for(lambda: migrated.query(f"SELECT pid {WAITING}"))
            assert migrated.query("SELECT -pid FROM yoyo_lock") == migrated.query(f"SELECT pid {WAITING}")
            process.terminate()

    def test_of_a_yoyo_run_by_hand_is_waited_for_and_stays(self, migrated, installation):
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        migrated.execute("INSERT INTO yoyo_lock VALUES (1, '2024-01-02 03:04:05.6', 4711)")
        before = contents_of(migrated)
        result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "1"})
        assert result.returncode == 7
        assert errors_in(result) == [
            "The start lock was not to be had within 1 s: a yoyo run by hand holds it (process 4711 on its machine,"
            " since 2024-01-02 03:04:05 UTC); if it is gone: yoyo break-lock. LOCK_WAIT_SECONDS sets how long to wait"
        ]
        assert contents_of(migrated) == before

    def test_of_a_yoyo_that_ends_lets_the_start_go_on(self, migrated, installation):
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        migrated.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
        with installation.start("migrate", database=migrated) as process:
            read_until(process, "Waiting for the start lock, 300 s left: a yoyo run by hand holds it (process 4711")
            migrated.execute("DELETE FROM yoyo_lock")
            process.communicate()
        assert process.returncode == 0
        assert migrated.query("SELECT count(*) FROM made_it") == [(0,)]

    def test_of_a_start_that_died_is_removed(self, migrated, installation):
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        migrated.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), -4711)")
        result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"})
        assert result.returncode == 0
        assert "notice: Removed the lock row of a start that died (backend 4711)" in result.stderr
        assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]

    def test_is_no_matter_where_nothing_is_to_do(self, migrated, run_runner):
        migrated.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
        assert run_runner("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"}).returncode == 0

    def test_has_its_table_made_by_a_yoyo_in_the_same_moment(self, database, installation):
        with contextlib.closing(database.connect()) as yoyo, yoyo.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute((ROOT / "sql" / "runner" / "yoyo_lock.sql").read_text())
            with installation.start("migrate", database=database) as process:
                waiting = (
                    "SELECT FROM pg_stat_activity WHERE query ~ 'CREATE TABLE.*yoyo_lock' AND wait_event_type = 'Lock'"
                )
                wait_for(lambda: database.query(waiting))
                cursor.execute("COMMIT")
                said = process.communicate()[1]
        assert process.returncode == 0, said
