"""What `runner.py verify` says, in what form, and that it changes nothing."""

import json
from contextlib import closing

import pytest
from installation import contents_of, errors_in
from psycopg2.errors import InternalError_
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from startup.catalog import ask
from startup.verification import verify

INDEX = "DROP INDEX idx_users_role"
TRIGGER = "DROP TRIGGER update_users_updated_at ON users"
COLUMN = "ALTER TABLE projects ALTER status DROP DEFAULT"


def outcome_of(result) -> dict:
    """Return the one JSON object on stdout."""
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def objects_in(result) -> list[str]:
    return [difference["object"] for difference in outcome_of(result)["differences"]]


class TestTheJson:
    def test_of_a_healthy_schema_has_no_differences(self, migrated, server, run_runner):
        result = run_runner("verify", "--json", database=migrated)
        assert outcome_of(result) == {
            "ok": True,
            "server_version": migrated.query("SHOW server_version")[0][0],
            "schema": "public",
            "differences": [],
        }
        assert outcome_of(result)["server_version"].startswith(str(server.version))
        assert (result.returncode, result.stderr) == (0, "")

    def test_of_an_error_is_not_ok(self, migrated, run_runner):
        migrated.execute(f"{TRIGGER}; {INDEX}; ALTER TABLE users ADD email TEXT")
        result = run_runner("verify", "--json", database=migrated)
        outcome = outcome_of(result)
        assert outcome["ok"] is False
        assert outcome["differences"] == [
            {
                "kind": "missing",
                "severity": "error",
                "object": "trigger users.update_users_updated_at",
                "expected": "BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()",
                "found": None,
                "remedy": "python runner.py migrate puts it back, unless HEAL=off",
            },
            {
                "kind": "missing",
                "severity": "warning",
                "object": "index users.idx_users_role",
                "expected": "USING btree (role)",
                "found": None,
                "remedy": "python runner.py migrate puts it back, unless HEAL=off",
            },
            {
                "kind": "extra",
                "severity": "notice",
                "object": "column users.email",
                "expected": None,
                "found": "text",
                "remedy": "nothing to do: it is left alone",
            },
        ]
        assert result.returncode == 1
        assert errors_in(result) == ["The schema is not the one that this version needs"]

    def test_of_nothing_worse_than_a_warning_is_ok(self, migrated, run_runner):
        migrated.execute(f"{INDEX}; ALTER TABLE users ADD email TEXT")
        result = run_runner("verify", "--json", database=migrated)
        assert outcome_of(result)["ok"] is True
        assert (result.returncode, result.stderr) == (0, "")

    def test_stands_alone_when_the_log_is_json_too(self, migrated, run_runner):
        migrated.execute(TRIGGER)
        result = run_runner("verify", "--json", database=migrated, env={"LOG_FORMAT": "json"})
        assert outcome_of(result)["ok"] is False
        assert json.loads(result.stderr)["level"] == "error"

    def test_of_a_database_that_is_not_there_is_none(self, server, run_runner):
        result = run_runner("verify", "--json", database=server.url("no_such_database"))
        assert (result.returncode, result.stdout) == (5, "")


