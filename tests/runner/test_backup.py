"""The dump that is made before an adoption: a way back, or no start at all."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from installation import ROOT, contents_of, errors_in, held_up, read_until, wait_for
from listeners import closed_port
from local_postgres.wheel import wheel_binaries
from parts import postgres_binaries

OLD = "tests/legacy/04-v105-sql-4tables.sql"
FAKE = """\
#!/bin/sh
[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {version}" && exit
{script}
"""
# In the middle of an adoption, and at its very end.
WAITS = "SET LOCAL lock_timeout = 0;\nSELECT pg_advisory_xact_lock(42);\n"
WAITS_AT_THE_END = """\
SET CONSTRAINTS ALL DEFERRED;
SET LOCAL lock_timeout = 0;
CREATE TABLE made (id INTEGER);
CREATE FUNCTION wait() RETURNS TRIGGER LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON made DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait();
INSERT INTO made VALUES (1);
"""
REFUSED_AT_THE_END = """\
SET CONSTRAINTS ALL DEFERRED;
CREATE TABLE made (id INTEGER REFERENCES users DEFERRABLE INITIALLY DEFERRED);
INSERT INTO made VALUES (99);
"""
# What a newer pg_restore is told, and goes on.
UNKNOWN_BEFORE_17 = 'ERROR:  unrecognized configuration parameter "transaction_timeout"'
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"


@pytest.fixture
def old(database, load_sql):
    """A database of the predecessor with rows in it."""
    load_sql(database, OLD)
    return database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the backup goes."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


@pytest.fixture
def client(server) -> Path:
    """The folder with the oldest pg_dump that can dump this server."""
    newer = [folder for major, folder in sorted(postgres_binaries().items()) if major >= server.version]
    return next(folder for folder in [*newer, wheel_binaries()] if (folder / "pg_dump").exists())


@pytest.fixture
def settings(client, folder) -> dict[str, str]:
    """The environment of a start that makes a backup."""
    return {"PATH": f"{client}:{os.defpath}", "BACKUP_DIR": str(folder)}


@pytest.fixture
def fake(tmp_path: Path, folder: Path):
    """Return a function that writes a pg_dump of one's own, and gives the environment of a start that runs it."""

    def write(script: str, version: str = "99.1") -> dict[str, str]:
        program = tmp_path / "bin" / "pg_dump"
        program.parent.mkdir(exist_ok=True)
        program.write_text(FAKE.format(version=version, script=script))
        program.chmod(0o755)
        return {"PATH": f"{program.parent}:{os.defpath}", "BACKUP_DIR": str(folder)}

    return write


def dump_in(folder: Path) -> Path:
    (dump,) = folder.iterdir()
    return dump


def text_of(client: Path, database) -> str:
    """Return a whole database as SQL."""
    command = [client / "pg_dump", "--dbname", database.url_as("postgres")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", said, flags=re.MULTILINE)


class TestABackup:
    def test_restores_the_database_as_it_was(self, server, old, run_runner, client, settings, folder):
        before = text_of(client, old)
        result = run_runner("migrate", database=old, env=settings)
        assert result.returncode == 0, result.stderr
        dump = dump_in(folder)
        assert re.fullmatch(rf"timetracker-{old.name}-before-adoption-\d{{8}}T\d{{6}}Z\.dump", dump.name)
        assert dump.stat().st_mode & 0o777 == 0o600
        assert f"Wrote the backup {dump}" in result.stderr
        assert result.stderr.index("Wrote the backup") < result.stderr.index("Applied 0001")
        with server.new_database() as restored:
            restore = [client / "pg_restore", "--dbname", restored.url, dump]
            said = subprocess.run(restore, check=False, capture_output=True, text=True).stderr
            assert set(re.findall("ERROR: .*", said)) <= {UNKNOWN_BEFORE_17}
            assert text_of(client, restored) == before

    def test_is_made_before_an_adoption_only(self, migrated, run_runner, settings, folder):
        migrated.execute("DELETE FROM settings")
        assert run_runner("migrate", database=migrated, env=settings).returncode == 0
        assert list(folder.iterdir()) == []

    def test_is_not_made_twice(self, old, run_runner, settings, folder):
        for _ in range(2):
            assert run_runner("migrate", database=old, env=settings).returncode == 0
        assert dump_in(folder)

    def test_is_removed_when_the_database_is_refused(self, database, run_runner, load_sql, settings, folder):
        load_sql(database, "tests/legacy/22-dirty-rows-near-target.sql")
        before = contents_of(database)
        result = run_runner("migrate", database=database, env=settings)
        assert result.returncode == 6
        assert list(folder.iterdir()) == []
        assert re.search(r"Removed the backup \S+\.dump again: nothing was changed", result.stderr)
        assert contents_of(database) == before

    @pytest.mark.only_pg("pg18")
    def test_is_removed_when_the_end_of_the_transaction_is_refused(self, old, installation, settings, folder):
        installation.add("example", REFUSED_AT_THE_END)
        result = installation.run("migrate", database=old, env=settings)
        assert result.returncode == 6
        assert 'violates foreign key constraint "made_id_fkey"' in errors_in(result)[0]
        assert old.query("SELECT to_regclass('made'), to_regclass('startup_marks')") == [(None, None)]
        assert list(folder.iterdir()) == []

    @pytest.mark.only_pg("pg18")
    @pytest.mark.parametrize(("waits", "stay"), [(WAITS_AT_THE_END, 1), (WAITS, 0)], ids=["at its end", "before"])
    def test_stays_where_nobody_knows_whether_the_transaction_was_committed(
        self, old, installation, settings, folder, waits, stay
    ):
        installation.add("waits", waits)
        with held_up(old), installation.start("migrate", database=old, env=settings) as process:
            wait_for(lambda: old.query(WAITING))
            ((pid,),) = old.query(WAITING)
            old.server.execute("SELECT pg_terminate_backend(%s)", (pid,))
            read_until(process, "The connection to PostgreSQL was lost during the adoption")
            assert process.wait(60) == 5
        assert len(list(folder.iterdir())) == stay

    @pytest.mark.only_pg("pg18")
    def test_is_not_made_while_yoyo_is_run_by_hand(self, old, run_runner, settings, folder):
        """It would lack what that run does; and what is left to do is known only after it."""
        old.execute((ROOT / "sql" / "runner" / "yoyo_lock.sql").read_text())
        with contextlib.closing(old.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
            cursor.execute("SELECT '\"_yoyo_log\"'")  # as yoyo's last statement reads
            result = run_runner("migrate", database=old, env={**settings, "LOCK_WAIT_SECONDS": "1"})
        assert result.returncode == 7
        assert "backup" not in result.stderr
        assert list(folder.iterdir()) == []

    @pytest.mark.only_pg("pg18")
    def test_lasts_so_long_that_yoyo_is_run_by_hand_meanwhile(self, old, run_runner, fake):
        script = f"cd {ROOT} && DATABASE_URL={old.url} {sys.executable} -m yoyo apply --batch >&2 && echo made"
        result = run_runner("migrate", database=old, env=fake(script))
        assert result.returncode == 0, result.stderr
        assert "Verified the schema" in result.stderr
        assert old.query("SELECT count(*) FROM adoption_report WHERE object = 'table users'") == [(1,)]

    def test_that_would_be_made_is_told_by_plan(self, old, run_runner, client, settings, folder):
        result = run_runner("plan", database=old, env=settings)
        assert result.stdout.startswith(f"A backup would be written to {folder} by {client}/pg_dump\n")
        assert list(folder.iterdir()) == []

    @pytest.mark.only_pg("pg18")
    def test_that_could_not_be_made_is_told_by_plan_with_what_becomes_of_the_start(self, old, run_runner, tmp_path):
        absent = {"BACKUP_DIR": str(tmp_path / "absent")}
        problem = f"BACKUP_DIR={tmp_path / 'absent'}: expected a directory that is there"
        would_end, goes_on = (
            run_runner("plan", database=old, env=absent | setting).stdout.splitlines()[0]
            for setting in ({}, {"ADOPT_WITHOUT_BACKUP": "yes"})
        )
        assert would_end == f"A start would end here: {problem}. ADOPT_WITHOUT_BACKUP=yes goes on without a backup"
        assert goes_on == f"There would be no backup: {problem}"


@pytest.mark.only_pg("pg18")
class TestTheWayOfTheConnection:
    def test_may_be_a_socket(self, old, run_runner, settings, folder):
        url = old.url_as("owner", tcp=False)
        assert run_runner("migrate", database=url, env=settings).returncode == 0
        assert dump_in(folder)

    def test_may_name_several_hosts(self, server, old, run_runner, settings, folder):
        hosts = f"127.0.0.1:{closed_port()},localhost:{server.port}"
        url = f"postgresql://owner:owner@{hosts}/{old.name}?sslmode=prefer&options=-csearch_path%3Dpublic"
        result = run_runner("migrate", database=url, env=settings)
        assert result.returncode == 0, result.stderr
        assert dump_in(folder)

    def test_may_be_a_service_with_a_password_file(self, server, old, run_runner, settings, folder, tmp_path):
        (tmp_path / "services").write_text(
            f"[tracker]\nhost=127.0.0.1\nport={server.port}\ndbname={old.name}\nuser=owner\n"
        )
        (tmp_path / "pgpass").write_text("*:*:*:owner:owner\n")
        (tmp_path / "pgpass").chmod(0o600)
        files = {
            "PGSERVICEFILE": str(tmp_path / "services"),
            "PGPASSFILE": str(tmp_path / "pgpass"),
            "PGSERVICE": "tracker",
        }
        result = run_runner("migrate", env={**settings, **files})
        assert result.returncode == 0, result.stderr
        assert dump_in(folder)

    def test_is_that_through_which_is_migrated(self, server, old, run_runner, settings, folder):
        server.create_role("alice")
        try:
            old.execute("GRANT SELECT ON users TO alice")
            own = {"MIGRATION_DATABASE_URL": old.url}
            result = run_runner("migrate", database=old.url_as("alice"), env={**settings, **own})
            assert "Wrote the backup" in result.stderr
        finally:
            old.execute("DROP OWNED BY alice", user="postgres")
            server.execute("DROP ROLE alice")

    def test_shows_no_password_to_whoever_lists_the_processes(self, server, old, run_runner, fake, tmp_path):
        server.create_role("secretive", "IN ROLE owner SUPERUSER")
        try:
            environment = fake(f'echo "$@" > {tmp_path}/arguments; echo "$PGPASSWORD" > {tmp_path}/password')
            result = run_runner("migrate", database=old.url_as("secretive") + "?sslpassword=hush", env=environment)
            assert result.returncode == 0, result.stderr
        finally:
            old.execute("REASSIGN OWNED BY secretive TO owner", user="postgres")
            server.execute("DROP ROLE secretive")
        assert (tmp_path / "password").read_text() == "secretive\n"
        arguments = (tmp_path / "arguments").read_text()
        assert arguments.count("secretive") == 1  # the user
        assert "user=secretive" in arguments
        assert "hush" not in arguments + result.stderr
        assert "service=timetracker" in arguments


@pytest.mark.only_pg("pg18")
class TestWhereItIsImpossible:
    @pytest.fixture(
        params=["no folder", "a file", "no program", "an old program", "no version", "a failure", "no room"]
    )
    def obstacle(self, request, fake, folder, tmp_path):
        """The environment of a start, its exit code and what it says."""
        environment = fake("echo made")
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("")
        return {
            "no folder": ({**environment, "BACKUP_DIR": f"{folder}/none"}, 2, "expected a directory that is there"),
            "a file": ({**environment, "BACKUP_DIR": f"{tmp_path}/file"}, 2, "expected a directory that is there"),
            "no program": ({**environment, "PATH": f"{tmp_path}/empty"}, 2, "there is no pg_dump on the PATH"),
            "an old program": lambda: (
                fake("echo made", version="17.2"),
                2,
                "pg_dump is of PostgreSQL 17, and the server is PostgreSQL 18: expected pg_dump 18 or newer",
            ),
            "no version": lambda: (fake("echo made", version="of my own"), 2, "does not say its version"),
            "a failure": lambda: (
                fake('echo "pg_dump: error: permission denied for table extra" >&2; exit 1'),
                5,
                "The backup failed: pg_dump: error: permission denied for table extra. Nothing was changed",
            ),
            "no room": lambda: (
                fake('echo "pg_dump: error: could not write: No space left on device" >&2; exit 1'),
                5,
                "No space left on device",
            ),
        }[request.param]

    @pytest.fixture
    def case(self, obstacle):
        return obstacle() if callable(obstacle) else obstacle

    def test_the_start_stops_before_anything_is_touched(self, old, run_runner, case, folder):
        environment, code, said = case
        before = contents_of(old)
        result = run_runner("migrate", database=old, env=environment)
        assert result.returncode == code
        (problem,) = errors_in(result)
        assert said in problem
        assert problem.endswith("Nothing was changed; ADOPT_WITHOUT_BACKUP=yes goes on without a backup")
        assert contents_of(old) == before
        assert list(folder.iterdir()) == []

    def test_it_goes_on_with_a_warning_where_that_is_wanted(self, old, run_runner, case, folder):
        environment, _, said = case
        result = run_runner("migrate", database=old, env={**environment, "ADOPT_WITHOUT_BACKUP": "yes"})
        assert result.returncode == 0, result.stderr
        (line,) = [line for line in result.stderr.splitlines() if "Going on without a backup" in line]
        assert " warning: " in line
        assert said.removesuffix(". Nothing was changed") in line
        assert list(folder.iterdir()) == []

    def test_without_a_folder_there_is_a_notice(self, old, run_runner):
        result = run_runner("migrate", database=old)
        assert result.returncode == 0
        assert "notice: There is no backup of this database before its adoption: BACKUP_DIR is not set" in result.stderr

    def test_a_table_that_the_role_may_not_read_is_named(self, old, run_runner, settings, folder):
        old.execute("CREATE TABLE extra (id INTEGER)", user="postgres")
        result = run_runner("migrate", database=old, env=settings)
        assert result.returncode == 5
        assert "permission denied for table extra" in errors_in(result)[0]
        assert list(folder.iterdir()) == []


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_pg_dump_too_and_leaves_no_part(old, installation, fake, folder, tmp_path, number, code):
    before = contents_of(old)
    environment = fake(
        f"echo half; echo $$ > {tmp_path}/pid.part; mv {tmp_path}/pid.part {tmp_path}/pid; exec sleep 60"
    )
    with installation.start("migrate", database=old, env=environment) as process:
        wait_for((tmp_path / "pid").exists)
        assert dump_in(folder).name.endswith(".part")
        assert dump_in(folder).stat().st_mode & 0o777 == 0o600
        process.send_signal(number)
        assert process.wait(30) == code
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert list(folder.iterdir()) == []
    assert contents_of(old) == before


@pytest.mark.only_pg("pg18")
def test_a_long_dump_tells_how_far_it_is(old, installation, fake):
    installation.edit("startup/backup.py", "REPORT_SECONDS = 10", "REPORT_SECONDS = 0.3")
    began = time.monotonic()
    result = installation.run("migrate", database=old, env=fake("head -c 3145728 /dev/zero; sleep 5"))
    assert result.returncode == 0, result.stderr
    assert re.search(r"Writing the backup, for \d+ s so far: 3\.0 MB", result.stderr)
    assert time.monotonic() - began > 5
