"""A rollback moves what it takes away into the archive, and applying brings it back, row for row."""

import contextlib
import re
from pathlib import Path

import psycopg2
import pytest
from installation import ROOT, Installation, contents_of, migration_files, yoyo
from psycopg2.errors import RaiseException

EXAMPLE = Path(__file__).parent / "example_upgrade"
TABLES = {
    path.stem: path.with_suffix(".rollback.sql").read_text("ascii").split("'")[-2]
    for path in migration_files()
    if path.with_suffix(".rollback.sql").exists()
}


@pytest.fixture
def template(server, connect, insert_rows):
    """The name of a database that stock yoyo migrated, with rows in every table and a grant on each."""
    name = "template_with_rows"
    if name not in server.templates:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        with server.new_database() as made:
            assert yoyo(made, "apply").returncode == 0
            with contextlib.closing(made.connect()) as connection:
                connection.autocommit = False
                insert_rows(connection)
                connection.commit()
            made.execute("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO pg_monitor")
            server.execute(f"CREATE DATABASE {name} OWNER owner TEMPLATE {made.name}")
        server.templates.add(name)
    return name


@pytest.fixture
def filled(server, template):
    """A database of the test's own with rows in every table; its ledger is stock yoyo's."""
    with server.new_database(template) as lent:
        yield lent


@pytest.fixture
def everything(connect, catalog, rows):
    """Return a function that tells all that a database holds, but for what yoyo notes."""

    def read(database):
        connection = connect(database)
        with connection.cursor() as cursor:
            cursor.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema()")
            positions = {}
            for (name,) in cursor.fetchall():
                cursor.execute(f"SELECT last_value, is_called FROM {name}")
                positions[name] = cursor.fetchone()
        found = (
            {line for line in catalog(connection) if "yoyo" not in line},
            {table: held for table, held in rows(connection).items() if "yoyo" not in table},
            positions,
        )
        connection.rollback()
        return found

    return read


def archived(database) -> list[str]:
    """Return the tables in the archive."""
    return [
        name
        for (name,) in database.query(
            "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE nspname = 'public_archive' AND relkind = 'r' ORDER BY 1"
        )
    ]


def said(result) -> str:
    return result.stdout + result.stderr


def test_each_table_has_its_rollback_file():
    made = {
        table
        for path in migration_files()
        if path.stem != "0001-bookkeeping"  # which stays
        for table in re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+)", path.read_text("ascii"), re.MULTILINE)
    }
    assert {"users", "analytics", "sign_in_credentials"} < made
    assert sorted(TABLES.values()) == sorted(made)


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize("id", TABLES)
def test_a_migration_that_is_rolled_back_and_applied_again_leaves_everything_as_it_was(filled, everything, id):
    before = everything(filled)
    assert all(before[1].values())

    result = yoyo(filled, "rollback", "--revision", id)
    assert result.returncode == 0, result.stderr
    assert filled.query("SELECT FROM _yoyo_migration WHERE migration_id >= %s", id) == []
    gone = {table for maker, table in TABLES.items() if maker >= id}  # each depends on the one before
    assert set(archived(filled)) == gone
    assert everything(filled)[1].keys() == before[1].keys() - gone

    result = yoyo(filled, "apply")
    assert result.returncode == 0, result.stderr
    assert everything(filled) == before
    assert archived(filled) == []


def test_all_migrations_rolled_back_and_applied_again_leave_everything_as_it_was(filled, everything):
    before = everything(filled)
    for _ in range(2):
        assert yoyo(filled, "rollback", "--all").returncode == 0
        assert archived(filled) == sorted(TABLES.values())
    assert everything(filled)[1].keys() == {"adoption_report", "app_secrets", "migration_hashes", "startup_marks"}

    assert yoyo(filled, "apply").returncode == 0
    assert everything(filled) == before


def test_reapply_of_one_leaves_everything_as_it_was(filled, everything):
    before = everything(filled)
    result = yoyo(filled, "reapply", "--revision", "0003")
    assert result.returncode == 0, said(result)
    assert everything(filled) == before


def test_reapply_of_all_leaves_everything_as_it_was(filled, everything):
    """Without -- depends: yoyo would begin with the last file, and stop there."""
    before = everything(filled)
    result = yoyo(filled, "reapply")
    assert result.returncode == 0, said(result)
    assert everything(filled) == before


