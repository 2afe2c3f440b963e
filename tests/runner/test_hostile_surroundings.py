"""What somebody else with access to the database can do to a start, and cannot."""

import signal

import pytest
from blocking import SOMEBODY_WAITS, transaction
from installation import errors_in

pytestmark = pytest.mark.only_pg("pg18")

OVERLOADS = """
CREATE FUNCTION public.concat_ws(text, text, text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'overloaded'; END $$;
CREATE FUNCTION public.concat_ws(text, text, text, text, text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'overloaded'; END $$;
CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'overloaded'; END $$;
CREATE FUNCTION public.format(text, text, name) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'overloaded'; END $$;
CREATE FUNCTION public.format(text, regclass) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'overloaded'; END $$;
"""


def test_functions_that_overload_those_of_postgresql_are_not_called(database, run_runner):
    """Who may create in a schema of the search_path could otherwise run code as the role that verifies."""
    database.execute(OVERLOADS)
    for command in ("migrate", "verify", "wait", "plan"):
        result = run_runner(command, database=database)
        assert (result.returncode, "overloaded" in result.stderr) == (0, False), result.stderr


@pytest.mark.parametrize(
    "setting", ["standard_conforming_strings = off", "extra_float_digits = 0", "bytea_output = escape"]
)
def test_settings_of_the_database_do_not_change_what_is_verified(setting, migrated, run_runner):
    migrated.execute(f"ALTER DATABASE {migrated.name} SET {setting}")
    assert run_runner("verify", database=migrated).returncode == 0


def test_a_table_that_somebody_has_locked_ends_a_start_with_one_line(migrated, run_runner):
    with migrated.connect() as connection:
        connection.autocommit = False
        connection.cursor().execute("LOCK TABLE time_entries IN ACCESS EXCLUSIVE MODE")
        result = run_runner("migrate", database=migrated)
    connection.close()
    assert result.returncode == 5
    assert len(result.stderr.splitlines()) == 1
    assert "has locked a table of TimeTracker" in result.stderr


def test_who_has_locked_something_else_is_not_blamed(migrated, run_runner):
    migrated.execute("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.example ()")
    with (
        transaction(migrated, "LOCK TABLE elsewhere.example") as bystander,
        transaction(migrated, "LOCK TABLE users") as one,
    ):
        result = run_runner("migrate", database=migrated)
        pids = [cursor.connection.info.backend_pid for cursor in (bystander, one)]
    assert result.returncode == 5
    assert [f"backend {pid} of role owner" in result.stderr for pid in pids] == [False, True]


def test_a_start_that_waits_for_a_locked_table_heeds_sigterm(migrated, installation):
    installation.edit("startup/catalog.py", "lock_timeout = '5s'", "lock_timeout = '5min'")
    with migrated.connect() as connection:
        connection.autocommit = False
        connection.cursor().execute("LOCK TABLE time_entries IN ACCESS EXCLUSIVE MODE")
        with installation.start("migrate", database=migrated) as process:
            while not migrated.query(SOMEBODY_WAITS):
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 143
    connection.close()


def test_an_edited_file_is_never_replayed_to_heal(migrated, installation):
    file = installation.sql / "0014-analytics.sql"
    file.write_text(file.read_text() + "\nDELETE FROM analytics;\n")
    migrated.execute(
        "INSERT INTO analytics VALUES ('2026-01-01', 'starts', 1); ALTER TABLE users ALTER role DROP DEFAULT"
    )
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 1
    assert "0014-analytics.sql was edited after it had been applied" in result.stderr
    assert "Healing" not in result.stderr
    assert migrated.query("SELECT count(*) FROM analytics") == [(1,)]


@pytest.mark.parametrize("gone", ["_yoyo_migration", "_yoyo_version", "_yoyo_log"])
def test_a_ledger_with_a_table_missing_is_one_line(gone, migrated, installation):
    installation.add(
        "more", "SET LOCAL lock_timeout = '5s';\n\nCREATE TABLE IF NOT EXISTS more (id SERIAL PRIMARY KEY);\n"
    )
    migrated.execute(f"DROP TABLE {gone}")
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 5
    (line,) = errors_in(result)
    assert line.startswith(f"Yoyo's {gone} is missing while ")


def test_a_role_that_only_uses_the_data_can_start_on_a_current_database(migrated, server, run_runner):
    server.create_role("clerk")
    try:
        migrated.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk")
        migrated.execute("GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA public TO clerk")
        result = run_runner("migrate", database=migrated.url_as("clerk"), env={"SECRET_KEY": "of the operator"})
        assert result.returncode == 0, result.stderr

        migrated.execute("REVOKE UPDATE ON app_secrets FROM clerk")
        result = run_runner("serve", database=migrated.url_as("clerk"))
        assert result.returncode == 5
        assert errors_in(result) == [
            "Role clerk cannot see the secret key in app_secrets: set SECRET_KEY or SECRET_KEY_FILE, or"
            " GRANT SELECT, UPDATE ON public.app_secrets TO clerk"
        ]
    finally:
        migrated.execute("DROP OWNED BY clerk", user="postgres")
        server.execute("DROP ROLE clerk")


def test_plan_tells_what_would_be_healed(migrated, run_runner):
    migrated.execute("ALTER TABLE users DROP COLUMN role")
    result = run_runner("plan", database=migrated)
    assert result.returncode == 0
    assert "2 differences would be healed" in result.stdout
    assert "  missing column users.role" in result.stdout
    assert "Nothing is pending" not in result.stdout


def test_a_heal_that_cannot_get_a_lock_gives_all_of_them_back(migrated, run_runner):
    """Each file would otherwise wait for its own lock while the files before it keep theirs."""
    migrated.execute("DROP TRIGGER update_users_updated_at ON users")
    with migrated.connect() as connection:
        connection.autocommit = False
        connection.cursor().execute("LOCK TABLE projects, tasks, time_entries, settings IN ACCESS SHARE MODE")
        result = run_runner("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"})
    connection.close()
    assert result.returncode == 1
    assert result.stderr.count("lock timeout") == 1
    assert "the next start tries again" in result.stderr
    assert run_runner("migrate", database=migrated).returncode == 0
