"""sql/runner/schema.txt is what the migrations make, and `runner.py snapshot` writes it."""

from contextlib import closing
from pathlib import Path

import pytest
from installation import contents_of, errors_in, wait_for

from startup.catalog import read_snapshot, read_state
from startup.verification import snapshot_text

SNAPSHOT = Path(__file__).parents[2] / "sql" / "runner" / "schema.txt"


@pytest.fixture
def maker(server):
    """A role that may create databases."""
    server.create_role("maker", "CREATEDB")
    yield "maker"
    server.execute("DROP ROLE maker")


def databases(server) -> list[str]:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database ORDER BY datname")
        return [name for (name,) in cursor.fetchall()]


def test_it_is_what_the_migrations_make(migrated):
    """On every server at hand: stale after a migration changed, renew it by `make snapshot`."""
    with closing(migrated.connect()) as connection:
        text = snapshot_text(read_state(connection))
    expected = SNAPSHOT.read_text("ascii")
    without_optional = [line for line in text.splitlines() if "idx_time_entries_notes_trigram" not in line]
    assert without_optional == expected.splitlines()


def test_it_holds_one_line_an_object():
    lines = SNAPSHOT.read_text("ascii").splitlines()
    assert len(read_snapshot()) == len(lines) == len(set(lines))
    assert lines == sorted(lines)


def test_the_command_writes_it(maker, server, database, installation):
    snapshot = installation.sql / "runner" / "schema.txt"
    snapshot.write_text("table users: nonsense\n", encoding="ascii")
    installation.add("news", "CREATE TABLE news (id INTEGER);\n")
    before, contents = databases(server), contents_of(database)

    result = installation.run("snapshot", database=database.url_as(maker))

    assert result.returncode == 0, result.stderr
    added = ["column news.id: integer", "table news: permanent"]
    assert snapshot.read_text("ascii").splitlines() == sorted([*SNAPSHOT.read_text("ascii").splitlines(), *added])
    assert databases(server) == before
    assert contents_of(database) == contents
    assert result.stdout == ""


@pytest.mark.only_pg("pg18")
class TestWhateverTheConfiguredDatabaseIs:
    def test_it_is_the_same_beside_damaged_tables(self, server, migrated, installation, maker):
        migrated.execute("DROP TABLE users CASCADE")
        self.check(installation, migrated.url_as(maker))

    def test_it_is_the_same_with_a_search_path(self, server, database, installation, maker):
        server.execute(f'ALTER ROLE maker IN DATABASE {database.name} SET search_path = "My Schema"')
        self.check(installation, database.url_as(maker))
        self.check(installation, f"{database.url_as(maker)}?options=-csearch_path%3Delsewhere")

    def check(self, installation, url: str) -> None:
        snapshot = installation.sql / "runner" / "schema.txt"
        snapshot.unlink(missing_ok=True)
        result = installation.run("snapshot", database=url)
        assert result.returncode == 0, result.stderr
        assert snapshot.read_text("ascii") == SNAPSHOT.read_text("ascii")


@pytest.mark.only_pg("pg18")
class TestATextThatIsNotAsItWasWritten:
    @pytest.mark.parametrize("content", [None, "<<<<<<< HEAD\n", "table users: \N{SECTION SIGN}\n"])
    def test_ends_a_start_in_one_line_and_can_be_renewed(self, migrated, maker, installation, content):
        snapshot = installation.sql / "runner" / "schema.txt"
        snapshot.unlink()
        if content:
            snapshot.write_text(content, encoding="utf-8")
        for command in ("verify", "migrate"):
            result = installation.run(command, database=migrated)
            assert result.returncode == 2
            (line,) = errors_in(result)
            assert line.startswith(f"{snapshot} is no list of objects (")
            assert line.endswith("python runner.py snapshot writes it")
        assert installation.run("snapshot", database=migrated.url_as(maker)).returncode == 0
        assert installation.run("verify", database=migrated).returncode == 0


@pytest.mark.only_pg("pg18")
class TestWhenItFails:
    def test_for_want_of_createdb_one_line_says_what_to_do(self, server, database, installation):
        before = databases(server)
        result = installation.run("snapshot", database=database)
        assert result.returncode == 5
        (line,) = errors_in(result)
        assert "permission denied to create database" in line
        assert 'ALTER ROLE "owner" CREATEDB' in line
        assert databases(server) == before
        assert (installation.sql / "runner" / "schema.txt").read_text("ascii") == SNAPSHOT.read_text("ascii")

    def test_on_a_read_only_database_one_line_says_so(self, server, database, installation, maker):
        server.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
        result = installation.run("snapshot", database=database.url_as(maker))
        assert result.returncode == 5
        assert len(errors_in(result)) == 1

    def test_at_a_migration_no_scratch_database_is_left_and_the_old_text_stays(
        self, server, database, installation, maker
    ):
        before = databases(server)
        id = installation.add("broken", "SELECT 1 / 0;\n")
        result = installation.run("snapshot", database=database.url_as(maker))
        assert result.returncode == 6
        assert id in errors_in(result)[0]
        assert databases(server) == before
        assert (installation.sql / "runner" / "schema.txt").read_text("ascii") == SNAPSHOT.read_text("ascii")

    def test_at_the_file_itself_one_line_says_so(self, database, installation, maker):
        snapshot = installation.sql / "runner" / "schema.txt"
        snapshot.unlink()
        snapshot.mkdir()
        result = installation.run("snapshot", database=database.url_as(maker))
        assert result.returncode == 2
        assert errors_in(result) == [
            f"{snapshot} cannot be written: Is a directory. Run snapshot in a checkout that this user may write to"
        ]
        assert not list(snapshot.parent.glob("*.part"))

    def test_for_want_of_room_the_old_text_stays(self, database, installation, maker):
        little = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh"]
        result = installation.run("snapshot", database=database.url_as(maker), wrapper=little)
        assert result.returncode == 2
        assert "cannot be written: File too large. " in errors_in(result)[0]
        assert [path.name for path in (installation.sql / "runner").glob("schema*")] == ["schema.txt"]
        assert (installation.sql / "runner" / "schema.txt").read_text("ascii") == SNAPSHOT.read_text("ascii")

    def test_by_a_signal_no_scratch_database_is_left(self, server, database, installation, maker):
        before = databases(server)
        installation.add("slow", "SELECT pg_sleep(60);\n")
        installation.end_patiently()
        with installation.start("snapshot", database=database.url_as(maker)) as process:
            wait_for(lambda: sleeping(server))
            process.terminate()
            process.communicate()
        assert process.returncode == 143
        assert databases(server) == before


def sleeping(server) -> bool:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
        return cursor.fetchone() == (1,)
