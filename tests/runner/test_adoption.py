"""A database of the predecessor: adopted as a whole in one transaction, or left as it was."""

import contextlib
import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from adoption.traits import BASE
from background import running
from blocking import lines_with, transaction
from installation import (
    MIGRATIONS,
    ROOT,
    WAITING,
    contents_of,
    errors_in,
    held_up,
    migration_files,
    read_until,
    wait_for,
    yoyo,
)
from psycopg2.errors import LockNotAvailable

BUILDS = [path.stem for path in migration_files() if "-- transactional: false" in path.read_text("ascii")]
TRANSACTIONAL = [id for id in MIGRATIONS if id not in BUILDS]
OLD = "tests/legacy/04-v105-sql-4tables.sql"
EMPTY = "tests/legacy/13-v121-half-init-empty.sql"
CLOSING = "The database was not adopted, and nothing in it was changed"
LOCKED = "FROM pg_locks WHERE locktype = 'advisory' AND granted"
# In the middle of an adoption: after what 0001 to the last transactional file do, before the proof.
WAITS = "SET LOCAL lock_timeout = 0;\nSELECT pg_advisory_xact_lock(42);\n"
HELD_BY_THE_ADOPTION = "FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
RELATIONS = "SELECT count(*) FROM pg_class"
# Something of each kind that is reported.
OF_EACH_KIND = """
CREATE TABLE clients (id SERIAL PRIMARY KEY, name VARCHAR(200));
CREATE TABLE extra ();
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.tags := ''touched''; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER always BEFORE UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER off BEFORE UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE time_entries ENABLE ALWAYS TRIGGER always, DISABLE TRIGGER off;
ALTER TABLE projects ADD client_id INTEGER, ALTER client DROP NOT NULL;
ALTER TABLE time_entries ADD duration INTERVAL, ADD kind TEXT NOT NULL, ALTER billable DROP NOT NULL,
    ALTER billable DROP DEFAULT, DROP source, DROP CONSTRAINT time_entries_task_id_fkey,
    DROP CONSTRAINT time_entries_user_id_fkey;
ALTER TABLE time_entries RENAME notes TO description;
ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_fkey, ADD FOREIGN KEY (project_id) REFERENCES projects (id),
    ALTER estimated_hours TYPE DOUBLE PRECISION;
ALTER TABLE users DROP CONSTRAINT users_username_key;
DROP TABLE invoice_items;
DROP INDEX idx_projects_status;
CREATE INDEX idx_projects_status ON projects (name);
ALTER INDEX idx_projects_client RENAME TO ix_projects_client;
INSERT INTO clients (name) VALUES ('a client');
INSERT INTO users (username) VALUES ('anna');
INSERT INTO projects (id, name, client, client_id)
    VALUES (1, 'General', 'another', 1), (2, 'General', NULL, 1), (3, 'mine', NULL, NULL);
INSERT INTO tasks (id, project_id, name, created_by, estimated_hours) VALUES (1, 1, 'a', 1, 1500.5);
INSERT INTO settings (timezone) VALUES ('Europe/Brussels'), ('Europe/Rome');
INSERT INTO time_entries (id, user_id, start_time, task_id, billable, duration, kind)
    VALUES (1, 404, '2025-01-01 09:00', 404, NULL, '1 hour', 'k'), (2, 1, '2025-01-01 09:00', 1, true, NULL, 'k');
"""
FOUND = [
    "schema public: a TimeTracker database with 6 of 7 tables, made by SQL, with a table of clients",
    "table invoices, 0 rows: columns id, invoice_number, project_id, ",
    "table projects, 3 rows: columns id, name, client, ",
    "table settings, 2 rows: columns id, timezone, ",
    "table tasks, 1 row: columns id, project_id, ",
    "table time_entries, 2 rows: columns id, user_id, ",
    "table users, 1 row: columns id, username, ",
]
REPORT = [
    "column time_entries.notes: renamed from description",
    "index projects.idx_projects_client: renamed from ix_projects_client",
    "index projects.idx_projects_status: what bore the name is called idx_projects_status_as_found now",
    "column time_entries.kind: may be empty now",
    "column tasks.estimated_hours, 1 row: double precision became numeric, not numeric(5,2)",
    "column projects.id: the sequence goes on with 4; it stood at 0",
    "column tasks.id: the sequence goes on with 2; it stood at 0",
    "column time_entries.id: the sequence goes on with 3; it stood at 0",
    "column time_entries.duration_seconds, 1 row: filled from duration",
    "column projects.client, 1 row: filled from clients.name",
    "column projects.client, 1 row: filled from nothing",
    "column time_entries.task_id, 1 row: emptied, as there is no such task (id 1); the numbers are kept in ",
    "table invoice_items: made",
    "table time_entries: columns made, as there were none: source",
    "column time_entries.billable, 1 row: was empty, and has the default now (id 1)",
    "key of invoice_items FOREIGN KEY (invoice_id) REFERENCES invoices(id) ON DELETE CASCADE: made",
    "key of tasks FOREIGN KEY (project_id) REFERENCES projects(id): taken away",
    "key of tasks FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE: made",
    "key of time_entries FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE SET NULL: made",
    "key of time_entries FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE NOT VALID: made",
    "key of users UNIQUE (username): made",
    "other tables: clients, extra: TimeTracker does not use them",
    "table time_entries, 2 rows: start_time and end_time are read as UTC, and were not shifted.",
    "column projects.client, 1 row: it differs from the name in the table clients, and was kept (id 1)",
    "column projects.client, 1 row: no client was known",
    "foreign key time_entries.user_id, 1 row: what these rows refer to is not in users (id 1).",
    "table settings, 1 row: TimeTracker uses the row with the lowest id and never looks at the others (id 2).",
    "table projects, 1 row: there are several projects called General, one more of each start",
]
IDENTITY = """
ALTER TABLE {table} ALTER id DROP DEFAULT;
DROP SEQUENCE {table}_id_seq;
ALTER TABLE {table} ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
"""
REFUSES = """\
DO $$
BEGIN
    IF EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value <> 'nothing to adopt') THEN
        INSERT INTO adoption_report (step, object, rows, detail) VALUES ('in the way', 'users.username', 2, 'empty');
        RAISE EXCEPTION USING ERRCODE = 'TT001', MESSAGE = '2 things stand in the way of the adoption', DETAIL =
            E'users.username: nobody knows the name (id 3, 5). To see them: SELECT 1\\n'
            'invoices.due_date: nobody knows the date (id 7). To see them: SELECT 2';
    END IF;
END;
$$;
"""
REPORTS = """\
INSERT INTO adoption_report (step, object, rows, detail) VALUES
    ('to decide', 'settings', 2, 'the row with the lowest id counts'),
    ('found', 'table users', 1, 'SQL-born'),
    ('done', 'column users.role', 3, 'filled'),
    ('left alone', 'table extra', NULL, 'it is nobody''s');
"""


