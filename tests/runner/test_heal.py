"""What somebody damaged by hand is put back at the next start, and what cannot be put back is not tried for ever."""

import json
import re
from contextlib import closing

import pytest
from adoption.traits import BASE
from blocking import transaction
from installation import contents_of, errors_in, migration_files, read_until

from startup.verification import verify

NOT_TO_SERVE = {"GUNICORN_CMD_ARGS": "--check-config"}

ERRORS = [
    "DROP TABLE invoice_items",
    "ALTER TABLE time_entries DROP notes",
    "ALTER TABLE settings DROP company_name",
    "ALTER TABLE projects ALTER status DROP DEFAULT",
    "ALTER TABLE settings ALTER timezone SET DEFAULT 'UTC'",
    "ALTER TABLE tasks ALTER name DROP NOT NULL",
    "ALTER TABLE invoices ALTER created_by SET NOT NULL",
    "ALTER TABLE users DROP CONSTRAINT users_username_key",
    "ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey",
    "ALTER TABLE users DISABLE TRIGGER update_users_updated_at",
    "DROP FUNCTION update_updated_at_column CASCADE",
    "ALTER TABLE app_secrets DISABLE ROW LEVEL SECURITY",
]
WARNINGS = ["DROP INDEX idx_tasks_status, idx_users_role"]

# A second user of the name of the first: the unique key cannot come back.
HOPELESS = """
    ALTER TABLE users DROP CONSTRAINT users_username_key;
    INSERT INTO users (username) SELECT username FROM users;
"""
MARK = "SELECT value, marked_at FROM startup_marks WHERE name = 'heal failed'"


@pytest.fixture
def serve(run_runner):
    """Return a function that runs `serve` up to the moment at which it would serve."""

    def run(database, **env: str):
        return run_runner("serve", database=database, env=NOT_TO_SERVE | env)

    return run


@pytest.fixture
def migrate(run_runner):
    def run(database, **env: str):
        return run_runner("migrate", database=database, env=env)

    return run


def differences_of(database) -> list[str]:
    with closing(database.connect()) as connection:
        return [f"{found.severity} {found.object}" for found in verify(connection).differences]


def said(result, text: str) -> list[str]:
    """Return what the lines with this text say, without their time."""
    return [line.partition(" ")[2] for line in result.stderr.splitlines() if text in line]


def rows_of(database, *tables: str) -> dict[str, list]:
    return {table: database.query(f"SELECT * FROM {table} ORDER BY 1") for table in tables}


def fill(database) -> None:
    """Give Alice work: a row in every table, last changed long ago."""
    database.execute("""
        INSERT INTO users (username) VALUES ('alice');
        INSERT INTO projects (name, client, updated_at) VALUES ('Garden', 'Bob', '2024-01-02');
        INSERT INTO tasks (project_id, name, created_by, updated_at) VALUES (2, 'Weeding', 2, '2024-01-02');
        INSERT INTO time_entries (user_id, project_id, task_id, start_time, notes, updated_at)
        VALUES (2, 2, 1, '2024-01-01 08:00', 'Nettles', '2024-01-02');
        INSERT INTO invoices (invoice_number, project_id, client_name, issue_date, due_date, created_by, updated_at)
        VALUES ('INV-1000', 2, 'Bob', '2024-02-01', '2024-03-01', 2, '2024-01-02');
        INSERT INTO invoice_items (invoice_id, description, unit_price, total_amount) VALUES (1, 'Weeding', 1, 1);
        INSERT INTO analytics VALUES ('2024-01-01', 'entries', 1);
    """)


class TestServe:
    def test_heals_many_at_once_and_says_which(self, migrated, serve):
        migrated.execute("; ".join(ERRORS))
        damaged = [found.removeprefix("error ") for found in differences_of(migrated)]
        assert len(damaged) > 12

        result = serve(migrated)
        assert result.returncode == 0, result.stderr
        assert differences_of(migrated) == []
        (line,) = said(result, "Healing ")
        assert line.startswith(f"warning: Healing {len(damaged)} differences by replaying the migrations: ")
        healed = [*said(result, "Healed "), *said(result, "HAD TO BE MADE AGAIN")]
        assert len(healed) == len(damaged)

    def test_leaves_warnings_alone(self, migrated, serve):
        migrated.execute("; ".join(WARNINGS))
        before = contents_of(migrated)
        result = serve(migrated)
        assert result.returncode == 0
        assert said(result, "Healing") == []
        assert contents_of(migrated) == before


