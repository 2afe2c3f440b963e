"""One start at a time: who waits, for whom, for how long, and what a yoyo run by hand has to do with it."""

import contextlib
import hashlib
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from blocking import transaction
from installation import (
    HELD,
    MIGRATIONS,
    NEXT,
    ROOT,
    WAITING,
    Start,
    contents_of,
    errors_in,
    held_up,
    read_until,
    sessions_in,
    wait_for,
)

from startup import progress
from startup.connection import connect
from startup.errors import LockTimeoutError
from startup.lock import ADVISORY_CLASS, Wait, start_lock
from startup.yoyo_row import YoyoRow

STALE = "INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)"


@contextlib.contextmanager
def start_lock_of(database, user: str = "owner", schema: str = "public") -> Iterator[psycopg2.extensions.connection]:
    """Hold what a start holds."""
    with contextlib.closing(database.connect(user)) as connection, connection.cursor() as cursor:
        cursor.execute("SET application_name = 'another timetracker'")
        cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (ADVISORY_CLASS, schema))
        yield connection


@contextlib.contextmanager
def lock_row_of(
    database, user: str = "owner", age: str = "0 s", **options: str
) -> Iterator[psycopg2.extensions.connection]:
    """Hold what a yoyo run by hand holds: its row, in a session that stays."""
    with contextlib.closing(psycopg2.connect(database.url_as(user), **options)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()) - %s::interval, 4711)", (age,))
        yield connection


@pytest.fixture
def pending(installation):
    """An installation with one migration more than a migrated database has."""
    installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
    return installation


class TestASecondStart:
    def test_waits_until_the_first_is_done(self, database, installation):
        installation.add("held", HELD)
        with held_up(database) as release, installation.start("migrate", database=database) as first:
            read_until(first, f"Applied {MIGRATIONS[-1]}")
            with installation.start("migrate", database=database) as second:
                line = read_until(second, "Waiting for the start lock, ")
                assert re.search(r", (300|29\d) s left: another start holds it", line)
                release()
                said = second.communicate()[1]
                assert second.returncode == 0
                assert "Applied" not in said
            first.communicate()
            assert first.returncode == 0
        assert database.query(f"SELECT count(*) FROM _yoyo_log WHERE migration_id = '{NEXT}-held'") == [(1,)]

    def test_ends_when_the_wait_is_over_and_says_who_holds_the_lock(self, database, run_runner):
        with start_lock_of(database) as holder:
            pid = holder.info.backend_pid
            before = contents_of(database)
            result = run_runner("migrate", database=database, env={"LOCK_WAIT_SECONDS": "1"})
            assert contents_of(database) == before
        assert result.returncode == 7
        (line,) = errors_in(result)
        assert re.fullmatch(
            rf"The start lock was not to be had within 1 s: another start holds it \(backend {pid} of role owner,"
            r" application another timetracker, from 127\.0\.0\.1, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, idle,"
            r" its last statement \d+ s ago\)\. LOCK_WAIT_SECONDS sets .*",
            line,
        )

    def test_names_a_holder_of_which_the_server_shows_nothing(self, database, run_runner):
        with start_lock_of(database, user="postgres") as holder:
            pid = holder.info.backend_pid
            result = run_runner("migrate", database=database, env={"LOCK_WAIT_SECONDS": "0"})
        shown = "application another timetracker, of which this role is shown nothing else"
        assert f"another start holds it (backend {pid} of role postgres, {shown})" in result.stderr
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


@pytest.mark.only_pg("pg18")
class TestWhenTheLockGoesToAThirdStart:
    """It changes hands while the second is stopped, which could have it otherwise."""

    @pytest.fixture
    def waiting(self, migrated, pending) -> Iterator[tuple[Start, Callable[[], int]]]:
        """A start that waits, and a function that passes on the lock; it gives the pid of who has it then."""
        with contextlib.ExitStack() as first, contextlib.ExitStack() as third:
            first.enter_context(start_lock_of(migrated))
            start = third.enter_context(pending.start("migrate", database=migrated))
            assert "another start holds it" in read_until(start, "Waiting for the start lock, ")

            def pass_on() -> int:
                start.send_signal(signal.SIGSTOP)
                with ThreadPoolExecutor() as beside:
                    queued = beside.submit(third.enter_context, start_lock_of(migrated))
                    # Whoever is in the queue is next, though the second may have asked once more before it was stopped.
                    wait_for(lambda: migrated.query(f"SELECT {WAITING}"))
                    first.close()
                    pid = queued.result().info.backend_pid
                start.send_signal(signal.SIGCONT)
                return pid

            yield start, pass_on

    def test_the_second_goes_on_without_it_when_nothing_is_left_to_do(self, migrated, waiting, pending):
        """So that of a crowd nobody waits for the others to find out the same."""
        start, pass_on = waiting
        migrated.execute("CREATE TABLE made_it (id INTEGER)")
        migrated.execute(
            "INSERT INTO _yoyo_migration VALUES (%s, %s, timezone('utc', now()))",
            hashlib.sha256(pending.ids[-1].encode()).hexdigest(),
            pending.ids[-1],
        )
        pass_on()
        said = start.communicate()[1]
        assert start.returncode == 0, said
        assert "Applied" not in said

    def test_the_second_waits_on_and_names_it(self, waiting):
        start, pass_on = waiting
        pid = pass_on()
        assert f"another start holds it (backend {pid} of role owner" in read_until(start, "Waiting for")