@pytest.fixture
def old(database, load_sql):
    """A database of the predecessor with rows in it."""
    load_sql(database, OLD)
    return database


def is_adopted(result) -> bool:
    return result.returncode == 0 and "Adopted the database" in result.stderr and "Verified the schema" in result.stderr


def is_refused(result) -> bool:
    return result.returncode == 6 and CLOSING in errors_in(result)[-1]


def transactions_of(database) -> int:
    """Return in how many transactions the applied migrations were marked."""
    return database.query("SELECT count(DISTINCT xmin::text) FROM migration_hashes")[0][0]


@pytest.mark.parametrize("file", [OLD, EMPTY])
class TestAnAdoption:
    def test_marks_every_file_as_yoyo_would_and_is_not_done_twice(self, database, run_runner, load_sql, file):
        load_sql(database, file)
        assert is_adopted(result := run_runner("migrate", database=database))
        assert re.findall(r"Applied (\d{4}-\S+)", result.stderr) == [*TRANSACTIONAL, *BUILDS]
        assert yoyo(database, "apply", "--batch").returncode == 0
        settled = contents_of(database)
        result = run_runner("migrate", database=database)
        assert result.returncode == 0
        assert "Adopt" not in result.stderr
        assert contents_of(database) == settled

    def test_leaves_no_lock_behind(self, database, run_runner, load_sql, file):
        load_sql(database, file)
        assert is_adopted(run_runner("migrate", database=database))
        assert database.query("SELECT FROM yoyo_lock") == []
        assert database.query(f"SELECT {LOCKED}") == []

    def test_that_is_rehearsed_changes_nothing(self, database, run_runner, load_sql, file):
        load_sql(database, file)
        before = contents_of(database)
        result = run_runner("plan", database=database)
        assert result.returncode == 0, result.stderr
        assert "All in one transaction, which would begin with ACCESS EXCLUSIVE locks on projects, " in result.stdout
        assert re.findall(r"^(\d{4}-\S+): would be applied", result.stdout, re.MULTILINE) == MIGRATIONS
        after = contents_of(database)
        # Where an index was built and rolled back, the table keeps the count of its rows for the planner.
        assert {name for name in after if after[name] != before.get(name)} <= {"pg_catalog.pg_class"}
        assert after.keys() == before.keys()


