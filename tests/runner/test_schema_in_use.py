"""Which schema is ours: the first on the search_path that holds our tables, else the current one."""

import pytest
from installation import contents_of, errors_in

pytestmark = pytest.mark.only_pg("pg18")

PLACES = "SELECT nspname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relname = %s"


def places_of(database, table: str) -> list[str]:
    return sorted(schema for (schema,) in database.query(PLACES, table))


def with_search_path(database, path: str) -> str:
    """Return the URL with a search_path of its own; commas and quotes are percent-encoded."""
    return f"{database.url}?options=-csearch_path%3D{path}"


def in_schema(contents: dict[str, str], schema: str) -> dict[str, str]:
    return {name: checksum for name, checksum in contents.items() if name.startswith(f"{schema}.")}


class TestARoleWithASchemaOfItsOwnName:
    """PostgreSQL's default search_path is "$user", public."""

    def test_goes_on_in_public_where_the_tables_are(self, migrated, installation):
        migrated.execute("CREATE SCHEMA owner AUTHORIZATION owner", user="postgres")
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 0
        assert "Verified the schema public" in result.stderr
        assert places_of(migrated, "made_it") == ["public"]
        assert migrated.query("SELECT FROM pg_class WHERE relnamespace = 'owner'::regnamespace") == []

    def test_begins_in_it_where_there_are_none_yet(self, database, run_runner):
        database.execute("CREATE SCHEMA owner AUTHORIZATION owner", user="postgres")
        result = run_runner("migrate", database=database)
        assert result.returncode == 0
        assert "Verified the schema owner" in result.stderr
        assert places_of(database, "users") == places_of(database, "_yoyo_migration") == ["owner"]


class TestASchemaOfItsOwn:
    @pytest.fixture
    def beside(self, database):
        """A database with the schemas timetracker, for us, and public, with tables of the same names."""
        database.execute(
            "CREATE SCHEMA timetracker AUTHORIZATION owner;"
            "CREATE TABLE public.users (id INTEGER, username TEXT);"
            "INSERT INTO public.users VALUES (1, 'somebody else');"
            "CREATE TABLE public.settings (name TEXT NOT NULL);"
            "CREATE FUNCTION public.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE TABLE public.yoyo_lock (locked INTEGER, ctime TIMESTAMP, pid INTEGER);"
            "INSERT INTO public.yoyo_lock VALUES (1, now(), 4711)",
            user="postgres",
        )
        return database

    @pytest.mark.parametrize("path", ["timetracker", "nowhere,timetracker"])
    def test_is_used_and_what_lies_off_the_path_is_not_touched(self, beside, run_runner, path):
        before = in_schema(contents_of(beside), "public")
        url = with_search_path(beside, path)
        result = run_runner("migrate", database=url)
        assert result.returncode == 0, result.stderr
        assert "Verified the schema timetracker" in result.stderr
        assert places_of(beside, "_yoyo_migration") == ["timetracker"]
        assert places_of(beside, "time_entries") == ["timetracker"]
        assert places_of(beside, "update_users_updated_at") == []
        assert in_schema(contents_of(beside), "public") == before

        settled = contents_of(beside)
        assert run_runner("migrate", database=url).returncode == 0
        assert contents_of(beside) == settled

    def test_is_used_when_the_role_says_so(self, beside, run_runner):
        beside.execute(f"ALTER ROLE owner IN DATABASE {beside.name} SET search_path = timetracker", user="postgres")
        assert run_runner("migrate", database=beside).returncode == 0
        assert places_of(beside, "time_entries") == ["timetracker"]

    def test_is_used_when_its_name_needs_quotes(self, database, run_runner):
        name = '"Time ""and"" work and money"'
        database.execute(f"CREATE SCHEMA {name} AUTHORIZATION owner", user="postgres")
        database.execute(f"ALTER ROLE owner IN DATABASE {database.name} SET search_path = {name}", user="postgres")
        for command in ("plan", "migrate", "migrate", "plan", "verify", "status"):
            result = run_runner(command, database=database)
            assert result.returncode == 0, result.stderr
        assert places_of(database, "time_entries") == places_of(database, "yoyo_lock") == ['Time "and" work and money']

    def test_stays_alone_on_the_path_after_an_optional_file_that_needs_another(self, beside, run_runner):
        """The trigram index finds the extension in public, where somebody else's tables lie."""
        beside.execute("CREATE EXTENSION pg_trgm SCHEMA public", user="postgres")
        result = run_runner("migrate", database=with_search_path(beside, "timetracker"))
        assert result.returncode == 0, result.stderr
        assert "Applied optional-0002" in result.stderr
        assert "Verified the schema timetracker" in result.stderr

    def test_is_found_behind_another_without_our_tables(self, migrated, installation):
        migrated.execute(
            "CREATE SCHEMA before_it AUTHORIZATION owner; CREATE TABLE before_it.tasks_of_others ()", user="postgres"
        )
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        result = installation.run("migrate", database=with_search_path(migrated, "before_it,public"))
        assert result.returncode == 0
        assert places_of(migrated, "made_it") == ["public"]


@pytest.mark.parametrize("table", ["users", "time_entries", "_yoyo_migration"])
@pytest.mark.parametrize("command", ["migrate", "verify", "status", "plan"])
def test_two_such_schemas_are_an_error_that_names_both(migrated, run_runner, table, command):
    migrated.execute(f"CREATE SCHEMA other AUTHORIZATION owner; CREATE TABLE other.{table} ()", user="postgres")
    before = contents_of(migrated)
    result = run_runner(command, database=with_search_path(migrated, "other,public"))
    assert result.returncode == 5
    assert errors_in(result) == [
        "Tables of TimeTracker lie in the schemas other and public, both on the search_path: expected one."
        " Say which by adding ?options=-csearch_path%3DNAME to DATABASE_URL"
    ]
    assert contents_of(migrated) == before


@pytest.mark.parametrize("path", ["nowhere", "", "pg_catalog"])
def test_no_schema_on_the_path_is_an_error(database, run_runner, path):
    before = contents_of(database)
    result = run_runner("migrate", database=with_search_path(database, path))
    assert result.returncode == 5
    (line,) = errors_in(result)
    assert line.startswith("There is no schema on the search_path that role owner may use: CREATE SCHEMA ...")
    assert contents_of(database) == before
