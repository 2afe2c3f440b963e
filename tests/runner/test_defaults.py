"""What a new installation starts with, which comes once and costs nothing afterwards."""

import contextlib
import re

import pytest
from installation import contents_of, errors_in

SETTINGS = {
    "TZ": "Europe/Vienna",
    "CURRENCY": "CHF",
    "ROUNDING_MINUTES": "15",
    "SINGLE_ACTIVE_TIMER": "no",
    "ALLOW_SELF_REGISTER": "off",
    "IDLE_TIMEOUT_MINUTES": "45",
}
COLUMNS = (
    "timezone, currency, rounding_minutes, single_active_timer, allow_self_register, idle_timeout_minutes,"
    " backup_retention_days, allow_analytics, invoice_prefix"
)
SEQUENCES = (
    "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
    " AND sequencename ~ '^(users|projects|settings)_' ORDER BY 1"
)


def rows(database) -> list[tuple]:
    return [
        database.query("SELECT * FROM users ORDER BY id"),
        database.query("SELECT * FROM projects ORDER BY id"),
        database.query("SELECT * FROM settings ORDER BY id"),
        database.query("SELECT * FROM app_secrets ORDER BY name"),
    ]


def secret_of(database) -> str:
    ((secret,),) = database.query("SELECT value FROM app_secrets WHERE name = 'secret_key'")
    return secret