@pytest.mark.only_pg("pg18")
class TestOneTransaction:
    def test_holds_every_transactional_file_the_marks_and_the_defaults(self, database, run_runner, load_sql):
        load_sql(database, EMPTY)
        assert is_adopted(run_runner("migrate", database=database))
        # now() is when the transaction began.
        moments = database.query(
            "SELECT recorded_at FROM migration_hashes WHERE migration_id !~ 'optional|-index-time-entries-'"
            " UNION SELECT marked_at FROM startup_marks"
            " UNION SELECT created_at FROM app_secrets"
            " UNION SELECT created_at FROM users"
        )
        assert len(moments) == 1

    def test_gives_the_settings_of_the_environment_to_no_row_that_was_there(self, old, run_runner):
        before = old.query("SELECT currency FROM settings")
        assert before == [("CHF",)]
        assert is_adopted(run_runner("migrate", database=old, env={"CURRENCY": "USD"}))
        assert old.query("SELECT currency FROM settings") == before
        assert old.query("SELECT name FROM startup_marks WHERE name = 'defaults'") == [("defaults",)]

    def test_gives_the_settings_of_the_environment_to_a_row_of_its_own(self, database, run_runner, load_sql):
        load_sql(database, EMPTY)
        assert is_adopted(run_runner("migrate", database=database, env={"CURRENCY": "USD", "ADMIN_USERNAMES": "carol"}))
        assert database.query("SELECT currency FROM settings") == [("USD",)]
        assert database.query("SELECT id, username FROM users") == [(1, "carol")]

    def test_gives_a_database_with_projects_and_no_user_an_administrator_only(self, database, run_runner, load_sql):
        load_sql(database, EMPTY)
        database.execute("INSERT INTO projects (name) VALUES ('Garden')")
        assert is_adopted(run_runner("migrate", database=database))
        assert database.query("SELECT name FROM projects") == [("Garden",)]
        assert database.query("SELECT username, role FROM users") == [("admin", "admin")]

    def test_of_the_file_that_fails_leaves_nothing(self, old, installation):
        before = contents_of(old)
        id = installation.add("example", "CREATE TABLE made (id INTEGER);\nSELECT 1 / (id - id) FROM users;\n")
        result = installation.run("migrate", database=old)
        assert is_refused(result)
        assert errors_in(result)[0] == (f"{id} failed: division by zero. Statement: SELECT 1 / (id - id) FROM users;")
        assert without_statistics(contents_of(old)) == without_statistics(before)

    def test_is_rolled_back_where_the_proof_fails(self, old, installation):
        before = contents_of(old)
        installation.add("example", "ALTER TABLE users ALTER role DROP NOT NULL;\nALTER TABLE tasks DROP name;\n")
        result = installation.run("migrate", database=old)
        assert is_refused(result)
        assert len(errors_in(result)) == 3
        assert errors_in(result)[0].startswith("missing column tasks.name: expected character varying(200) NOT NULL.")
        assert "ALTER COLUMN role SET NOT NULL" in errors_in(result)[1]
        assert without_statistics(contents_of(old)) == without_statistics(before)

    def test_moves_no_sequence_where_the_defaults_are_refused(self, database, installation, load_sql):
        load_sql(database, EMPTY)
        database.execute("ALTER TABLE projects ADD CHECK (name <> 'General')")
        before = contents_of(database)
        result = installation.run("migrate", database=database)
        assert is_refused(result)
        assert "The defaults could not be inserted" in errors_in(result)[0]
        assert without_statistics(contents_of(database)) == without_statistics(before)

    @pytest.mark.parametrize("numbered", ["", IDENTITY], ids=["serial", "identity"])
    def test_moves_no_sequence_where_the_last_default_is_refused(self, database, installation, load_sql, numbered):
        load_sql(database, EMPTY)
        database.execute("CREATE TABLE settings (id SERIAL PRIMARY KEY, currency TEXT CHECK (currency <> 'EUR'))")
        for table in ("users", "projects", "settings"):
            database.execute(numbered.format(table=table) or "SELECT")
        before = contents_of(database)
        result = installation.run("migrate", database=database)
        assert is_refused(result)
        assert "The defaults could not be inserted" in errors_in(result)[0]
        assert without_statistics(contents_of(database)) == without_statistics(before)

    def test_keeps_a_database_whose_deferred_key_would_refuse_the_end(self, old, installation):
        id = installation.add(
            "example",
            "CREATE TABLE made (id INTEGER REFERENCES users DEFERRABLE INITIALLY DEFERRED);\n"
            "INSERT INTO made VALUES (99);\n",
        )
        result = installation.run("migrate", database=old)
        assert is_refused(result)
        assert errors_in(result)[0].startswith(f"{id} failed: insert or update on table")
        assert 'violates foreign key constraint "made_id_fkey"' in errors_in(result)[0]

    def test_is_not_for_a_database_that_has_only_lost_its_ledger(self, migrated, run_runner):
        migrated.execute("DROP TABLE _yoyo_migration, _yoyo_log, _yoyo_version")
        result = run_runner("migrate", database=migrated)
        assert result.returncode == 0
        assert "Adopted" not in result.stderr
        assert re.findall(r"Applied (\d{4}-\S+)", result.stderr) == MIGRATIONS