class TestThePlainText:
    def test_of_a_healthy_schema_is_one_line(self, migrated, run_runner):
        assert run_runner("verify", database=migrated).stdout == "The schema public is as expected\n"

    def test_names_what_was_expected_what_was_found_and_what_to_do(self, migrated, run_runner):
        migrated.execute(f"{INDEX}; {COLUMN}; ALTER TABLE users ADD a INTEGER, ADD b INTEGER")
        result = run_runner("verify", database=migrated)
        assert result.stdout.splitlines() == [
            "error: changed column projects.status: expected character varying(20) NOT NULL"
            " DEFAULT 'active'::character varying, found character varying(20) NOT NULL."
            " Remedy: ALTER TABLE public.projects ALTER COLUMN status SET DEFAULT 'active'::character varying",
            "warning: missing index users.idx_users_role: expected USING btree (role)."
            " Remedy: python runner.py migrate puts it back, unless HEAL=off",
            "notice: extra column users.a: found integer. Remedy: nothing to do: it is left alone",
            "notice: extra column users.b: found integer. Remedy: nothing to do: it is left alone",
            "The schema public differs: 1 error, 1 warning, 2 notices",
        ]
        assert result.returncode == 1

    def test_keeps_to_one_line_what_the_database_prints_on_several(self, migrated, run_runner):
        migrated.execute("ALTER TABLE users ADD CHECK (CASE WHEN is_active THEN role <> '' ELSE true END)")
        lines = run_runner("verify", database=migrated).stdout.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("warning: extra check users.users_check: found CHECK ( CASE ")

    def test_counts_what_does_not_stop_a_start(self, migrated, run_runner):
        migrated.execute(INDEX)
        result = run_runner("verify", database=migrated)
        assert result.stdout.splitlines()[-1] == "The schema public is as expected: 1 warning"
        assert result.returncode == 0


class TestNarrowing:
    @pytest.fixture
    def damaged(self, migrated):
        migrated.execute(f"{INDEX}; {TRIGGER}; {COLUMN}; DROP TABLE invoice_items; DROP INDEX idx_tasks_status")
        return migrated

    @pytest.mark.parametrize(
        ("arguments", "objects", "code"),
        [
            (["users", "--only", "index"], ["index users.idx_users_role"], 0),
            (["--only", "index", "users"], ["index users.idx_users_role"], 0),
            (["users"], ["trigger users.update_users_updated_at", "index users.idx_users_role"], 1),
            (["tasks", "projects"], ["column projects.status", "index tasks.idx_tasks_status"], 1),
            (["--only", "column"], ["table invoice_items", "column projects.status"], 1),
            (["--only", "foreign key"], ["table invoice_items"], 1),
            (["invoice_items", "--only", "index"], ["table invoice_items"], 1),
            (["analytics"], [], 0),
        ],
    )
    @pytest.mark.only_pg("pg18")
    def test_to_tables_and_to_a_type(self, damaged, run_runner, arguments, objects, code):
        result = run_runner("verify", *arguments, "--json", database=damaged)
        assert objects_in(result) == objects
        assert result.returncode == code
        assert outcome_of(result)["ok"] is (code == 0)

    def test_to_a_table_of_somebody_else(self, migrated, run_runner):
        migrated.execute("CREATE TABLE mine (id INTEGER)")
        assert objects_in(run_runner("verify", "mine", "--json", database=migrated)) == ["table mine"]

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["userz"], "verify: there is no table userz in the schema public"),
            (["userz", "users", "taks"], "verify: there is no table taks, userz in the schema public"),
            (["--only", "indices"], "argument --only: invalid choice: 'indices'"),
        ],
    )
    @pytest.mark.only_pg("pg18")
    def test_to_what_is_unknown_is_a_usage_error(self, migrated, run_runner, arguments, problem):
        result = run_runner("verify", *arguments, database=migrated)
        assert errors_in(result)[0].startswith(problem)
        assert (result.returncode, result.stdout, len(errors_in(result))) == (2, "", 1)


def test_an_empty_database_lacks_every_table_and_is_left_empty(database, run_runner):
    before = contents_of(database)
    result = run_runner("verify", "--json", database=database)
    assert result.returncode == 1
    assert objects_in(result) == [
        "table adoption_report",
        "table analytics",
        "table app_secrets",
        "table company_logo",
        "table deleted_time_entries",
        "table display_preferences",
        "table invoice_items",
        "table invoices",
        "table migration_hashes",
        "table projects",
        "table settings",
        "table sign_in_credentials",
        "table sign_in_failures",
        "table sign_in_invitations",
        "table sign_in_sessions",
        "table startup_marks",
        "table submitted_forms",
        "table tasks",
        "table time_entries",
        "table users",
        "function archive_column(text,text)",
        "function archive_for(regclass)",
        "function archive_table(text)",
        "function credited_minutes(timestamp without time zone,timestamp without time zone,bigint,"
        "timestamp without time zone)",
        "function drop_invalid_index(text)",
        "function in_archive(text)",
        "function keep_for_the_app(regclass)",
        "function unarchive_column(text,text)",
        "function unarchive_table(text)",
        "function update_updated_at_column()",
        "function validate_constraint(regclass,name)",
    ]
    assert contents_of(database) == before