def test_who_has_waited_long_asks_less_often(monkeypatch):
    """A crowd that asks ten times a second takes a quarter of two cores away from the start that migrates."""
    now, pauses = 0.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(round(seconds, 1))

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    wait = Wait(300)
    with pytest.raises(LockTimeoutError):
        while True:
            wait.poll("another start", lambda: "somebody holds it")
    assert pauses[:10] == [0.1] * 10
    assert (pauses[-1], len(pauses) < 400) == (1, True)


def test_it_is_told_that_a_start_waits():
    Wait(seconds=300).poll("another start", lambda: "somebody holds it")
    assert progress.current() == "waiting for another start"


@pytest.mark.only_pg("pg18")
def test_behind_a_pooler_no_yoyo_run_by_hand_is_taken_for_dead(migrated):
    """PgBouncer may have no session at the server for a yoyo that waits for its next migration, or for an answer."""
    migrated.execute(STALE)
    with contextlib.closing(connect(migrated.url)) as connection:
        wait_for(lambda: YoyoRow(connection).is_held() is False)
        lock = start_lock(connection, "public", seconds=0, needed=lambda: True, pooled=True)
        with pytest.raises(LockTimeoutError, match="of which a pooler hides whether it is alive"), lock:
            pass
    assert migrated.query("SELECT pid FROM yoyo_lock") == [(4711,)]


class TestTheWaitForTheRowAfterALongWork:
    """Such as the dump before an adoption."""

    @pytest.mark.only_pg("pg18")
    @pytest.mark.parametrize("wait", ["wait_for_row", "obtain_row"])
    def test_has_its_own_time(self, migrated, wait):
        with (
            contextlib.closing(connect(migrated.url)) as connection,
            start_lock(connection, "public", 5, lambda: True, traceless=lambda: True) as lock,
        ):
            time.sleep(5.1)
            with lock_row_of(migrated) as yoyo:
                timer = threading.Timer(0.4, lambda: yoyo.cursor().execute("DELETE FROM yoyo_lock"))
                timer.start()
                getattr(lock, wait)()
                timer.join()
            assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(int(wait == "obtain_row"),)]

    @pytest.mark.only_pg("pg18")
    def test_outlasts_who_has_the_table_locked(self, migrated):
        with (
            contextlib.closing(connect(migrated.url)) as connection,
            start_lock(connection, "public", 20, lambda: True, traceless=lambda: True) as lock,
            transaction(migrated, "LOCK TABLE yoyo_lock IN SHARE ROW EXCLUSIVE MODE") as yoyo,
        ):
            timer = threading.Timer(1.5, lambda: yoyo.execute("COMMIT"))
            timer.start()
            lock.obtain_row()
            timer.join()
            assert migrated.query("SELECT count(*) FROM yoyo_lock WHERE pid < 0") == [(1,)]


