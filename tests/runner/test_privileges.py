"""What a role must be allowed to do: told before anything runs, each time with the statement that allows it."""

import re

import pytest
from installation import contents_of, errors_in, yoyo
from listeners import closed_port

from startup.catalog import read_snapshot

pytestmark = pytest.mark.only_pg("pg18")
OLD = "tests/legacy/04-v105-sql-4tables.sql"
FUNCTIONS = [name for name in read_snapshot() if name.startswith("function ")]


# The tests name `alice` before their database, so that she goes after what she owns in it.
@pytest.fixture
def alice(server):
    """A role that may log in, and owns nothing."""
    server.create_role("alice")
    yield "alice"
    server.execute("DROP ROLE alice")


def remedies_in(result) -> str:
    """Return the SQL that the error lines tell to run."""
    return ";".join(line.rpartition(": ")[2] for line in errors_in(result))


def give_functions(database, role: str) -> None:
    """Make a role the owner of every function of the database that is no part of PostgreSQL."""
    for (function,) in database.query("SELECT oid::regprocedure::text FROM pg_proc WHERE oid >= 16384"):
        database.execute(f"ALTER FUNCTION {function} OWNER TO {role}", user="postgres")


class TestWithoutCreateOnTheSchema:
    def test_it_is_told_before_anything_runs(self, alice, database, run_runner):
        before = contents_of(database)
        for command in ("migrate", "plan", "serve"):
            result = run_runner(command, database=database.url_as(alice), env={"PORT": str(closed_port())})
            assert errors_in(result) == [
                "Role alice lacks CREATE on schema public: GRANT CREATE ON SCHEMA public TO alice"
            ]
            assert result.returncode == 5
        assert contents_of(database) == before

    def test_the_remedy_helps(self, alice, database, run_runner):
        remedy = remedies_in(run_runner("migrate", database=database.url_as(alice)))
        database.execute(remedy, user="postgres")
        assert run_runner("migrate", database=database.url_as(alice)).returncode == 0

    def test_a_start_with_nothing_to_do_needs_none(self, alice, database, run_runner):
        database.execute("GRANT CREATE ON SCHEMA public TO alice", user="postgres")
        assert run_runner("migrate", database=database.url_as(alice)).returncode == 0
        database.execute("REVOKE CREATE ON SCHEMA public FROM alice", user="postgres")
        assert run_runner("migrate", database=database.url_as(alice)).returncode == 0


class TestTablesThatBelongToSomebodyElse:
    def test_are_told_in_one_line_before_anything_runs(self, alice, database, run_runner, load_sql):
        load_sql(database, OLD)
        database.execute("GRANT CREATE ON SCHEMA public TO alice", user="postgres")
        database.execute("CREATE TABLE of_somebody_else ()")
        before = contents_of(database)
        result = run_runner("migrate", database=database.url_as(alice))
        assert errors_in(result) == [
            "Role alice lacks ownership (it belongs to owner) on every table and function:"
            " connect as owner, or set MIGRATION_DATABASE_URL to a URL of owner; or, to make alice the owner:"
            " ALTER FUNCTION public.update_updated_at_column() OWNER TO alice;"
            " ALTER TABLE public.projects OWNER TO alice; ALTER TABLE public.settings OWNER TO alice;"
            " ALTER TABLE public.time_entries OWNER TO alice; ALTER TABLE public.users OWNER TO alice"
        ]
        assert result.returncode == 5
        assert contents_of(database) == before

    def test_are_all_that_there_is_to_mend(self, alice, database, run_runner, load_sql):
        load_sql(database, OLD)
        database.execute("CREATE TABLE of_somebody_else ()")
        result = run_runner("migrate", database=database.url_as(alice))
        assert result.returncode == 5
        database.execute(remedies_in(result), user="postgres")
        result = run_runner("migrate", database=database.url_as(alice))
        assert result.returncode == 0, result.stderr

    def test_need_but_the_login_of_their_owner(self, alice, migrated, installation):
        installation.add("example", "ALTER TABLE users ADD COLUMN example INTEGER;\n")
        result = installation.run("migrate", database=migrated.url_as(alice))
        assert result.returncode == 5
        first, *_ = errors_in(result)
        assert first.startswith(
            "Role alice lacks ownership (it belongs to owner) on every table and function: connect as owner, or set"
            " MIGRATION_DATABASE_URL to a URL of owner; or, to make alice the owner: ALTER "
        )
        env = {"MIGRATION_DATABASE_URL": migrated.url}
        migrated.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO alice")
        result = installation.run("migrate", database=migrated.url_as(alice), env=env)
        assert result.returncode == 0, result.stderr

    def test_are_told_with_their_owners_where_one_login_is_not_enough(self, alice, database, run_runner, load_sql):
        load_sql(database, OLD)
        database.execute("ALTER TABLE users OWNER TO alice", user="postgres")
        for role, lacks in (
            ("owner", ["(it belongs to alice) on table users: ALTER TABLE public.users OWNER TO owner"]),
            ("postgres", []),
        ):
            result = run_runner("migrate", database=database.url_as(role))
            assert errors_in(result) == [f"Role {role} lacks ownership {rest}" for rest in lacks]

    def test_are_no_matter_for_a_member_of_their_owner(self, alice, migrated, installation):
        migrated.execute("GRANT owner TO alice", user="postgres")
        installation.add("example", "ALTER TABLE users ADD COLUMN example INTEGER;\n")
        assert installation.run("migrate", database=migrated.url_as(alice)).returncode == 0

    def test_are_no_matter_for_a_superuser(self, migrated, installation):
        installation.add("example", "ALTER TABLE users ADD COLUMN example INTEGER;\n")
        assert installation.run("migrate", database=migrated.url_as("postgres")).returncode == 0