def test_a_start_after_a_rollback_brings_everything_back_and_verifies(migrated, everything, run_runner):
    migrated.execute("INSERT INTO users (username) VALUES ('alice'); UPDATE settings SET currency = 'CHF'")
    before = everything(migrated)
    assert yoyo(migrated, "rollback", "--all").returncode == 0

    result = run_runner("migrate", database=migrated)
    assert result.returncode == 0, result.stderr
    assert "Inserted the defaults" not in result.stderr
    after = everything(migrated)
    del before[1]["migration_hashes"], after[1]["migration_hashes"]  # noted anew
    assert after == before
    assert run_runner("verify", database=migrated).returncode == 0


def test_the_archive_is_no_part_of_the_schema_that_is_verified(migrated, run_runner):
    migrated.execute("SELECT archive_table('analytics')")
    result = run_runner("verify", database=migrated)
    assert [line.split(":")[1] for line in result.stdout.splitlines()[:-1]] == [" missing table analytics"]
    assert result.returncode == 1


def test_a_rollback_that_was_cut_off_before_its_mark_is_mended_by_a_start(migrated, run_runner):
    """Stock yoyo commits the file before it takes the mark away."""
    migrated.execute("INSERT INTO users (username) VALUES ('alice')")
    before = migrated.query("SELECT ctid, xmin, users FROM users")
    migrated.execute("SELECT archive_table('users')")
    assert run_runner("migrate", database=migrated).returncode == 0
    assert migrated.query("SELECT ctid, xmin, users FROM users") == before


def test_keys_hold_while_the_table_that_they_refer_to_is_in_the_archive(filled, everything):
    """Rolled back out of order, by hand: tasks refer to users."""
    before = everything(filled)
    filled.execute("SELECT archive_table('users')")
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        filled.execute("UPDATE tasks SET created_by = 99")
    assert yoyo(filled, "rollback", "--revision", "0005").returncode == 0
    assert {"tasks", "users"} < set(archived(filled))
    assert yoyo(filled, "rollback", "--revision", "0003").returncode == 0
    assert yoyo(filled, "apply").returncode == 0
    assert everything(filled) == before