def without_statistics(contents) -> dict:
    """Leave out where CREATE INDEX notes the number of rows for the planner, which no rollback takes back."""
    return {name: checksum for name, checksum in contents.items() if name != "pg_catalog.pg_class"}


class TestARefusal:
    def test_leaves_the_database_byte_for_byte_as_it_was(self, database, run_runner, load_sql):
        load_sql(database, "tests/legacy/22-dirty-rows-near-target.sql")
        before, relations = contents_of(database), database.query(RELATIONS)
        for command in ("plan", "migrate", "serve"):
            assert is_refused(run_runner(command, database=database))
        assert contents_of(database) == before
        assert database.query(RELATIONS) == relations

    @pytest.mark.only_pg("pg18")
    @pytest.mark.parametrize("command", ["plan", "migrate"])
    def test_says_each_thing_that_stands_in_the_way_in_a_line_of_its_own(self, old, installation, command):
        before = contents_of(old)
        installation.add("reports", REPORTS)
        installation.add("refuses", REFUSES)
        result = installation.run(command, database=old)
        assert is_refused(result)
        assert errors_in(result)[:-1] == [
            "users.username: nobody knows the name (id 3, 5). To see them: SELECT 1",
            "invoices.due_date: nobody knows the date (id 7). To see them: SELECT 2",
        ]
        told = [line for line in lines_with(result.stderr, "Adoption, ") if "users, 1 row" in line]
        assert told == ["Adoption, found: table users, 1 row: SQL-born"]
        assert "to decide" not in result.stderr
        assert without_statistics(contents_of(old)) == without_statistics(before)

    @pytest.mark.only_pg("pg18")
    def test_is_over_once_the_rows_are_mended(self, old, installation):
        id = installation.add("refuses", REFUSES)
        assert is_refused(installation.run("migrate", database=old))
        (installation.sql / f"{id}.sql").write_text("SELECT 1;\n")
        assert is_adopted(installation.run("migrate", database=old))