class TestFunctionsThatBelongToSomebodyElse:
    """A superuser ran the files, and gave the tables alone to the role that migrates."""

    @pytest.mark.parametrize("schema", ["public", '"Time\'s ""Tracker"'])
    def test_are_told_before_anything_runs_and_the_remedy_helps(self, alice, migrated, run_runner, schema):
        if schema != "public":
            migrated.execute(f"ALTER SCHEMA public RENAME TO {schema}", user="postgres")
            migrated.execute(f"ALTER DATABASE {migrated.name} SET search_path = {schema}", user="postgres")
        assert yoyo(migrated, "unmark", "-b", "--revision", "0002-functions").returncode == 0
        give_functions(migrated, alice)
        before = contents_of(migrated)
        result = run_runner("migrate", database=migrated)
        assert result.returncode == 5
        (line,) = errors_in(result)
        told, _, remedies = line.partition(": ")
        assert told == f"Role owner lacks ownership (it belongs to alice) on {', '.join(FUNCTIONS)}"
        assert remedies.split("; ") == [
            f"ALTER FUNCTION {schema}.{name.partition(' ')[2]} OWNER TO owner" for name in FUNCTIONS
        ]
        assert contents_of(migrated) == before

        migrated.execute(remedies, user="postgres")
        result = run_runner("migrate", database=migrated)
        assert result.returncode == 0, result.stderr

    def test_keep_a_start_from_healing_until_the_remedy_was_run(self, alice, migrated, run_runner):
        give_functions(migrated, alice)
        migrated.execute("ALTER TABLE users ALTER role DROP DEFAULT")
        result = run_runner("migrate", database=migrated)
        assert result.returncode == 1
        (line,) = [line for line in result.stderr.splitlines() if "Nothing is healed or tried: " in line]
        migrated.execute(line.rpartition(": ")[2], user="postgres")
        assert run_runner("migrate", database=migrated).returncode == 0


def test_what_a_privilege_kept_from_being_healed_is_tried_again_at_the_next_start(migrated, run_runner):
    migrated.execute("REVOKE USAGE ON LANGUAGE sql FROM PUBLIC", user="postgres")
    migrated.execute("DROP FUNCTION in_archive")
    for _ in ("first", "second"):
        result = run_runner("migrate", database=migrated)
        assert result.returncode == 1
        assert "Replaying 0002-functions failed: permission denied for language sql" in result.stderr
        assert "; the next start tries again" in result.stderr
    migrated.execute("GRANT USAGE ON LANGUAGE sql TO PUBLIC", user="postgres")
    assert run_runner("migrate", database=migrated).returncode == 0


class TestALedgerThatBelongsToSomebodyElse:
    """A DBA ran yoyo, and gave the tables of the app to the app's role."""

    @pytest.fixture
    def given(self, alice, migrated):
        tables = migrated.query(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname !~ 'yoyo'"
            " AND relnamespace = 'public'::regnamespace"
        )
        for (table,) in tables:
            migrated.execute(f"ALTER TABLE {table} OWNER TO alice", user="postgres")
        give_functions(migrated, alice)
        migrated.execute("GRANT CREATE ON SCHEMA public TO alice", user="postgres")
        return migrated

    def test_that_cannot_be_written_is_told_before_anything_runs(self, given, installation):
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        before = contents_of(given)
        result = installation.run("migrate", database=given.url_as("alice"))
        assert result.returncode == 5
        told = [re.sub(r" on .*", "", line) for line in errors_in(result)]
        assert told == [f"Role alice lacks {privilege}" for privilege in ("DELETE", "INSERT", "SELECT")]
        assert contents_of(given) == before

        given.execute(remedies_in(result), user="postgres")
        result = installation.run("migrate", database=given.url_as("alice"))
        assert result.returncode == 0, result.stderr

    def test_that_cannot_be_read_is_told_by_status(self, given, run_runner):
        result = run_runner("status", database=given.url_as("alice"))
        assert result.returncode == 5
        assert errors_in(result) == [
            "Role alice may not read _yoyo_migration, the list of applied migrations:"
            " GRANT SELECT ON public._yoyo_migration TO alice"
        ]


class TestAReadOnlyDatabase:
    @pytest.mark.parametrize("place", ["DATABASE {database}", "ROLE owner IN DATABASE {database}"])
    @pytest.mark.parametrize("state", ["database", "migrated"])
    def test_is_told_before_anything_runs(self, request, server, run_runner, place, state):
        database = request.getfixturevalue(state)
        server.execute(f"ALTER {place.format(database=database.name)} SET default_transaction_read_only = on")
        before = contents_of(database)
        for command in ("migrate", "plan", "serve"):
            result = run_runner(command, database=database, env={"PORT": str(closed_port())})
            assert result.returncode == 5
            (line,) = errors_in(result)
            assert line.startswith("The database of DATABASE_URL is read-only (default_transaction_read_only is on)")
        assert contents_of(database) == before

    def test_can_be_verified_and_asked_for_its_status(self, server, migrated, run_runner):
        server.execute(f"ALTER DATABASE {migrated.name} SET default_transaction_read_only = on")
        assert run_runner("verify", database=migrated).returncode == 0
        assert run_runner("status", database=migrated).returncode == 0


def test_a_schema_that_the_role_may_not_use_is_told(alice, database, run_runner):
    database.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC", user="postgres")
    result = run_runner("migrate", database=database.url_as(alice))
    assert result.returncode == 5
    (line,) = errors_in(result)
    assert line.startswith("There is no schema on the search_path that role alice may use:")
    assert "GRANT USAGE ON SCHEMA ... TO alice" in line