class TestTheArchive:
    @pytest.fixture
    def alice(self, server):
        server.create_role("alice")
        yield "alice"
        server.execute("DROP ROLE alice")

    def refuse(self, database, message: str, user: str | None = None, sql: str = "SELECT archive_table('users')"):
        before = contents_of(database)
        with pytest.raises(psycopg2.Error, match=message):
            database.execute(sql, user=user)
        assert contents_of(database) == before

    def test_is_closed_to_others_whatever_the_default_privileges_say(self, alice, filled):
        filled.execute("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC")
        filled.execute("GRANT SELECT ON users TO alice; SELECT archive_table('users')")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="schema public_archive"):
            filled.query("SELECT FROM public_archive.users", user="alice")
        filled.execute("DROP OWNED BY alice", user="postgres")

    def test_needs_create_on_the_database_and_says_so(self, filled):
        filled.execute(f"REVOKE CREATE ON DATABASE {filled.name} FROM owner")
        grant = f"GRANT CREATE ON DATABASE {filled.name} TO owner"
        self.refuse(filled, f"schema public_archive, which owner may not create: {grant}")
        result = yoyo(filled, "rollback", "--revision", "0003")
        assert result.returncode != 0
        assert grant in said(result)
        assert "A         0007-users " in yoyo(filled, "list").stdout
        filled.execute(grant, user="postgres")
        assert filled.query("SELECT archive_table('users')") == [("moved users to public_archive, 3 rows",)]

    def test_may_be_made_by_an_administrator(self, filled):
        filled.execute(f"REVOKE CREATE ON DATABASE {filled.name} FROM owner")
        filled.execute("CREATE SCHEMA public_archive AUTHORIZATION owner", user="postgres")
        filled.execute("SELECT archive_table('users')")
        assert archived(filled) == ["users"]

    def test_must_not_belong_to_another_role(self, alice, filled):
        filled.execute("CREATE SCHEMA public_archive AUTHORIZATION alice", user="postgres")
        remedy = "ALTER SCHEMA public_archive OWNER TO owner"
        self.refuse(filled, f"belongs to alice, not to owner: {remedy}")
        filled.execute(remedy, user="postgres")
        filled.execute("SELECT archive_table('users')")
        assert archived(filled) == ["users"]

    def test_is_for_the_owner_of_the_table_alone(self, alice, filled):
        filled.execute("GRANT ALL ON users TO alice")
        self.refuse(filled, "users belongs to owner, and only that role can roll it back", user="alice")
        filled.execute("DROP OWNED BY alice", user="postgres")

    def test_made_by_an_administrator_who_rolls_back_serves_the_owner_who_applies(self, filled, everything):
        before = everything(filled)
        assert yoyo(filled, "rollback", "--all", url=filled.url_as("postgres")).returncode == 0
        assert yoyo(filled, "apply").returncode == 0
        assert everything(filled) == before

    def test_is_never_overwritten(self, filled):
        filled.execute("SELECT archive_table('users'); CREATE TABLE users (id INTEGER)")
        self.refuse(filled, "There is a users in public_archive already, which is not overwritten")

    def test_stops_a_migration_that_finds_the_table_in_both_places(self, filled):
        filled.execute("SELECT archive_table('users'); CREATE TABLE users (id INTEGER)")
        file = (ROOT / "sql" / "0007-users.sql").read_text("ascii")
        self.refuse(filled, "users is in the schema public and, from a rollback, in public_archive", sql=file)

    def test_of_somebody_else_is_neither_used_nor_taken_for_ours(self, filled, database, run_runner):
        for each in (filled, database):
            each.execute("CREATE SCHEMA public_archive; CREATE TABLE public_archive.users (id INTEGER, mine TEXT)")
        self.refuse(filled, "in that are tables of somebody else")
        assert run_runner("migrate", database=database).returncode == 0
        assert archived(database) == ["users"]
        assert run_runner("migrate", database=filled).returncode == 0

    def test_serves_a_schema_whose_name_needs_quotes(self, database, insert_rows, connect, replay):
        schema = 'Time "1"'
        connection = connect(database)
        with connection.cursor() as cursor:
            cursor.execute('CREATE SCHEMA "Time ""1"""')
            cursor.execute("SELECT set_config('search_path', quote_ident(%s), false)", [schema])
            replay(connection)
            insert_rows(connection)
            cursor.execute("SELECT archive_table('users')")
            assert cursor.fetchone() == (f"moved users to {schema}_archive, 3 rows",)
            cursor.execute('SELECT count(*) FROM "Time ""1""_archive".users')
            assert cursor.fetchone() == (3,)
            replay(connection)
            cursor.execute('SELECT count(*) FROM "Time ""1""".users')
            assert cursor.fetchone() == (3,)

    def test_of_a_schema_with_a_long_name_is_refused(self, database, connect, replay):
        connection = connect(database)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {'a' * 56}; SET search_path TO {'a' * 56}")
            replay(connection)
            with pytest.raises(RaiseException, match="too long for a name"):
                cursor.execute("SELECT archive_table('users')")

    def test_a_table_that_is_gone_is_no_obstacle(self, filled):
        filled.execute("DROP TABLE analytics")
        assert filled.query("SELECT archive_table('analytics')") == [("analytics is not there: nothing to archive",)]


