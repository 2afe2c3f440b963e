"""From whatever the database is to the schema of this version: fresh, older, half-applied, current, and broken off."""

import re

import pytest
from installation import MIGRATIONS, NEXT, contents_of, errors_in
from psycopg2 import sql

TABLES = ["users", "projects", "tasks", "time_entries", "settings", "invoices", "invoice_items"]
FIRST_LINE = "-- An example.\n"


def columns_of(database) -> dict[str, list[str]]:
    """Return the columns of each table in the schema public."""
    rows = database.query(
        "SELECT relname::text, array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
        " JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"
        " GROUP BY relname"
    )
    return dict(rows)


def checksums(database, columns: dict[str, list[str]]) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a checksum of these columns of each table."""
    sums = {}
    for table, names in columns.items():
        question = sql.SQL(
            "SELECT count(*), md5(string_agg(row::text, '|' ORDER BY row::text)) FROM (SELECT {} FROM {}) AS row"
        ).format(sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table))
        (sums[table],) = database.query(question)
    return sums


def is_verified(result) -> bool:
    return result.returncode == 0 and "Verified the schema public" in result.stderr


class TestAFreshDatabase:
    def test_gets_every_migration_once_in_order(self, database, run_runner):
        result = run_runner("migrate", database=database)
        assert is_verified(result)
        assert re.findall(r"Applied (\d{4}-\S+) \(\d+ ms\)", result.stderr) == MIGRATIONS
        log = database.query(
            "SELECT migration_id FROM _yoyo_log WHERE migration_id !~ '^optional' AND operation = 'apply'"
            " ORDER BY created_at_utc"
        )
        assert [id for (id,) in log] == MIGRATIONS

    def test_has_all_tables_and_the_defaults(self, migrated):
        found = {table for (table,) in migrated.query("SELECT relname::text FROM pg_class WHERE relkind = 'r'")}
        assert found >= {*TABLES, "analytics"}
        assert migrated.query("SELECT username, role FROM users") == [("admin", "admin")]
        assert migrated.query("SELECT name, client FROM projects") == [("General", "Default Client")]

    def test_is_not_written_to_by_a_second_start(self, migrated, run_runner):
        before = contents_of(migrated)
        result = run_runner("migrate", database=migrated)
        assert is_verified(result)
        assert "Applied" not in result.stderr
        assert contents_of(migrated) == before


@pytest.mark.parametrize("name", ["04-v105-sql-4tables", "13-v121-half-init-empty"])
def test_an_older_database_is_brought_up_with_every_row_as_it_was(database, run_runner, load_sql, name):
    load_sql(database, f"tests/legacy/{name}.sql")
    columns = columns_of(database)
    before = checksums(database, columns)
    assert is_verified(run_runner("migrate", database=database))

    after = checksums(database, columns)
    had_rows = {table for table, (count, _) in before.items() if count}
    assert {table: after[table] for table in had_rows} == {table: before[table] for table in had_rows}

    settled = contents_of(database)
    result = run_runner("migrate", database=database)
    assert is_verified(result)
    assert contents_of(database) == settled


@pytest.mark.only_pg("pg18")
def test_an_older_database_with_rows_gets_no_default_user_or_project(database, run_runner, load_sql):
    load_sql(database, "tests/legacy/04-v105-sql-4tables.sql")
    counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM projects), (SELECT count(*) FROM settings)"
    before = database.query(counts)
    assert is_verified(run_runner("migrate", database=database))
    assert database.query(counts) == before


@pytest.mark.parametrize("count", [1, 6, len(MIGRATIONS) - 1])
def test_a_half_applied_database_gets_the_rest(database, installation, run_runner, count):
    installation.keep(count)
    installation.run("migrate", database=database, env={"HEAL": "off"})
    assert database.query("SELECT count(*) FROM _yoyo_migration") == [(count,)]

    result = run_runner("migrate", database=database)
    assert is_verified(result)
    assert re.findall(r"Applied (\d{4}-\S+)", result.stderr) == MIGRATIONS[count:]


@pytest.mark.only_pg("pg18")
def test_what_is_applied_and_not_marked_is_applied_again_without_harm(migrated, run_runner):
    """A stock yoyo that is killed between the migration and its mark leaves this."""
    migrated.execute("INSERT INTO users (username) VALUES ('alice')")
    before = checksums(migrated, {"users": ["id", "username", "created_at", "updated_at"]})
    migrated.execute("DELETE FROM _yoyo_migration WHERE migration_id > '0002'")
    assert is_verified(run_runner("migrate", database=migrated))
    assert checksums(migrated, {"users": ["id", "username", "created_at", "updated_at"]}) == before
    assert migrated.query("SELECT count(*) FROM _yoyo_migration WHERE migration_id ~ '^[0-9]'") == [(len(MIGRATIONS),)]


@pytest.mark.only_pg("pg18")
class TestAFailingFile:
    def test_is_named_with_its_statement_and_the_message_of_the_database(self, migrated, installation):
        id = installation.add(
            "example",
            FIRST_LINE + "CREATE TABLE made (id INTEGER);\n"
            "INSERT INTO users (username)\n    -- Again.\n    VALUES ('admin'), ('100%');\n",
        )
        result = installation.run("migrate", database=migrated)
        assert errors_in(result) == [
            f"{id} failed and was rolled back: duplicate key value violates unique constraint"
            ' "users_username_key" Key (username)=(admin) already exists.'
            " Statement: INSERT INTO users (username) VALUES ('admin'), ('100%');"
        ]
        assert result.returncode == 6

    def test_names_the_statement_inside_a_block(self, migrated, installation):
        installation.add("example", "DO $$\nBEGIN\n    DELETE FROM nowhere;\nEND;\n$$;\n")
        result = installation.run("migrate", database=migrated)
        assert errors_in(result) == [
            f'{NEXT}-example failed and was rolled back: relation "nowhere" does not exist.'
            " Statement: DELETE FROM nowhere"
        ]

    def test_is_rolled_back_and_the_earlier_ones_stay_applied(self, migrated, installation):
        before = contents_of(migrated)
        first = installation.add("first", "CREATE TABLE made_first (id INTEGER);\n")
        second = installation.add(
            "second", "CREATE TABLE made_second (id INTEGER);\nDELETE FROM projects;\nSELECT 1 / 0;\n"
        )
        third = installation.add("third", "CREATE TABLE made_third (id INTEGER);\n")

        result = installation.run("migrate", database=migrated)
        assert result.returncode == 6
        assert [line.split(":")[0] for line in errors_in(result)] == [f"{second} failed and was rolled back"]
        assert made(migrated) == [("made_first",)]
        marked = migrated.query(
            "SELECT migration_id FROM _yoyo_migration WHERE migration_id > %s AND migration_id < 'o'", NEXT
        )
        assert marked == [(first,)]
        assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]
        after = contents_of(migrated)
        assert after["public.projects"] == before["public.projects"]

        (installation.sql / f"{second}.sql").write_text("CREATE TABLE made_second (id INTEGER);\n")
        result = installation.run("migrate", database=migrated)
        assert is_verified(result)
        assert re.findall(r"Applied (\S+)", result.stderr) == [second, third]
        assert made(migrated) == [("made_first",), ("made_second",), ("made_third",)]

    def test_fails_when_a_deferred_constraint_breaks_at_commit(self, migrated, installation):
        installation.add(
            "example",
            "CREATE TABLE made_it (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED);\n"
            "INSERT INTO made_it VALUES (1), (1);\n",
        )
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 6
        assert "duplicate key value violates unique constraint" in errors_in(result)[0]
        assert made(migrated) == []


class TestAFileWithoutATransaction:
    INDEX = (
        "-- transactional: false\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_users_role_key ON users (role);\n"
    )
    DROP_LEFTOVER = (
        "-- transactional: false\nDO $$\nBEGIN\n"
        "    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_users_role_key') AND NOT indisvalid)\n"
        "    THEN DROP INDEX idx_users_role_key;\n    END IF;\nEND;\n$$;\n"
    )

    def test_builds_its_index_and_is_marked(self, migrated, installation):
        id = installation.add("example", self.INDEX)
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 0
        assert index_is_valid(migrated) == [(True,)]
        assert (id,) in migrated.query("SELECT migration_id FROM _yoyo_migration")
        assert (id,) in migrated.query("SELECT migration_id FROM migration_hashes")

    def test_is_not_marked_when_it_fails_nor_when_it_leaves_an_invalid_index(self, migrated, installation):
        migrated.execute("INSERT INTO users (username) VALUES ('alice'), ('bob')")
        id = installation.add("example", self.INDEX)
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 6
        (line,) = errors_in(result)
        assert line.startswith(f"{id} failed and may have left the index idx_users_role_key invalid: could not create")
        assert index_is_valid(migrated) == [(False,)]

        migrated.execute("DELETE FROM users WHERE username = 'bob'")
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 6
        assert errors_in(result) == [
            f"{id} found the index idx_users_role_key already there, left invalid by a build that failed:"
            " DROP INDEX idx_users_role_key, then start again"
        ]
        assert (id,) not in migrated.query("SELECT migration_id FROM _yoyo_migration")

        migrated.execute("DROP INDEX idx_users_role_key")
        assert installation.run("migrate", database=migrated).returncode == 0
        assert index_is_valid(migrated) == [(True,)]

    def test_builds_anew_what_a_failed_build_left(self, migrated, installation):
        migrated.execute("INSERT INTO users (username) VALUES ('alice'), ('bob')")
        installation.add("example", self.DROP_LEFTOVER + self.INDEX.partition("\n")[2])
        assert installation.run("migrate", database=migrated).returncode == 6
        migrated.execute("DELETE FROM users WHERE username = 'bob'")
        assert installation.run("migrate", database=migrated).returncode == 0
        assert index_is_valid(migrated) == [(True,)]


@pytest.mark.only_pg("pg18")
class TestAnOptionalFile:
    def test_that_fails_is_a_warning_and_is_tried_again(self, migrated, installation):
        (installation.sql / "optional" / "optional-0003-example.sql").write_text(
            "-- requires: true\nCREATE TABLE made_it (id INTEGER REFERENCES absent);\n"
        )
        for _ in range(2):
            result = installation.run("migrate", database=migrated)
            assert is_verified(result)
            assert errors_in(result) == []
            (warning,) = [line for line in result.stderr.splitlines() if " warning: " in line]
            assert 'optional-0003-example failed and was rolled back: relation "absent" does not exist' in warning
            assert "the next start tries again, or remove sql/optional/optional-0003-example.sql" in warning
        migrated.execute("CREATE TABLE absent (id INTEGER PRIMARY KEY)")
        result = installation.run("migrate", database=migrated)
        assert "Applied optional-0003-example" in result.stderr
        assert " warning: " not in result.stderr

    def test_that_fails_at_its_commit_keeps_none_of_the_next_from_running(self, migrated, installation):
        (installation.sql / "optional" / "optional-0003-example.sql").write_text(
            "-- requires: true\nCREATE TABLE made_third (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED);\n"
            "INSERT INTO made_third VALUES (1), (1);\n"
        )
        (installation.sql / "optional" / "optional-0004-example.sql").write_text(
            "-- requires: true\nCREATE TABLE made_fourth (id INTEGER);\n"
        )
        result = installation.run("migrate", database=migrated)
        assert is_verified(result)
        assert "warning: optional-0003-example failed and was rolled back: duplicate key value" in result.stderr
        assert "Applied optional-0004-example" in result.stderr
        assert made(migrated) == [("made_fourth",)]

    def test_whose_condition_is_false_is_a_notice(self, migrated, installation):
        (installation.sql / "optional" / "optional-0003-example.sql").write_text(
            "-- requires: 1 > 2\nCREATE TABLE made_it (id INTEGER);\n"
        )
        result = installation.run("migrate", database=migrated)
        assert is_verified(result)
        assert "notice: optional-0003-example was not tried: it requires 1 > 2" in result.stderr
        assert made(migrated) == []


def made(database) -> list[tuple[str]]:
    return database.query("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname ~ '^made_' ORDER BY 1")


def index_is_valid(database) -> list[tuple[bool]]:
    return database.query("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('idx_users_role_key')")