@pytest.mark.only_pg("pg18")
class TestATableOfAnotherProgramWithANameOfOurs:
    """Those of the document are adopted; the others would be filled with rows of two programs."""

    FOREIGN = "CREATE TABLE submitted_forms (id UUID PRIMARY KEY, form TEXT NOT NULL)"
    PROBLEM = "error: A table submitted_forms is there, and is not TimeTracker's: expected none of that name, or one"
    REMEDY = "ALTER TABLE public.submitted_forms RENAME TO submitted_forms_of_others"
    OTHERWISE = "where another program needs that name, give TimeTracker a database of its own"

    @pytest.mark.parametrize("command", ["migrate", "plan"])
    @pytest.mark.parametrize("file", [OLD, None], ids=["the predecessor's", "no tables of TimeTracker"])
    def test_is_named_and_nothing_is_changed(self, database, run_runner, load_sql, file, command):
        if file:
            load_sql(database, file)
        database.execute(self.FOREIGN)
        before = contents_of(database)
        result = run_runner(command, database=database)
        assert result.returncode == 6
        assert self.PROBLEM in result.stderr
        assert f"{self.REMEDY}, or, {self.OTHERWISE}" in result.stderr
        assert contents_of(database) == before

        database.execute(self.REMEDY)
        result = run_runner("migrate", database=database)
        assert result.returncode == 0, result.stderr
        assert ("Adopted the database" in result.stderr) == bool(file)
        assert database.query("SELECT FROM submitted_forms_of_others") == []

    def test_stops_an_upgrade_before_its_first_file(self, database, installation, run_runner):
        released = [file for file in MIGRATIONS if file < "0026"]
        installation.keep(len(released))
        assert yoyo(database, "apply", folder=installation.folder).returncode == 0
        database.execute(self.FOREIGN)
        before = contents_of(database)
        result = run_runner("migrate", database=database)
        assert result.returncode == 6
        assert self.PROBLEM in result.stderr
        assert contents_of(database) == before

    def test_is_taken_for_ours_where_it_has_every_column(self, migrated, run_runner):
        """Somebody has lost the ledger and the marks."""
        migrated.execute("INSERT INTO submitted_forms (token, user_id) SELECT gen_random_uuid(), id FROM users")
        before = migrated.query("SELECT * FROM submitted_forms")
        migrated.execute("DROP TABLE _yoyo_migration, _yoyo_log, _yoyo_version, startup_marks")
        result = run_runner("migrate", database=migrated)
        assert result.returncode == 0, result.stderr
        assert migrated.query("SELECT * FROM submitted_forms") == before

    def test_is_taken_for_ours_where_it_lacks_what_a_later_file_adds(self, migrated, installation):
        """The ledger of an older version was lost."""
        migrated.execute("INSERT INTO submitted_forms (token, user_id) SELECT gen_random_uuid(), id FROM users")
        before = migrated.query("SELECT token FROM submitted_forms")
        migrated.execute("DROP TABLE _yoyo_migration, _yoyo_log, _yoyo_version")
        installation.add("origin", "ALTER TABLE submitted_forms ADD COLUMN IF NOT EXISTS origin TEXT;\n")
        snapshot = installation.sql / "runner" / "schema.txt"
        lines = [*snapshot.read_text("ascii").splitlines(), "column submitted_forms.origin: text"]
        snapshot.write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="ascii")
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 0, result.stderr
        assert migrated.query("SELECT token FROM submitted_forms") == before
        assert migrated.query("SELECT origin FROM submitted_forms") == [(None,)] * len(before)