class TestAColumn:
    """The example of a later release adds two columns to time_entries."""

    @pytest.fixture
    def upgraded(self, filled, tmp_path):
        """An installation with the example, applied by stock yoyo to rows, and used."""
        installation = Installation(tmp_path / "timetracker")
        ids = installation.add_folder(EXAMPLE)
        assert yoyo(filled, "apply", folder=installation.folder).returncode == 0
        filled.execute("UPDATE time_entries SET approved = true, approved_by = 3 WHERE id = 1")
        return installation, ids[0]

    def read(self, everything, database):
        """All that a database holds, but for the order of columns and which transaction wrote a row."""
        lines, rows, positions = everything(database)
        content = {
            table: sorted(str(sorted((k, v) for k, v in row.items() if k not in ("ctid", "xmin"))) for row in held)
            for table, held in rows.items()
        }
        return lines, content, positions

    def test_comes_back_with_its_values_keys_and_indexes(self, filled, upgraded, everything):
        installation, id = upgraded
        before = self.read(everything, filled)
        result = yoyo(filled, "rollback", "--revision", id, folder=installation.folder)
        assert result.returncode == 0, result.stderr
        assert archived(filled) == ["time_entries.approved", "time_entries.approved_by"]
        assert "approved" not in self.read(everything, filled)[1]["time_entries"][0]

        result = yoyo(filled, "apply", folder=installation.folder)
        assert result.returncode == 0, result.stderr
        assert self.read(everything, filled) == before
        assert archived(filled) == []

    def test_gives_rows_that_came_meanwhile_the_default(self, filled, upgraded):
        installation, id = upgraded
        yoyo(filled, "rollback", "--revision", id, folder=installation.folder)
        filled.execute("DELETE FROM time_entries WHERE id = 2; INSERT INTO time_entries (start_time) VALUES (now())")
        assert yoyo(filled, "apply", folder=installation.folder).returncode == 0
        assert filled.query("SELECT id, approved, approved_by FROM time_entries ORDER BY id") == [
            (1, True, 3),
            (3, False, None),
        ]

    def test_comes_back_at_a_start_together_with_its_table(self, migrated, tmp_path):
        installation = Installation(tmp_path / "timetracker")
        installation.add_folder(EXAMPLE)
        assert installation.run("snapshot", database=migrated.url_as("postgres")).returncode == 0
        assert installation.run("migrate", database=migrated).returncode == 0
        migrated.execute("INSERT INTO time_entries (start_time, approved, approved_by) VALUES (now(), true, 1)")
        before = migrated.query("SELECT * FROM time_entries")
        assert yoyo(migrated, "rollback", "--all", folder=installation.folder).returncode == 0
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 0, result.stderr
        assert migrated.query("SELECT * FROM time_entries") == before

    def test_whose_key_a_deleted_row_would_break_is_told_and_kept(self, filled, upgraded):
        installation, id = upgraded
        yoyo(filled, "rollback", "--revision", id, folder=installation.folder)
        filled.execute("DELETE FROM tasks; DELETE FROM invoices; DELETE FROM users WHERE id = 3")
        assert yoyo(filled, "apply", folder=installation.folder).returncode == 0
        assert filled.query("SELECT approved_by FROM time_entries WHERE id = 1") == [(3,)]
        assert filled.query(
            "SELECT convalidated FROM pg_constraint WHERE conname = 'time_entries_approved_by_fkey'"
        ) == [(False,)]

    @pytest.mark.parametrize(
        ("before", "message"),
        [
            ("SELECT archive_column('users', 'id')", "no part of it"),
            ("SELECT archive_column('analytics', 'day')", "no part of it"),
            ("ALTER TABLE users ADD n SERIAL; SELECT archive_column('users', 'n')", "a plain column"),
            (
                "ALTER TABLE users ADD n INTEGER GENERATED ALWAYS AS (id + 1) STORED;"
                " SELECT archive_column('users', 'n')",
                "a plain column",
            ),
            (
                "SELECT archive_column('users', 'role'); ALTER TABLE users ADD role TEXT;"
                " SELECT archive_column('users', 'role')",
                "there already and is not overwritten",
            ),
            (
                "SELECT archive_column('users', 'role'); ALTER TABLE users ADD role TEXT;"
                " SELECT unarchive_column('users', 'role')",
                "users has a column role and, from a rollback, there is",
            ),
            (
                "ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
                " SELECT archive_column('users', 'role')",
                "row security hides rows",
            ),
        ],
    )
    def test_that_cannot_be_kept_whole_is_not_taken_away(self, filled, before, message):
        contents = contents_of(filled)
        with pytest.raises(RaiseException, match=message):
            filled.execute(before)
        assert contents_of(filled) == contents

    def test_is_not_dropped_from_under_a_view(self, filled):
        filled.execute("CREATE VIEW roles AS SELECT role FROM users")
        with pytest.raises(psycopg2.errors.DependentObjectsStillExist):
            filled.execute("SELECT archive_column('users', 'role')")


def test_a_rollback_that_is_impossible_says_why(filled, tmp_path):
    installation = Installation(tmp_path / "timetracker")
    id = installation.add("example", "SET LOCAL lock_timeout = '1s';\nCREATE TABLE made (id INTEGER);\n")
    rollback = "DO $$ BEGIN RAISE EXCEPTION 'The numbers cannot go back: restore a backup'; END; $$;\n"
    (installation.sql / f"{id}.rollback.sql").write_text(rollback)
    assert yoyo(filled, "apply", folder=installation.folder).returncode == 0
    result = yoyo(filled, "rollback", "--all", folder=installation.folder)
    assert result.returncode != 0
    assert "The numbers cannot go back: restore a backup" in said(result)
    assert f"A         {id} " in yoyo(filled, "list", folder=installation.folder).stdout