class TestMigrate:
    def test_heals_warnings_too(self, migrated, migrate):
        migrated.execute("; ".join(WARNINGS))
        migrated.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_projects_status'::regclass",
            user="postgres",
        )
        result = migrate(migrated)
        assert result.returncode == 0
        assert said(result, "Healed") == [
            "Healed index projects.idx_projects_status",
            "Healed index tasks.idx_tasks_status",
            "Healed index users.idx_users_role",
        ]
        assert differences_of(migrated) == []

    def test_does_not_take_away_what_is_extra(self, migrated, migrate):
        migrated.execute("""
            ALTER TABLE users ADD email TEXT, ADD CHECK (username <> 'root');
            CREATE TABLE mine (id INTEGER);
            CREATE UNIQUE INDEX one_name ON projects (name);
        """)
        before = contents_of(migrated)
        result = migrate(migrated)
        assert said(result, "Heal") == []
        assert contents_of(migrated) == before

    def test_builds_an_index_once_another_has_given_its_name_back(self, migrated, migrate, run_runner):
        migrated.execute("ALTER TABLE tasks RENAME TO old_tasks")
        for _ in range(3):  # also after it was tried in vain
            migrate(migrated)
        named = [line for line in differences_of(migrated) if "index tasks." in line]
        assert len(named) == 4
        for found in json.loads(run_runner("verify", "--json", database=migrated).stdout)["differences"]:
            if found["object"].startswith("index tasks."):
                assert found["found"] == "an index of old_tasks that has the name"
                migrated.execute(found["remedy"])
        result = migrate(migrated)
        assert said(result, "Healed") == [named_as.replace("warning", "Healed") for named_as in named]

    def test_of_a_new_database_heals_nothing(self, database, migrate):
        assert said(migrate(database), "Heal") == []


class TestHealOff:
    def test_only_reports(self, migrated, serve, migrate):
        migrated.execute("; ".join([*ERRORS, *WARNINGS]))
        before = contents_of(migrated)
        for start in (serve, migrate):
            result = start(migrated, HEAL="off")
            assert result.returncode == 1
            assert said(result, "Heal") == []
            assert "missing table invoice_items" in result.stderr
        assert contents_of(migrated) == before


class TestATableThatHadToBeMadeAgain:
    def test_is_announced_with_the_date_at_which_it_was_first_made(self, migrated, serve):
        migrated.execute("UPDATE _yoyo_migration SET applied_at_utc = '2024-01-02 03:04:05.678'")
        migrated.execute("DROP TABLE invoice_items")
        result = serve(migrated)
        assert said(result, "MADE AGAIN") == [
            "warning: TABLE invoice_items WAS MISSING AND HAD TO BE MADE AGAIN, EMPTY; it was first made at"
            " 2024-01-02 03:04:05 UTC by 0013-invoice-items. If it held rows, restore them from a backup"
        ]
        assert result.returncode == 0

    @pytest.mark.parametrize("table", ["settings", "app_secrets", "startup_marks", "migration_hashes"])
    @pytest.mark.only_pg("pg18")
    def test_holds_again_what_every_installation_needs(self, migrated, serve, migrate, table):
        migrated.execute(f"DROP TABLE {table}")
        result = serve(migrated)
        assert result.returncode == 0, result.stderr
        assert len(said(result, f"TABLE {table} WAS MISSING")) == 1
        assert migrated.query(f"SELECT count(*) > 0 FROM {table}") == [(True,)]

        before = contents_of(migrated)
        assert migrate(migrated).returncode == 0
        assert contents_of(migrated) == before

    def test_keeps_the_rows_of_the_others(self, migrated, serve):
        fill(migrated)
        kept = rows_of(migrated, "users", "projects", "tasks", "time_entries", "invoices", "settings")
        migrated.execute("DROP TABLE invoice_items")
        assert serve(migrated).returncode == 0
        assert rows_of(migrated, *kept) == kept