class TestTheReport:
    def test_is_told_by_the_start_that_adopts_each_step_at_its_level(self, old, installation):
        installation.add("reports", REPORTS)
        result = installation.run("migrate", database=old)
        assert is_adopted(result)
        told = lines_with(result.stderr, "Adoption, ")
        for line in (
            "Adoption, found: table users, 1 row: SQL-born",
            "Adoption, done: column users.role, 3 rows: filled",
            "notice: Adoption, left alone: table extra: it is nobody's",
            "warning: Adoption, to decide: settings, 2 rows: the row with the lowest id counts",
        ):
            assert line in told
        steps = [line.partition("Adoption, ")[2].partition(":")[0] for line in told]
        assert steps == sorted(steps, key=["found", "done", "left alone", "to decide"].index)

    def test_is_printed_again(self, old, installation):
        installation.add("reports", REPORTS)
        assert is_adopted(installation.run("migrate", database=old))
        result = installation.run("report", database=old)
        assert result.returncode == 0
        assert re.match(r"Adopted \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\nFound:\n", result.stdout)
        for text in ("  table users, 1 row: SQL-born\n", "Done:\n", "Left alone:\n  ", "To decide:\n  "):
            assert text in result.stdout

    def test_is_given_to_programs_as_json(self, old, installation):
        installation.add("reports", REPORTS)
        assert is_adopted(installation.run("migrate", database=old))
        printed = json.loads(installation.run("report", "--json", database=old).stdout)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", printed["adopted"])
        assert {"step": "left alone", "object": "table extra", "rows": None, "detail": "it is nobody's"} in printed[
            "report"
        ]

    def test_is_whole_told_by_plan_before_and_kept(self, database, run_runner):
        database.execute(BASE + OF_EACH_KIND)
        triggers = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"
        before = database.query(triggers)
        planned = run_runner("plan", database=database).stdout
        assert is_adopted(run_runner("migrate", database=database))
        kept = run_runner("report", database=database).stdout
        told = [line.strip() for line in kept.splitlines() if line.startswith("  ")]
        assert [line.strip() for line in planned.splitlines() if line.startswith("  ")] == told
        found, rest = told[: len(FOUND)], told[len(FOUND) :]
        for lines, expected in ((found, FOUND), (rest, REPORT)):
            assert [line[: len(begin)] for line, begin in zip(lines, expected, strict=True)] == expected
        assert database.query(triggers) == before
        assert database.query(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true) FROM pg_index"
            " WHERE indrelid = 'projects'::regclass ORDER BY 1"
        ) == [
            ("idx_projects_client", "client"),
            ("idx_projects_status", "status"),
            ("idx_projects_status_as_found", "name"),
            ("projects_pkey", "id"),
        ]
        assert database.query("SELECT DISTINCT tags FROM time_entries") == [(None,)]
        assert database.query("TABLE public_archive.adoption_task_ids") == [(1, 404)]
        assert database.query("SELECT id, start_time::text, start_is_utc FROM public_archive.adoption_times") == [
            (1, "2025-01-01 09:00:00", False),
            (2, "2025-01-01 09:00:00", False),
        ]
        assert database.query("SELECT id, client FROM projects ORDER BY id") == [
            (1, "another"),
            (2, "a client"),
            (3, "Default Client"),
        ]
        assert database.query("SELECT name FROM startup_marks WHERE name LIKE 'adoption%' ORDER BY name") == [
            ("adoption",),
            ("adoption time zone",),
        ]

    def test_would_be_the_same_of_a_rehearsal(self, old, installation):
        installation.add("reports", REPORTS)
        result = installation.run("plan", database=old)
        assert result.returncode == 0
        for text in ("Found:\n", "Would be done:\n", "  column users.role, 3 rows: filled\n", "To decide:\n"):
            assert text in result.stdout
        assert "There is no backup" in result.stdout

    def test_of_a_database_that_was_not_adopted_is_one_line(self, migrated, database, run_runner):
        for lent in (migrated, database):
            result = run_runner("report", database=lent)
            assert (result.returncode, result.stdout.count("\n")) == (0, 1)
            assert result.stdout.startswith("Nothing was adopted here")
            printed = json.loads(run_runner("report", "--json", database=lent).stdout)
            assert printed == {"adopted": False, "report": []}

    def test_is_readable_by_whom_it_is_granted(self, server, old, run_runner):
        assert is_adopted(run_runner("migrate", database=old))
        server.create_role("bob")
        try:
            result = run_runner("report", database=old.url_as("bob"))
            assert result.returncode == 5
            (problem,) = errors_in(result)
            old.execute(problem.rpartition(": ")[2])
            assert run_runner("report", database=old.url_as("bob")).stdout.startswith("Adopted ")
        finally:
            old.execute("DROP OWNED BY bob", user="postgres")
            server.execute("DROP ROLE bob")

    @pytest.mark.parametrize("count", [3, 4, 6, 19])
    def test_is_the_same_of_an_adoption_that_was_begun_by_hand(self, database, installation, run_runner, count):
        database.execute(BASE + OF_EACH_KIND)
        installation.keep(count)
        assert yoyo(database, "apply", "--batch", folder=installation.folder).returncode == 0
        kept = run_runner("report", database=database).stdout
        assert kept.startswith("An adoption was begun by hand and is not done: python runner.py migrate") == (count > 3)
        result = run_runner("migrate", database=database)
        assert result.returncode == 0, result.stderr
        kept = run_runner("report", database=database).stdout
        assert kept.startswith("Adopted ")
        told = [line.strip() for line in kept.splitlines() if line.startswith("  ")]
        expected = FOUND + REPORT
        assert [line[: len(begin)] for line, begin in zip(told, expected, strict=True)] == expected
        assert database.query("SELECT proname FROM pg_proc WHERE proname LIKE 'adoption%'") == []