def test_it_changes_nothing_and_takes_no_transaction_id(migrated, run_runner):
    migrated.execute(f"{INDEX}; {TRIGGER}; ALTER SEQUENCE users_id_seq RESTART")
    next_id = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
    before, contents = migrated.query(next_id), contents_of(migrated)
    for arguments in (["verify"], ["verify", "--json"], ["verify", "users"]):
        assert run_runner(*arguments, database=migrated).returncode == 1
    assert contents_of(migrated) == contents
    assert migrated.query(next_id) == before


def test_it_waits_for_nobody_who_writes(migrated, run_runner):
    with closing(migrated.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("LOCK TABLE users, projects, _yoyo_migration IN EXCLUSIVE MODE")
        assert run_runner("verify", database=migrated).returncode == 0


def statements_of(remedy: str) -> list[str]:
    """Return the statements of a remedy; those of an index must not share a message, which is a transaction."""
    return remedy.partition(" -- ")[0].split("; ") if "CONCURRENTLY" in remedy else [remedy]


@pytest.mark.only_pg("pg18")
def test_the_remedy_of_an_index_does_not_stall_who_writes(migrated):
    migrated.execute("DROP INDEX idx_tasks_status; CREATE INDEX idx_tasks_status ON tasks (priority)")
    with closing(migrated.connect()) as connection, connection.cursor() as cursor:
        (difference,) = verify(connection).differences
        drop, create = statements_of(difference.remedy)
        assert drop == "DROP INDEX CONCURRENTLY public.idx_tasks_status"
        assert create.startswith("CREATE INDEX CONCURRENTLY idx_tasks_status ON public.tasks ")
        cursor.execute(drop)
        cursor.execute(create)
        assert verify(connection).differences == []


class TestASchemaOfItsOwn:
    @pytest.fixture
    def moved(self, database, run_runner):
        """The tables lie in "My Schema"; public and another schema hold damaged ones of the same names."""
        database.execute('CREATE SCHEMA "My Schema"; CREATE SCHEMA other')
        database.execute(f'ALTER DATABASE {database.name} SET search_path = "My Schema"')
        result = run_runner("migrate", database=database)
        assert result.returncode == 0, result.stderr
        for schema in ("public", "other"):
            database.execute(f"""
                CREATE TABLE {schema}.users (id BIGSERIAL, mail TEXT NOT NULL);
                INSERT INTO {schema}.users VALUES (7, 'alice');
                CREATE INDEX idx_users_role ON {schema}.users (mail);
                CREATE RULE nothing AS ON DELETE TO {schema}.users DO INSTEAD NOTHING;
                CREATE FUNCTION {schema}.update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN END';
            """)
        return database

    def test_is_verified_and_named(self, moved, run_runner):
        outcome = outcome_of(run_runner("verify", "--json", database=moved))
        assert (outcome["schema"], outcome["differences"], outcome["ok"]) == ("My Schema", [], True)

    def test_is_what_the_remedies_mend_whatever_the_search_path(self, moved):
        moved.execute("""
            ALTER TABLE users ALTER role DROP DEFAULT, ALTER is_active DROP NOT NULL;
            ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
            ALTER TABLE users DROP CONSTRAINT users_username_key;
            ALTER SEQUENCE users_id_seq RESTART;
            ALTER SEQUENCE projects_id_seq OWNED BY NONE;
            DROP INDEX idx_users_role;
            CREATE INDEX idx_users_role ON users (username);
            CREATE RULE nothing AS ON DELETE TO users DO INSTEAD NOTHING;
        """)
        with closing(moved.connect()) as connection, connection.cursor() as cursor:
            differences = verify(connection).differences
            assert len(differences) == 8
            cursor.execute("SET search_path = public")
            for difference in differences:
                for statement in statements_of(difference.remedy):
                    cursor.execute(statement)
            cursor.execute("RESET search_path")
            assert verify(connection).differences == []


class TestDamagedBookkeeping:
    """Verification reads these tables itself: it tells of the damage, and does not fail on it."""

    @pytest.mark.parametrize(
        ("damage", "object"),
        [
            ("ALTER TABLE startup_marks DROP value", "column startup_marks.value"),
            ("ALTER TABLE startup_marks ALTER value TYPE BYTEA USING value::BYTEA", "column startup_marks.value"),
            ("ALTER TABLE migration_hashes DROP raw_sha256", "column migration_hashes.raw_sha256"),
            ("DROP TABLE startup_marks", "table startup_marks"),
            ("DROP TABLE app_secrets", "table app_secrets"),
            ("ALTER TABLE settings DROP id CASCADE", "column settings.id"),
            ("ALTER TABLE invoice_items ALTER id TYPE NUMERIC", "column invoice_items.id"),
        ],
    )
    @pytest.mark.only_pg("pg18")
    def test_is_told(self, migrated, run_runner, damage, object):
        migrated.execute(damage)
        result = run_runner("verify", "--json", database=migrated)
        assert object in objects_in(result)
        assert result.returncode == 1

    def test_in_the_rows_is_no_obstacle(self, migrated, run_runner):
        """The highest id may be no number at all."""
        migrated.execute("""
            ALTER TABLE invoice_items ALTER id TYPE NUMERIC;
            INSERT INTO invoice_items (id, description, unit_price, total_amount) VALUES ('NaN', 'Weeding', 1, 1);
        """)
        result = run_runner("verify", "--json", database=migrated)
        assert objects_in(result) == ["column invoice_items.id"]

    def test_of_yoyo_is_not_the_schemas(self, migrated, run_runner):
        migrated.execute("ALTER TABLE _yoyo_migration RENAME migration_id TO id")
        assert run_runner("verify", database=migrated).returncode == 0


def test_it_leaves_the_connection_as_it_was(migrated):
    with closing(migrated.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path = public, pg_temp")
        assert verify(connection).ok
        assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ("public, pg_temp",)


# As pg_get_indexdef() does where an index is dropped between the snapshot of a statement and its turn; a sequence does
# not go back with what failed.
GONE_MEANWHILE = """
CREATE SEQUENCE attempts;
CREATE FUNCTION meanwhile() RETURNS BIGINT LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('attempts') < {} THEN
        RAISE 'cache lookup failed for attribute 1 of relation 4711' USING ERRCODE = 'internal_error';
    END IF;
    RETURN currval('attempts');
END;
$$;
"""


@pytest.mark.parametrize("attempt", [1, 2, 5])
def test_what_is_dropped_while_it_is_read_is_asked_for_again(database, attempt):
    database.execute(GONE_MEANWHILE.format(attempt))
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        assert ask(cursor, "SELECT meanwhile()") == [(attempt,)]


@pytest.mark.parametrize("attempt", [1, 5])
def test_within_a_transaction_too_and_what_that_has_done_stays_and_goes_on_as_one(database, attempt):
    database.execute(GONE_MEANWHILE.format(attempt))
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN; CREATE TABLE made_before (id INTEGER)")
        assert ask(cursor, "SELECT meanwhile()") == [(attempt,)]
        cursor.execute("INSERT INTO made_before VALUES (7) RETURNING xmin = pg_current_xact_id()::xid")
        assert cursor.fetchall() == [(True,)]  # no savepoint is left
        cursor.execute("COMMIT")
    assert database.query("SELECT id FROM made_before") == [(7,)]


def test_a_catalog_that_cannot_be_read_is_not_asked_for_ever(database):
    database.execute(GONE_MEANWHILE.format(1000))
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        with pytest.raises(InternalError_, match="cache lookup failed"):
            ask(cursor, "SELECT meanwhile()")
        assert database.query("SELECT nextval('attempts')") == [(6,)]