class TestWhatCannotBeHealed:
    def test_is_rolled_back_and_reported_with_its_cause(self, migrated, serve):
        migrated.execute(HOPELESS)
        rows = rows_of(migrated, "users", "_yoyo_migration", "migration_hashes")
        result = serve(migrated)
        assert result.returncode == 1
        assert said(result, "Could not") == ["warning: Could not heal 1 difference: unique users.username"]
        (cause,) = said(result, "Replaying")
        assert cause == (
            "warning: Replaying 0015-unique-keys failed: could not create unique index"
            ' "users_username_key" Key (username)=(admin) is duplicated'
        )
        assert "missing unique users.username" in errors_in(result)[0]
        assert rows_of(migrated, *rows) == rows

    def test_is_not_tried_at_the_next_start(self, migrated, serve, migrate):
        migrated.execute(HOPELESS)
        serve(migrated)
        mark = migrated.query(MARK)
        assert len(mark) == 1

        before = contents_of(migrated)
        for start in (serve, migrate, serve):
            result = start(migrated)
            assert result.returncode == 1
            assert said(result, "Healing 1") == []
            (line,) = said(result, "tried in vain")
            assert line == (
                "notice: Healing unique users.username was tried in vain, and is not tried again until it changes;"
                " once its rows are mended: DELETE FROM public.startup_marks WHERE name = 'heal failed'"
            )
        assert contents_of(migrated) == before

    def test_is_tried_again_when_the_operator_asks_for_it(self, migrated, serve):
        migrated.execute(HOPELESS)
        remedy = re.search(r"once its rows are mended: (.*)", serve(migrated).stderr)[1]
        migrated.execute("DELETE FROM users WHERE id > 1")
        migrated.execute(remedy)
        assert serve(migrated).returncode == 0
        assert differences_of(migrated) == []

    def test_is_mended_by_its_remedy(self, migrated, serve):
        migrated.execute(HOPELESS)
        serve(migrated)
        migrated.execute("DELETE FROM users WHERE id > 1")
        with closing(migrated.connect()) as connection:
            (difference,) = verify(connection).errors
        migrated.execute(difference.remedy)
        assert serve(migrated).returncode == 0

    def test_is_tried_again_when_more_is_damaged(self, migrated, serve):
        migrated.execute(HOPELESS)
        serve(migrated)
        mark = migrated.query(MARK)
        migrated.execute("DROP TABLE analytics")
        result = serve(migrated)
        assert said(result, "Healing 1 difference") == [
            "warning: Healing 1 difference by replaying the migrations: table analytics"
        ]
        assert len(said(result, "TABLE analytics WAS MISSING")) == 1
        assert migrated.query(MARK) == mark
        assert differences_of(migrated) == ["error unique users.username"]

    def test_is_tried_again_when_it_is_damaged_otherwise(self, migrated, serve):
        migrated.execute(
            "ALTER TABLE projects DROP name; DELETE FROM projects; INSERT INTO projects (client) VALUES ('Bob')"
        )
        assert len(said(serve(migrated), "Could not heal 1 difference: column projects.name")) == 1
        migrated.execute("ALTER TABLE projects ADD name VARCHAR(200); UPDATE projects SET name = 'Garden'")
        result = serve(migrated)
        assert said(result, "Healed") == ["Healed column projects.name"]
        assert result.returncode == 0
        assert migrated.query(MARK) == []

    def test_does_not_keep_the_rest_from_being_healed(self, migrated, serve):
        migrated.execute(HOPELESS)
        migrated.execute("DROP TABLE invoice_items; ALTER TABLE projects ALTER status DROP DEFAULT")
        result = serve(migrated)
        assert result.returncode == 1
        assert said(result, "Healed") == ["Healed column projects.status"]
        assert differences_of(migrated) == ["error unique users.username"]

    def test_is_forgotten_when_it_is_gone_and_something_else_is_healed(self, migrated, serve):
        migrated.execute(HOPELESS)
        serve(migrated)
        migrated.execute(
            "DELETE FROM users WHERE id > 1; ALTER TABLE users ADD UNIQUE (username); DROP TABLE analytics"
        )
        assert serve(migrated).returncode == 0
        assert migrated.query(MARK) == []

    def test_is_reported_where_there_is_no_place_to_note_it(self, migrated, serve):
        migrated.execute("ALTER TABLE startup_marks DROP CONSTRAINT startup_marks_pkey, ALTER value TYPE VARCHAR(20)")
        for _ in range(2):
            result = serve(migrated)
            assert result.returncode == 1
            assert len(errors_in(result)) == 3

    def test_warnings_are_remembered_beside_errors(self, migrated, serve, migrate):
        migrated.execute(HOPELESS)
        migrated.execute("DROP INDEX idx_tasks_status; CREATE INDEX idx_tasks_status ON tasks (priority)")
        serve(migrated)
        assert said(migrate(migrated), "Could not heal") == [
            "warning: Could not heal 1 difference: index tasks.idx_tasks_status"
        ]
        before = contents_of(migrated)
        for start in (serve, migrate):
            assert said(start(migrated), "Could not heal") == []
        assert contents_of(migrated) == before


