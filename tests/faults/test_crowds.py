"""Many starts at one moment, and starts beside a yoyo that somebody runs by hand."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from background import running
from installation import HELD, WAITING, contents_of, held_up, read_until, sessions_in, wait_for
from listeners import closed_port

STARTS, SERVING = 32, 6
ONE = {"WEB_CONCURRENCY": "1"}
APPLIED = "SELECT migration_id, count(*) FROM _yoyo_log WHERE migration_id ~ '^[0-9]' GROUP BY 1 ORDER BY 1"
ROWS = "SELECT pid FROM yoyo_lock"
# So many at once may wait long for an answer, and then say so.
PATIENT = {"PGCONNECT_TIMEOUT": "60"}


@contextlib.contextmanager
def yoyo(installation, database, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Lend a stock yoyo that somebody runs by hand in the folder of the program."""
    with subprocess.Popen(
        [sys.executable, "-m", "yoyo", *arguments],
        cwd=installation.folder,
        env={**os.environ, "DATABASE_URL": database.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def applying(installation, database) -> Iterator[subprocess.Popen[str]]:
    """Lend a `yoyo apply` that is in the middle of the migration HELD."""
    with yoyo(installation, database, "apply") as process:
        wait_for(lambda: database.query(f"SELECT pid {WAITING}"))
        yield process


def run_yoyo(installation, database, *arguments: str) -> tuple[int, str]:
    with yoyo(installation, database, *arguments) as process:
        said = process.communicate(timeout=60)[1]
    return process.returncode, said


def tables_of(database) -> dict[str, str]:
    return {name: content for name, content in contents_of(database).items() if name.startswith("public.")}


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize("state", ["empty", "half-migrated", "current"])
def test_32_starts_at_once(database, installation, tmp_path, state):
    """Every migration runs once, nobody waits where nothing is pending, and all of them serve or end well."""
    migrations = installation.ids
    if state == "half-migrated":
        installation.keep(7)
    if state != "empty":
        assert installation.run("migrate", database=database).returncode in (0, 1)

    with contextlib.ExitStack() as stack:
        servers, starts = [], []
        for number in range(STARTS):
            log = tmp_path / f"log{number}"
            if number % 5 or len(servers) == SERVING:
                starts.append(stack.enter_context(running("migrate", database.url, log, **PATIENT)))
            else:
                port = closed_port()
                env = {**PATIENT, **ONE, "PORT": str(port)}
                servers.append((stack.enter_context(running("serve", database.url, log, **env)), port))
        assert len(servers) == SERVING
        assert [start.ends() for start in starts] == [0] * (STARTS - SERVING), [start.lines for start in starts]
        assert [server.get(port, "/readyz")[0] for server, port in servers] == [200] * SERVING
        said = [line for start in [*starts, *(server for server, _ in servers)] for line in start.lines]

    assert database.query(APPLIED) == [(id, 1) for id in migrations]
    assert database.query(ROWS) == []
    applied = [id for line in said for id in re.findall(r" Applied (\d{4}-\S+)", line)]
    assert applied == migrations[{"empty": 0, "half-migrated": 7, "current": len(migrations)}[state] :]
    assert sum("Inserted the defaults" in line for line in said) == (state == "empty" or state == "half-migrated")
    if state == "current":
        assert [line for line in said if "Waiting" in line] == []


class TestAStartDuringAYoyoRunByHand:
    def test_waits_and_goes_on(self, database, installation):
        installation.add("held", HELD)
        with (
            held_up(database) as release,
            applying(installation, database) as hand,
            installation.start("migrate", database=database) as start,
        ):
            line = read_until(start, "Waiting for the start lock, ")
            named = (
                rf", (?:300|29\d) s left: a yoyo run by hand holds it \(process {hand.pid} on its machine, since .*"
                r" UTC\), .*alive: backend "
            )
            assert re.search(named, line)
            release()
            assert hand.wait(60) == 0
            said = start.communicate()[1]
        assert start.returncode == 0, said
        assert "Applied 0" not in said
        assert "Removed" not in said
        assert database.query(APPLIED) == [(id, 1) for id in installation.ids]

    @pytest.mark.only_pg("pg18")
    @pytest.mark.parametrize("by_hand", [True, False])
    def test_waits_where_a_table_is_locked_for_long(self, migrated, installation, by_hand):
        """As by an ALTER TABLE that takes its time; another start has the same right."""
        installation.add("held", f"ALTER TABLE settings ALTER COLUMN currency SET NOT NULL;\n{HELD}")
        with held_up(migrated) as release, contextlib.ExitStack() as stack:
            if by_hand:
                first = stack.enter_context(applying(installation, migrated))
            else:
                first = stack.enter_context(installation.start("migrate", database=migrated))
                wait_for(lambda: migrated.query(f"SELECT pid {WAITING}"))
            ((pid,),) = migrated.query(f"SELECT pid {WAITING}")
            start = stack.enter_context(installation.start("migrate", database=migrated))
            assert f"a table is locked (backend {pid} of role owner" in read_until(start, "Waiting for")
            release()
            assert first.wait(60) == 0
            said = start.communicate()[1]
        assert start.returncode == 0, said
        assert "Applied 0" not in said

    @pytest.mark.parametrize("before", ["the start", "the end of the wait"])
    def test_that_is_killed_clears_its_row(self, migrated, installation, before):
        """A kill leaves the migration's session at work until its statement ends; that is waited for, and named."""
        id = installation.add("held", HELD)
        with contextlib.ExitStack() as holding:
            holding.enter_context(held_up(migrated))
            hand = holding.enter_context(applying(installation, migrated))
            ((pid,),) = migrated.query(f"SELECT pid {WAITING}")
            if before == "the start":
                hand.kill()
                hand.wait()
            with installation.start("migrate", database=migrated) as start:
                assert f"backend {pid} of role owner" in read_until(start, "Waiting for the start lock")
                hand.kill()
                hand.wait()
                assert migrated.query(ROWS) == [(hand.pid,)]
                holding.close()  # a session of the superuser's, of which no start is shown what it is
                assert f" died (process {hand.pid} on its machine, since " in read_until(start, "Removed the lock row")
                said = start.communicate()[1]
        assert start.returncode == 0, said
        assert f"Applied {id}" in said
        assert migrated.query(ROWS) == []

    @pytest.mark.only_pg("pg18")
    def test_that_was_killed_long_ago_does_not_wait(self, migrated, installation):
        installation.add("held", HELD)
        with held_up(migrated), applying(installation, migrated) as hand:
            hand.kill()
            hand.wait()
        assert migrated.query(ROWS) == [(hand.pid,)]
        wait_for(lambda: sessions_in(migrated) == 0)
        result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"})
        assert result.returncode == 0, result.stderr
        assert f"yoyo run by hand that died (process {hand.pid} on its machine, since " in result.stderr


class TestAYoyoRunByHandDuringAStart:
    @pytest.mark.only_pg("pg18")
    @pytest.mark.parametrize("state", ["empty", "migrated"])
    def test_fails_after_its_own_ten_seconds_having_done_nothing(self, database, installation, run_runner, state):
        if state == "migrated":
            assert run_runner("migrate", database=database).returncode == 0
        installation.add("held", HELD)
        with held_up(database) as release, installation.start("migrate", database=database) as start:
            wait_for(lambda: database.query(f"SELECT pid {WAITING}"))
            before = tables_of(database)
            code, said = run_yoyo(installation, database, "apply")
            assert tables_of(database) == before
            assert (code != 0, "yoyo break-lock" in said) == (True, True), said
            release()
            start.communicate()
        assert start.returncode == 0
        assert database.query(APPLIED) == [(id, 1) for id in installation.ids]

    @pytest.mark.parametrize("next_file", ["transactional", "concurrent", "optional"])
    def test_break_lock_ends_the_start_before_the_next_file(self, migrated, installation, next_file):
        held = installation.add("held", HELD)
        if next_file == "transactional":
            id = installation.add("next", "CREATE TABLE made_next (id INTEGER);\n")
        elif next_file == "concurrent":
            concurrently = "CREATE INDEX CONCURRENTLY IF NOT EXISTS made_next ON users (created_at);\n"
            id = installation.add("next", f"-- transactional: false\n{concurrently}")
        else:
            id = "optional-0009-next"
            statement = "-- requires: true\nCREATE TABLE made_next (id INTEGER);\n"
            (installation.sql / "optional" / f"{id}.sql").write_text(statement)
        with held_up(migrated) as release, installation.start("migrate", database=migrated) as start:
            wait_for(lambda: migrated.query(f"SELECT pid {WAITING}"))
            assert run_yoyo(installation, migrated, "break-lock")[0] == 0
            release()
            said = start.communicate()[1]
        assert start.returncode == 7
        assert said.splitlines()[-1].endswith(
            " error: Yoyo's lock row, which this start held, is gone: somebody ran yoyo break-lock. Nothing more is"
            f" applied; {held} stays applied. See that no other yoyo or start is at work, then start again"
        )
        assert migrated.query("SELECT to_regclass('made_it') IS NOT NULL, to_regclass('made_next')") == [(True, None)]
        assert (id,) not in migrated.query("SELECT migration_id FROM _yoyo_migration")

        result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"})
        assert result.returncode == 0, result.stderr
        assert f"Applied {id}" in result.stderr


@pytest.mark.only_pg("pg18")
def test_yoyo_that_is_interrupted_leaves_no_row(migrated, installation):
    """The other end of the evidence: after Ctrl-C there is nothing to clear."""
    installation.add("held", HELD)
    with held_up(migrated) as release, applying(installation, migrated) as hand:
        hand.send_signal(signal.SIGINT)
        release()  # psycopg2 heeds a signal when the statement has ended
        hand.wait(60)
    assert migrated.query(ROWS) == []