class TestTheFirstStart:
    def test_makes_the_administrator_the_project_and_the_settings(self, migrated):
        assert migrated.query("SELECT id, username, role, is_active FROM users") == [(1, "admin", "admin", True)]
        assert migrated.query("SELECT id, name, client, description, billable, status FROM projects") == [
            (1, "General", "Default Client", "Default project for general tasks", True, "active")
        ]
        assert migrated.query(f"SELECT id, {COLUMNS} FROM settings") == [
            (1, "Europe/Rome", "EUR", 1, True, True, 30, 30, True, "INV")
        ]

    def test_takes_the_names_and_the_settings_from_the_environment(self, database, run_runner):
        environment = {"ADMIN_USERNAMES": " carol , alice", **SETTINGS}
        result = run_runner("migrate", database=database, env=environment)
        assert "Inserted the defaults: user carol, project General, settings, secret key" in result.stderr
        assert database.query("SELECT username, role FROM users") == [("carol", "admin")]
        assert database.query(f"SELECT {COLUMNS} FROM settings") == [
            ("Europe/Vienna", "CHF", 15, False, False, 45, 30, True, "INV")
        ]

    def test_writes_the_settings_row_once(self, database, run_runner):
        """The trigger on updates must not make a new row look edited."""
        run_runner("migrate", database=database, env=SETTINGS)
        assert database.query("SELECT created_at = updated_at FROM settings") == [(True,)]

    def test_never_says_the_secret(self, database, run_runner, server):
        server.execute(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
        size = server.local.log.stat().st_size
        result = run_runner("migrate", database=database, env={"LOG_FORMAT": "json"})
        secret = secret_of(database)
        assert re.fullmatch(r"[0-9a-f]{64}", secret)
        assert secret not in result.stdout + result.stderr
        logged = server.local.log.read_bytes()[size:]
        assert b"INSERT INTO app_secrets" in logged
        assert secret.encode() not in logged


@pytest.mark.only_pg("pg18")
class TestLaterStarts:
    def test_leave_what_there_is(self, migrated, run_runner):
        before = contents_of(migrated)
        for _ in range(3):
            run_runner("migrate", database=migrated, env={"ADMIN_USERNAMES": "carol", **SETTINGS})
        assert contents_of(migrated) == before

    def test_bring_nothing_back_that_was_renamed(self, migrated, run_runner):
        migrated.execute("UPDATE users SET username = 'carol'; UPDATE projects SET name = 'Internal'")
        before = rows(migrated)
        result = run_runner("migrate", database=migrated)
        assert "Inserted" not in result.stderr
        assert rows(migrated) == before

    def test_bring_nothing_back_that_was_deleted(self, migrated, run_runner):
        migrated.execute("DELETE FROM users; DELETE FROM projects")
        result = run_runner("migrate", database=migrated)
        assert result.returncode == 0
        assert "Inserted" not in result.stderr
        assert migrated.query("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM projects)") == [(0, 0)]

    def test_bring_the_settings_row_back_and_nothing_else(self, migrated, run_runner):
        secret = secret_of(migrated)
        migrated.execute("DELETE FROM settings; DELETE FROM users; DELETE FROM projects")
        result = run_runner("migrate", database=migrated, env={"CURRENCY": "CHF"})
        assert "Inserted the defaults: settings\n" in result.stderr
        assert migrated.query("SELECT currency, timezone FROM settings") == [("CHF", "Europe/Rome")]
        assert migrated.query("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM projects)") == [(0, 0)]
        assert secret_of(migrated) == secret

    def test_make_a_new_secret_only_when_it_is_gone(self, migrated, run_runner):
        secret = secret_of(migrated)
        migrated.execute("DELETE FROM app_secrets")
        assert "Inserted the defaults: secret key\n" in run_runner("migrate", database=migrated).stderr
        assert secret_of(migrated) != secret

    def test_burn_no_value_of_a_sequence(self, database, run_runner):
        for _ in range(3):
            assert run_runner("migrate", database=database).returncode == 0
            assert database.query(SEQUENCES) == [("projects_id_seq", 1), ("settings_id_seq", 1), ("users_id_seq", 1)]

    def test_go_on_after_a_table_of_theirs_was_dropped(self, migrated, run_runner):
        migrated.execute("DROP TABLE settings")
        assert run_runner("migrate", database=migrated).returncode == 0
        assert run_runner("migrate", database=migrated).returncode == 0
        assert migrated.query("SELECT count(*) FROM settings") == [(1,)]


@pytest.mark.only_pg("pg18")
class TestAnOldDatabase:
    @pytest.fixture
    def old(self, database, run_runner):
        """A database whose tables are there, and in which no start has inserted anything yet."""
        assert run_runner("migrate", database=database).returncode == 0
        database.execute(
            "DELETE FROM startup_marks; DELETE FROM users; DELETE FROM projects; DELETE FROM settings;"
            "ALTER SEQUENCE users_id_seq RESTART; ALTER SEQUENCE projects_id_seq RESTART;"
            "ALTER SEQUENCE settings_id_seq RESTART"
        )
        return database

    def test_with_users_gets_neither_an_administrator_nor_the_project_that_somebody_deleted(self, old, run_runner):
        old.execute("INSERT INTO users (username) VALUES ('alice'); INSERT INTO settings (currency) VALUES ('USD')")
        result = run_runner("migrate", database=old, env={"ADMIN_USERNAMES": "carol", **SETTINGS})
        assert "Inserted the defaults" not in result.stderr
        assert old.query("SELECT username, role FROM users") == [("alice", "user")]
        assert old.query("SELECT currency, rounding_minutes FROM settings") == [("USD", 1)]
        assert old.query("SELECT count(*) FROM projects") == [(0,)]
        assert old.query(SEQUENCES) == [("projects_id_seq", None), ("settings_id_seq", 1), ("users_id_seq", 1)]

    def test_gets_the_rows_and_the_mark_together_or_not_at_all(self, old, run_runner):
        old.execute("ALTER TABLE startup_marks ADD CONSTRAINT short_names CHECK (length(name) < 5)")
        before = rows(old)
        result = run_runner("migrate", database=old)
        assert result.returncode == 6
        (line,) = errors_in(result)
        assert line.startswith(
            'The defaults could not be inserted, none of them was: new row for relation "startup_marks"'
        )
        assert rows(old) == before
        old.execute("ALTER TABLE startup_marks DROP CONSTRAINT short_names")
        assert "user admin, project General, settings" in run_runner("migrate", database=old).stderr


def test_four_starts_at_once_insert_one_row_each(database, installation):
    with contextlib.ExitStack() as stack:
        starts = [stack.enter_context(installation.start("migrate", database=database)) for _ in range(4)]
        for process in starts:
            process.communicate()
    assert [process.returncode for process in starts] == [0, 0, 0, 0]
    assert [len(found) for found in rows(database)] == [1, 1, 1, 1]
    assert database.query(SEQUENCES) == [("projects_id_seq", 1), ("settings_id_seq", 1), ("users_id_seq", 1)]


@pytest.mark.parametrize("grant", ["SELECT ON ALL TABLES IN SCHEMA public TO", "pg_read_all_data TO"])
def test_a_role_that_may_read_everything_does_not_see_the_secret(server, migrated, grant):
    server.create_role("reader")
    try:
        migrated.execute(f"GRANT {grant} reader", user="postgres")
        assert migrated.query("SELECT count(*) FROM users", user="reader") == [(1,)]
        assert migrated.query("SELECT * FROM app_secrets", user="reader") == []
    finally:
        migrated.execute("DROP OWNED BY reader; DROP ROLE reader", user="postgres")


@pytest.mark.only_pg("pg18")
def test_a_lock_in_their_way_is_not_waited_for_without_an_end(migrated, run_runner):
    """Such as that of a plain CREATE INDEX."""
    migrated.execute("DELETE FROM settings")
    with contextlib.closing(migrated.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE settings IN SHARE MODE")
        result = run_runner("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "1"})
    assert result.returncode == 5
    assert "error: PostgreSQL broke off: canceling statement due to lock timeout" in result.stderr
    assert run_runner("migrate", database=migrated).returncode == 0
    assert migrated.query("SELECT count(*) FROM settings") == [(1,)]