class TestADatabaseOfANewerVersion:
    def test_is_never_healed(self, migrated, serve, migrate):
        migrated.execute("INSERT INTO _yoyo_migration VALUES ('hash', '0099-of-the-future', '2026-01-01')")
        migrated.execute("; ".join([*ERRORS, *WARNINGS]))
        before = contents_of(migrated)
        for start in (serve, migrate):
            result = start(migrated)
            assert result.returncode == 1
            assert said(result, "Heal") == []
            assert "0099-of-the-future is applied, and this version has no such file" in result.stderr
        assert contents_of(migrated) == before


class TestALockThatIsNotToBeHad:
    @pytest.fixture(autouse=True)
    def damaged(self, migrated):
        migrated.execute("ALTER TABLE users ALTER role DROP DEFAULT; ALTER TABLE tasks ALTER status DROP DEFAULT")

    @pytest.fixture
    def longer(self, migrated, installation):
        """An installation whose every try lasts until a busy machine has seen who is in the way."""
        for path in migration_files(installation.sql):
            path.write_text(path.read_text("ascii").replace("lock_timeout = '1s'", "lock_timeout = '5s'"), "ascii")
        migrated.execute("DELETE FROM migration_hashes")  # else these files were edited, and are not replayed
        return installation

    def test_is_waited_for(self, migrated, installation):
        with (
            transaction(migrated, "SELECT FROM users") as reader,
            installation.start("migrate", database=migrated) as start,
        ):
            pid = reader.connection.info.backend_pid
            # The first try, or a later one where it was over before the machine came to look.
            read_until(start, f"Held up while healing by replaying the migrations: pid {pid} (psql, ")
            reader.execute("COMMIT")
            log = start.communicate()[1]
        assert start.returncode == 0, log
        assert differences_of(migrated) == []

    def test_is_tried_again_at_the_next_start(self, migrated, longer, serve):
        with transaction(migrated, "SELECT FROM users") as reader:
            result = longer.run("serve", database=migrated, env=NOT_TO_SERVE | {"LOCK_WAIT_SECONDS": "2"})
            pid = reader.connection.info.backend_pid
        assert result.returncode == 1
        (cause,) = said(result, "Replaying")
        assert cause.startswith(
            f"warning: Replaying 0007-users failed: canceling statement due to lock timeout; pid {pid} (psql, "
        )
        assert said(result, "Could not heal") == [
            "warning: Could not heal 2 differences: column tasks.status, column users.role; the next start tries again"
        ]
        assert migrated.query(MARK) == []
        migrated.execute("DELETE FROM migration_hashes")  # those of the files that are not this version's
        assert serve(migrated).returncode == 0
        assert differences_of(migrated) == []

    def test_keeps_no_other_table_locked_meanwhile(self, migrated, installation):
        # users comes before projects, tasks after
        with (
            transaction(migrated, "SELECT FROM projects"),
            installation.start("migrate", database=migrated) as start,
        ):
            line = read_until(start, "next try in 4.0 s")  # longer than a busy machine may take to let somebody come
            assert "Held up while healing" in line
            migrated.execute("SET lock_timeout = '400ms'; LOCK TABLE users, tasks")
            start.terminate()
            start.communicate()
        assert differences_of(migrated) == ["error column tasks.status", "error column users.role"]

    def test_is_told_with_its_holder_though_more_was_healed_after_it(self, migrated, longer):
        migrated.execute("ALTER TABLE projects ALTER status DROP DEFAULT; DROP INDEX idx_time_entries_user_id")
        with transaction(migrated) as reader:
            result = longer.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "2"})
            pid = reader.connection.info.backend_pid
        assert said(result, "Healed") == ["Healed index time_entries.idx_time_entries_user_id"]
        (line,) = said(result, "Replaying ")
        assert f"; pid {pid} (psql, role owner, idle in transaction, " in line


