"""A disk that is full: a small one of our own, under a tablespace or under the whole cluster."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import psycopg2
import pytest
from background import running
from installation import SLOW_ANSWER, contents_of, errors_in, wait_for
from listeners import closed_port
from local_postgres.account import give_to

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("root"), pytest.mark.needs("linux")]

FILL = "CREATE TABLE made_it AS SELECT n, repeat(md5(n::text), 20) AS text FROM generate_series(1, 200000) AS n;\n"
INDEX = """-- transactional: false
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_time_entries_example') AND NOT indisvalid) THEN
        DROP INDEX idx_time_entries_example;
    END IF;
END;
$$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_example ON time_entries (notes, id);
"""


@contextlib.contextmanager
def small_disk(folder: Path, size: str):
    """Lend a folder that holds no more than `size`."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def filled(folder: Path):
    """Leave no room on the disk for the time of the block."""
    ballast = folder / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
                        file.flush()
        yield
    finally:
        ballast.unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk of 24 MB, reachable for the server, whose uid may not enter the folders of the tests."""
    with small_disk(Path(f"/tmp/timetracker-disk-{os.getpid()}"), "24m") as folder:
        yield folder
    folder.rmdir()


@pytest.fixture
def beside(server, disk, migrated):
    """A database whose new tables and indexes go to the small disk."""
    place = disk / migrated.name
    place.mkdir()
    give_to(place, server.local.uid, server.local.gid)
    server.execute(f"CREATE TABLESPACE {migrated.name} LOCATION '{place}'")
    server.execute(f"GRANT CREATE ON TABLESPACE {migrated.name} TO owner")
    server.execute(f"ALTER DATABASE {migrated.name} SET default_tablespace = {migrated.name}")
    yield migrated
    server.execute(f"DROP DATABASE {migrated.name} WITH (FORCE)")
    server.execute(f"DROP TABLESPACE {migrated.name}")


def test_a_migration_that_fills_it_is_rolled_back(beside, installation):
    id = installation.add("large", FILL)
    result = installation.run("migrate", database=beside)
    assert result.returncode == 6
    (line,) = errors_in(result)
    assert line.startswith(f"{id} failed and was rolled back: could not extend file ")
    assert "No space left on device" in line
    assert "Check free disk space" in line
    assert beside.query("SELECT to_regclass('made_it')") == [(None,)]
    assert beside.query("SELECT count(*) FROM yoyo_lock") == [(0,)]

    (installation.sql / f"{id}.sql").write_text("CREATE TABLE made_it (id INTEGER);\n")
    assert installation.run("migrate", database=beside).returncode == 0


def test_an_index_that_fills_it_is_built_again_when_there_is_room(beside, disk, installation):
    beside.execute(
        "INSERT INTO time_entries (user_id, project_id, start_time, notes)"
        " SELECT 1, 1, now(), md5(n::text) FROM generate_series(1, 20000) AS n"
    )
    id = installation.add("index", INDEX)
    with filled(disk):
        result = installation.run("migrate", database=beside)
        assert result.returncode == 6
        (line,) = errors_in(result)
        assert line.startswith(f"{id} failed and may have left the index idx_time_entries_example invalid: ")
        assert "No space left on device" in line
    assert beside.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_time_entries_example'::regclass") == [
        (False,)
    ]
    result = installation.run("migrate", database=beside)
    assert result.returncode == 0, result.stderr
    assert beside.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_time_entries_example'::regclass") == [
        (True,)
    ]


@pytest.fixture(scope="session")
def small_server(own_server):
    """A server whose every file lies on a small disk."""
    with small_disk(Path(f"/tmp/timetracker-cluster-{os.getpid()}"), "200m") as folder:
        settings = {"max_wal_size": "32MB", "min_wal_size": "32MB", "wal_recycle": "off"}
        with own_server("pg18", folder=folder / "data", settings=settings) as own:
            yield own
    folder.rmdir()


def lets_in(server) -> bool:
    """Tell whether a server can be asked."""
    try:
        server.connect().close()
    except psycopg2.OperationalError:
        return False
    return True


class TestTheWholeCluster:
    """Its log of transactions lies on it too: the server cannot commit, and may go down."""

    @pytest.fixture
    def server(self, small_server):
        return small_server

    @pytest.fixture
    def room(self, server):
        return server.local.folder.parent

    def test_a_start_with_nothing_to_do_serves_on_it(self, migrated, room, run_runner, tmp_path):
        run_runner("migrate", database=migrated)  # the first session in a database writes a file of the server's own
        port = closed_port()
        with filled(room), running("serve", migrated.url, tmp_path / "log", PORT=str(port)) as runner:
            assert runner.get(port, "/")[0] == 200
            assert runner.get(port, "/readyz")[0] == 200
        assert not re.search("error|warning", "\n".join(runner.lines))

    def test_a_server_that_can_let_nobody_in_is_told(self, database, room, run_runner):
        with filled(room):
            env = {"DATABASE_WAIT_SECONDS": "1", **SLOW_ANSWER}
            result = run_runner("migrate", database=database, env=env)
        assert result.returncode == 5
        (line,) = errors_in(result)
        assert "No space left on device. Make room on the disk of the server" in line

    def test_a_migration_on_it_ends_with_a_line_and_the_next_start_is_well(self, migrated, room, installation):
        installation.add("large", FILL)
        with filled(room):
            result = installation.run("migrate", database=migrated, env={"DATABASE_WAIT_SECONDS": "5"})
        assert result.returncode in (5, 6)
        assert re.search("No space left on device|lost", errors_in(result)[-1])
        wait_for(lambda: not migrated.server.local.pid or lets_in(migrated.server))  # it may be about to end
        if not migrated.server.local.pid:
            migrated.server.local.start()
        (installation.sql / f"{installation.ids[-1]}.sql").write_text("CREATE TABLE made_it (id INTEGER);\n")
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 0, result.stderr
        before = contents_of(migrated)
        assert installation.run("migrate", database=migrated).returncode == 0
        assert contents_of(migrated) == before