@pytest.mark.only_pg("pg18")
def test_a_signal_at_the_begin_of_a_transaction_leaves_no_row(migrated):
    with contextlib.closing(connect(migrated.url)) as connection, connection.cursor() as cursor:
        with pytest.raises(SystemExit), start_lock(connection, "public", 60, lambda: True):
            cursor.execute("BEGIN")
            raise SystemExit(143)
        assert migrated.query("SELECT pid FROM yoyo_lock") == []


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

    def test_of_a_yoyo_run_by_hand_is_waited_for_and_stays(self, migrated, pending):
        with lock_row_of(migrated) as yoyo:
            pid, before = yoyo.info.backend_pid, contents_of(migrated)
            wait_for(lambda: sessions_in(migrated) == 1)  # one that is about to end would be named too
            result = pending.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "1"})
            assert contents_of(migrated) == before
        assert result.returncode == 7
        (line,) = errors_in(result)
        since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        assert re.fullmatch(
            rf"The start lock was not to be had within 1 s: a yoyo run by hand holds it \(process 4711 on its machine,"
            rf" {since}\), perhaps alive: backend {pid} of role owner, from 127\.0\.0\.1, {since},"
            r" idle, its last statement \d+ s ago\. If it is gone: yoyo break-lock\. LOCK_WAIT_SECONDS sets .*",
            line,
        )

    def test_of_a_yoyo_that_ends_lets_the_start_go_on(self, migrated, pending):
        with lock_row_of(migrated) as yoyo, pending.start("migrate", database=migrated) as process:
            line = read_until(process, "Waiting for the start lock, ")
            assert "a yoyo run by hand holds it (process 4711" in line
            with yoyo.cursor() as cursor:
                cursor.execute("DELETE FROM yoyo_lock")
            said = process.communicate()[1]
        assert process.returncode == 0
        assert "Removed" not in said
        assert migrated.query("SELECT count(*) FROM made_it") == [(0,)]

    @pytest.mark.parametrize("name", ["psql", "timetracker"])
    def test_is_not_held_by_a_session_that_is_known_to_be_something_else(self, migrated, pending, name):
        with lock_row_of(migrated, application_name=name):
            self.is_removed(migrated, pending)

    def test_may_be_held_by_a_session_of_our_name_where_the_operator_gives_it(self, migrated, pending):
        """The same DATABASE_URL then names a yoyo run by hand."""
        with lock_row_of(migrated, application_name="timetracker"):
            self.is_waited_for(migrated, pending, PGAPPNAME="timetracker")

    def test_is_not_held_by_a_session_that_came_a_day_later(self, migrated, pending):
        with lock_row_of(migrated, age="27 h"):
            self.is_removed(migrated, pending)

    @pytest.mark.parametrize("age", ["25 h", "-25 h"])
    def test_may_be_held_by_a_yoyo_whose_clock_is_wrong(self, migrated, pending, age):
        with lock_row_of(migrated, age=age):
            self.is_waited_for(migrated, pending)

    def test_is_held_by_a_session_that_speaks_as_yoyo_whatever_its_clock(self, migrated, pending):
        with lock_row_of(migrated, age="1 year") as yoyo, yoyo.cursor() as cursor:
            cursor.execute('SELECT max("version") FROM "_yoyo_version"')
            pid = yoyo.info.backend_pid
            assert f", alive: backend {pid} of role owner, " in self.is_waited_for(migrated, pending)

    def test_may_be_held_by_a_session_of_which_this_role_is_shown_nothing(self, migrated, pending):
        with lock_row_of(migrated, user="postgres", age="1 year") as yoyo:
            shown = f"backend {yoyo.info.backend_pid} of role postgres, of which this role is shown nothing else"
            assert f", perhaps alive: {shown}. " in self.is_waited_for(migrated, pending)

    def test_is_not_held_by_a_role_that_may_not_write_it(self, server, migrated, pending):
        server.create_role("watcher")
        try:
            with contextlib.closing(migrated.connect("watcher")):
                migrated.execute(STALE)
                self.is_removed(migrated, pending)
        finally:
            server.execute("DROP ROLE watcher")

    def test_is_not_held_by_a_session_of_another_database(self, server, migrated, pending):
        with contextlib.closing(server.connect("postgres", "owner")):
            migrated.execute(STALE)
            self.is_removed(migrated, pending)

    def test_is_not_held_by_a_session_that_comes_while_the_start_waits(self, migrated, pending):
        with (
            lock_row_of(migrated, application_name="yoyo") as yoyo,
            pending.start("migrate", database=migrated) as process,
        ):
            read_until(process, "Waiting for the start lock")
            with contextlib.closing(migrated.connect()):
                yoyo.close()
                read_until(process, "Removed the lock row of a yoyo run by hand that died (process 4711")
                process.communicate()
        assert process.returncode == 0

    def test_may_be_held_by_what_the_same_yoyo_opens_while_the_start_waits(self, migrated, pending):
        """Each migration of yoyo's has a session of its own, which a kill leaves at work until its statement ends."""
        with (
            lock_row_of(migrated, application_name="yoyo") as yoyo,
            pending.start("migrate", database=migrated) as process,
        ):
            read_until(process, "Waiting for the start lock")
            with contextlib.closing(psycopg2.connect(migrated.url, application_name="yoyo")) as migration:
                yoyo.close()
                assert f"backend {migration.info.backend_pid} " in read_until(process, "Waiting for the start lock")
            read_until(process, "Removed the lock row of a yoyo run by hand that died (process 4711")
            process.communicate()
        assert process.returncode == 0

    def test_that_is_not_committed_is_waited_for_and_its_writer_is_named(self, migrated, pending):
        with contextlib.closing(migrated.connect()) as yoyo, yoyo.cursor() as cursor:
            cursor.execute("BEGIN; INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
            result = pending.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "1"})
            pid = yoyo.info.backend_pid
        assert result.returncode == 7
        assert f"somebody has written yoyo's lock row and not committed it (backend {pid} of " in result.stderr

    def is_removed(self, migrated, pending) -> None:
        result = pending.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "20"})
        assert result.returncode == 0, result.stderr
        assert re.search(
            r" notice: Removed the lock row of a yoyo run by hand that died \(process 4711 on its machine,"
            r" since 20.* UTC\): no session that could be its is connected to this database\n",
            result.stderr,
        )
        assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]

    def is_waited_for(self, migrated, pending, **env: str) -> str:
        wait_for(lambda: sessions_in(migrated) == 1)  # one that is about to end would be named too
        result = pending.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "1", **env})
        assert result.returncode == 7, result.stderr
        assert migrated.query("SELECT pid FROM yoyo_lock") == [(4711,)]
        return errors_in(result)[0]

    def test_of_a_start_that_died_is_removed(self, migrated, pending):
        migrated.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), -4711)")
        result = pending.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"})
        assert result.returncode == 0
        assert "notice: Removed the lock row of a start that died (backend 4711, since 20" in result.stderr
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