class TestAnIndexThatIsBuiltConcurrently:
    INDEX = "idx_time_entries_user_id"
    NUMBER = "SELECT relfilenode FROM pg_class WHERE relname = %s"

    @pytest.mark.parametrize(
        "damage",
        [
            f"DROP INDEX {INDEX}",
            f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{INDEX}'::regclass",
        ],
    )
    def test_is_built_again_by_its_file_alone(self, migrated, migrate, damage):
        migrated.execute(damage, user="postgres")
        number = migrated.query(self.NUMBER, "idx_time_entries_task_id")
        with transaction(migrated, "SELECT FROM users"):  # in the way of a replay of all files
            result = migrate(migrated, LOCK_WAIT_SECONDS="0")
        assert said(result, "Healed") == [f"Healed index time_entries.{self.INDEX}"]
        assert result.returncode == 0
        assert differences_of(migrated) == []
        assert migrated.query(self.NUMBER, "idx_time_entries_task_id") == number

    def test_is_left_alone_while_something_else_is_healed(self, migrated, migrate):
        before = migrated.query(self.NUMBER, self.INDEX)
        migrated.execute("DROP INDEX idx_users_role")
        assert migrate(migrated).returncode == 0
        assert migrated.query(self.NUMBER, self.INDEX) == before

    def test_comes_back_with_its_table(self, migrated, serve):
        migrated.execute("DROP TABLE time_entries")
        result = serve(migrated)
        assert result.returncode == 0, result.stderr
        assert differences_of(migrated) == []


class TestAConstraintThatIsNotValid:
    KEY = "foreign key tasks.created_by"
    NOT_VALID = """
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE tasks ADD CONSTRAINT tasks_created_by_fkey FOREIGN KEY (created_by) REFERENCES users(id) NOT VALID;
    """

    @pytest.fixture
    def broken(self, migrated):
        """A database with a task of a user who is not there, and a key that passes over it."""
        migrated.execute("ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey")
        migrated.execute("INSERT INTO tasks (project_id, name, created_by) VALUES (1, 'Weeding', 99)")
        migrated.execute(self.NOT_VALID.partition(";")[2])
        return migrated

    def test_is_validated_by_its_file_alone(self, migrated, migrate):
        migrated.execute(self.NOT_VALID)
        with transaction(migrated, "SELECT FROM projects"):  # in the way of a replay of all files
            result = migrate(migrated, LOCK_WAIT_SECONDS="0")
        assert said(result, "Healed") == [f"Healed {self.KEY}"]
        assert differences_of(migrated) == []

    def test_is_reported_and_not_touched_while_rows_break_it(self, broken, migrate):
        before = contents_of(broken)
        for _ in range(2):
            result = migrate(broken)
            assert result.returncode == 0
            (notice,) = said(result, "stays NOT VALID")
            statement = notice.partition("these break it: ")[2]
            assert ["Weeding" in row for row in broken.query(statement)] == [True]
            assert said(result, "heal") == []
        assert contents_of(broken) == before
        broken.execute("UPDATE tasks SET created_by = 1")
        assert said(migrate(broken), "Healed") == [f"Healed {self.KEY}"]
        assert differences_of(broken) == []

    def test_is_left_alone_by_serve(self, broken, serve):
        before = contents_of(broken)
        result = serve(broken)
        assert said(result, "Heal") == []
        assert contents_of(broken) == before

    def test_is_what_a_missing_one_becomes_where_rows_break_it(self, broken, serve):
        broken.execute("ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey")
        result = serve(broken)
        assert result.returncode == 0, result.stderr
        assert said(result, "Healed") == [f"Healed {self.KEY}, NOT VALID: it binds new rows only"]
        assert differences_of(broken) == [f"warning {self.KEY}"]

    def test_is_validated_at_once_where_no_row_breaks_it(self, migrated, serve):
        migrated.execute("ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey")
        assert said(serve(migrated), "Healed") == [f"Healed {self.KEY}"]
        assert differences_of(migrated) == []