@pytest.mark.only_pg("pg18")
class TestBesideOthers:
    def test_one_of_a_crowd_adopts_and_the_others_go_on(self, old, tmp_path):
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(running("migrate", old.url, tmp_path / f"{n}.log")) for n in range(8)]
            assert [runner.ends() for runner in crowd] == [0] * 8
        assert sum("Adopted the database" in "\n".join(runner.lines) for runner in crowd) == 1
        assert old.query("SELECT FROM yoyo_lock") == []

    def test_it_gives_way_to_a_reader_and_names_him(self, old, tmp_path):
        beside = running("migrate", old.url, tmp_path / "log")
        with transaction(old, "SELECT FROM time_entries") as reader, beside as runner:
            # In the first try, or in a later one where it was over before the machine came to look.
            line = runner.says("holds ACCESS SHARE on time_entries")
            assert "Held up while adopting the database" in line
            assert "psql" in line
            old.execute("INSERT INTO users (username) VALUES ('latecomer')")
            reader.execute("ROLLBACK")
            assert runner.ends() == 0
        assert old.query("SELECT role FROM users WHERE username = 'latecomer'") == [("user",)]

    @pytest.mark.parametrize("statement", ["SELECT FROM time_entries", "INSERT INTO users (username) VALUES ('late')"])
    def test_nobody_reads_or_writes_from_its_beginning(self, old, installation, statement):
        first = installation.sql / f"{installation.ids[0]}.sql"
        first.write_text(first.read_text() + WAITS)
        with held_up(old) as let_go, installation.start("migrate", database=old) as process:
            wait_for(lambda: old.query(f"SELECT {WAITING}"))
            with pytest.raises(LockNotAvailable):
                old.execute(f"SET lock_timeout = '100ms'; {statement}")
            let_go()
            assert process.wait(60) == 0

    def test_it_ends_where_the_reader_stays(self, old, installation):
        # Its one try lasts until a busy machine sees him.
        installation.edit("startup/adoption.py", "lock_timeout = '1s'", "lock_timeout = '5s'")
        before = contents_of(old)
        with transaction(old, "SELECT FROM time_entries"):
            result = installation.run("migrate", database=old, env={"LOCK_WAIT_SECONDS": "2"})
        assert result.returncode == 6
        (problem,) = errors_in(result)
        assert problem.startswith("The adoption was held up for 2 s and was rolled back: ")
        assert "psql" in problem
        assert contents_of(old) == before

    def test_it_waits_for_a_yoyo_run_by_hand_without_a_trace(self, old, installation):
        old.execute((ROOT / "sql" / "runner" / "yoyo_lock.sql").read_text())
        with contextlib.closing(old.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT '\"_yoyo_log\"'")  # as yoyo's last statement reads
            cursor.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
            cursor.execute("SELECT '\"_yoyo_log\"'")
            before = contents_of(old)
            result = installation.run("migrate", database=old, env={"LOCK_WAIT_SECONDS": "1"})
            assert result.returncode == 7
            assert "a yoyo run by hand holds it (process 4711" in errors_in(result)[0]
            assert contents_of(old) == before
            cursor.execute("DELETE FROM yoyo_lock")
        assert is_adopted(installation.run("migrate", database=old))

    def test_a_dead_row_is_removed_only_by_an_adoption_that_succeeds(self, old, installation):
        old.execute((ROOT / "sql" / "runner" / "yoyo_lock.sql").read_text())
        old.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
        id = installation.add("refuses", REFUSES)
        before = contents_of(old)
        assert is_refused(installation.run("migrate", database=old))
        assert without_statistics(contents_of(old)) == without_statistics(before)
        (installation.sql / f"{id}.sql").unlink()
        result = installation.run("migrate", database=old)
        assert is_adopted(result)
        assert "Removed the lock row of a yoyo run by hand that died (process 4711" in result.stderr

    def test_a_yoyo_by_hand_waits_for_its_end(self, old, installation):
        installation.add("waits", WAITS)
        with held_up(old) as let_go, installation.start("migrate", database=old) as process:
            wait_for(lambda: old.query(f"SELECT {WAITING}"))
            with ThreadPoolExecutor() as beside:
                listed = beside.submit(yoyo, old, "list", folder=installation.folder)
                wait_for(lambda: old.query(f"SELECT {HELD_BY_THE_ADOPTION}"))
                let_go()
            assert process.wait(60) == 0
            assert listed.result().returncode == 0, listed.result().stderr
        assert old.query("SELECT FROM yoyo_lock") == []


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_adoption_that_is_killed_in_the_middle_leaves_nothing_and_the_next_start_arrives(
    old, installation, run_runner, number
):
    before = contents_of(old)
    installation.add("waits", WAITS)
    with held_up(old), installation.start("migrate", database=old) as process:
        wait_for(lambda: old.query(f"SELECT {WAITING}"))
        process.send_signal(number)
        assert process.wait(60) in (-9, 143, 130)
        wait_for(lambda: not old.query(f"SELECT {WAITING}"))
    assert without_statistics(contents_of(old)) == without_statistics(before)
    assert is_adopted(run_runner("migrate", database=old))


@pytest.mark.only_pg("pg18")
def test_an_adoption_whose_connection_is_ended_says_that_it_is_rolled_back(old, installation):
    installation.add("waits", WAITS)
    with held_up(old), installation.start("migrate", database=old) as process:
        wait_for(lambda: old.query(f"SELECT {WAITING}"))
        old.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = %s",
            (old.name,),
        )
        line = read_until(process, "The connection to PostgreSQL was lost during the adoption")
        assert "What was not committed is rolled back" in line
        assert process.wait(60) == 5


@pytest.mark.only_pg("pg18")
def test_the_way_of_migration_database_url_is_taken(server, old, run_runner):
    server.create_role("alice")
    try:
        old.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO alice")
        result = run_runner("migrate", database=old.url_as("alice"), env={"MIGRATION_DATABASE_URL": old.url})
        assert "Adopted the database" in result.stderr
    finally:
        old.execute("DROP OWNED BY alice", user="postgres")
        server.execute("DROP ROLE alice")