class TestAReplayThatWouldBreakSomething:
    def test_is_rolled_back(self, migrated, installation):
        id = installation.add("breaks", "SELECT 1;\n")
        assert installation.run("migrate", database=migrated).returncode == 0
        migrated.execute("ALTER TABLE projects ALTER status DROP DEFAULT; DELETE FROM migration_hashes")
        (installation.sql / f"{id}.sql").write_text("ALTER TABLE users ALTER role DROP DEFAULT;\n")
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 1
        assert differences_of(migrated) == ["error column projects.status"]


class TestATableThatARollbackArchived:
    def test_is_brought_back_with_its_rows_and_not_called_empty(self, migrated, serve):
        fill(migrated)
        rows = rows_of(migrated, "invoice_items")
        migrated.execute("SELECT archive_table('invoice_items')", user="postgres")
        result = serve(migrated)
        assert result.returncode == 0, result.stderr
        assert said(result, "HAD TO BE MADE AGAIN") == []
        assert said(result, "WITH ITS ROWS") == [
            "warning: TABLE invoice_items WAS MISSING AND WAS BROUGHT BACK WITH ITS ROWS"
        ]
        assert len(said(result, "brought back invoice_items from public_archive, 1 rows")) == 1
        assert rows_of(migrated, "invoice_items") == rows


def test_healing_keeps_every_row_and_when_it_was_changed(migrated, serve):
    fill(migrated)
    tables = ("users", "projects", "tasks", "time_entries", "invoices", "invoice_items", "analytics", "settings")
    before = rows_of(migrated, *tables)
    migrated.execute("""
        ALTER TABLE users DROP CONSTRAINT users_username_key, ALTER role DROP DEFAULT;
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE projects DISABLE TRIGGER update_projects_updated_at, ALTER name DROP NOT NULL;
        DROP FUNCTION update_updated_at_column CASCADE;
    """)
    assert serve(migrated).returncode == 0
    assert differences_of(migrated) == []
    assert rows_of(migrated, *tables) == before


def test_starts_at_once_heal_once(migrated, installation):
    migrated.execute("; ".join(ERRORS))
    starts = [installation.start("migrate", database=migrated) for _ in range(3)]
    outcomes = [(start.communicate(timeout=60)[1], start.returncode) for start in starts]
    assert [code for _, code in outcomes] == [0, 0, 0], outcomes
    assert sum("Healing " in log for log, _ in outcomes) == 1
    assert differences_of(migrated) == []


def test_a_start_that_dies_while_it_heals_leaves_nothing_half_done(migrated, installation, serve):
    migrated.execute("DELETE FROM migration_hashes")
    migrated.execute("DROP TABLE analytics; ALTER TABLE users ALTER role DROP DEFAULT")
    before = differences_of(migrated)
    file = installation.sql / "0019-updated-at-triggers.sql"
    with file.open("a", encoding="ascii") as text:
        text.write("\nSELECT pg_terminate_backend(pg_backend_pid());\n")
    assert installation.run("serve", database=migrated, env=NOT_TO_SERVE).returncode == 5
    assert differences_of(migrated) == before
    assert serve(migrated).returncode == 0


def test_a_database_that_lost_its_marks_is_not_taken_for_one_of_the_predecessor(migrated, run_runner):
    migrated.execute("DROP TABLE startup_marks")
    assert run_runner("migrate", database=migrated).returncode == 0
    assert migrated.query("SELECT value FROM startup_marks WHERE name = 'adoption'") == [("nothing to adopt",)]
    assert migrated.query("SELECT count(*) FROM adoption_report") == [(0,)]


# An adopted database, and what somebody made of it since: much of it looks as if there were something to adopt.
OLD_COLUMNS = """
ALTER TABLE time_entries ADD duration INTERVAL, ADD start_utc TIMESTAMP;
ALTER TABLE projects ADD client_id INTEGER;
CREATE TABLE clients (id SERIAL PRIMARY KEY, name TEXT, email TEXT);
ALTER TABLE invoices ADD client_id INTEGER;
INSERT INTO clients (name, email) VALUES ('a client', 'a@client.example');
INSERT INTO users (username) VALUES ('anna');
INSERT INTO projects (name, client, client_id) VALUES ('General', 'another', 1), ('General', 'another', 1);
INSERT INTO time_entries (user_id, start_time, duration) VALUES (1, '2025-01-01 09:00', '1 hour');
INSERT INTO invoices (invoice_number, client_name, client_id, issue_date, due_date)
    VALUES ('A', 'a client', 1, '2025-01-01', '2025-02-01');
INSERT INTO settings (currency) VALUES ('EUR'), ('CHF');
"""
CHANGED_SINCE = """
UPDATE time_entries SET duration_seconds = NULL;
ALTER TABLE time_entries ADD description TEXT, DROP CONSTRAINT time_entries_task_id_fkey;
INSERT INTO time_entries (id, user_id, start_time, task_id, description) VALUES (7, 1, '2025-01-02', 404, 'mine');
ALTER INDEX idx_projects_status RENAME TO my_index;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.tags := ''touched''; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE users ALTER role TYPE CHAR(20);
ALTER TABLE time_entries DROP notes;
ALTER TABLE invoices DROP client_email;
ALTER TABLE settings ADD key TEXT, ADD value TEXT, DROP company_name;
UPDATE settings SET key = 'company_name', value = 'of a pair';
ALTER TABLE projects ALTER status DROP NOT NULL;
UPDATE projects SET status = NULL WHERE id = 1;
ALTER TABLE settings DROP CONSTRAINT settings_pkey;
ALTER TABLE tasks ALTER id TYPE BIGINT;
INSERT INTO tasks (id, project_id, name, created_by) VALUES (5000000000, 1, 'of an import', 1);
ALTER TABLE users ADD badge TEXT DEFAULT 'none' NOT NULL;
ALTER TABLE users ALTER badge DROP DEFAULT;
"""


def test_healing_an_adopted_database_does_not_adopt_it_again(database, run_runner, migrate):
    database.execute(BASE + OLD_COLUMNS)
    assert "Adopted the database" in migrate(database).stderr
    database.execute(CHANGED_SINCE)
    kept = {
        "report": "SELECT * FROM adoption_report ORDER BY id",
        "marks": "SELECT name, value FROM startup_marks WHERE name LIKE 'adoption%' ORDER BY name",
        "triggers": "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgname = 'touch'",
        "indexes": "SELECT to_regclass('my_index')::text",
        "keys": "SELECT conname FROM pg_constraint WHERE conrelid = 'settings'::regclass AND contype = 'p'",
        "required": "SELECT attnotnull FROM pg_attribute WHERE attname = 'badge'",
        "entries": "SELECT id, start_time, task_id, duration_seconds, description, tags FROM time_entries ORDER BY id",
    }
    before = {name: database.query(question) for name, question in kept.items()}
    result = migrate(database)
    assert said(result, "Healed column time_entries.notes"), result.stderr
    assert {name: database.query(question) for name, question in kept.items()} == before
    assert database.query("SELECT DISTINCT notes FROM time_entries") == [(None,)]
    assert database.query("SELECT client_email FROM invoices") == [(None,)]
    assert database.query("SELECT DISTINCT company_name FROM settings") == [("Your Company Name",)]
    assert database.query("SELECT proname FROM pg_proc WHERE proname LIKE 'adoption%'") == []
