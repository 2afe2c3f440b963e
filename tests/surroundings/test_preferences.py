"""What a role or a database sets for its sessions changes neither the schema that a start makes nor what it finds."""

import threading
from datetime import UTC, datetime

import psycopg2
import pytest
from background import running
from installation import contents_of, errors_in, sessions_in, wait_for
from listeners import closed_port

from app import create_app

PREFERENCES = {
    "text": {
        "DateStyle": "'SQL, DMY'",
        "IntervalStyle": "sql_standard",
        "extra_float_digits": "-15",
        "bytea_output": "escape",
        "xmloption": "document",
        "quote_all_identifiers": "on",
        "standard_conforming_strings": "off",
        "backslash_quote": "off",
        "escape_string_warning": "off",
        "array_nulls": "off",
        "transform_null_equals": "on",
        "lo_compat_privileges": "on",
    },
    "plans": {
        "plan_cache_mode": "force_generic_plan",
        "jit": "on",
        "jit_above_cost": "0",
        "enable_hashjoin": "off",
        "enable_seqscan": "off",
        "work_mem": "'64kB'",
        "from_collapse_limit": "1",
        "join_collapse_limit": "1",
        "constraint_exclusion": "on",
        "cursor_tuple_fraction": "0",
        "max_parallel_workers_per_gather": "4",
        "min_parallel_table_scan_size": "0",
        "parallel_setup_cost": "0",
    },
    "transactions": {
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
        "synchronous_commit": "off",
        "row_security": "off",
        "session_replication_role": "replica",
        "check_function_bodies": "off",
        "default_toast_compression": "pglz",
        "default_tablespace": "pg_default",
        "temp_tablespaces": "pg_default",
        "default_table_access_method": "heap",
        "createrole_self_grant": "'set'",
        "client_min_messages": "debug5",
    },
    "search path": {"search_path": "'$user', public, pg_catalog"},
    "logging": {"log_statement": "'all'", "client_min_messages": "error", "log_min_duration_statement": "0"},
}
ONLY_SINCE = {"createrole_self_grant": 16}


def known_to(server, settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if server.version >= ONLY_SINCE.get(name, 0)}


@pytest.mark.parametrize("group", PREFERENCES)
def test_they_change_nothing(group, server, database, prefer, run_runner):
    prefer(database, **known_to(server, PREFERENCES[group]))
    result = run_runner("migrate", database=database)
    assert (result.returncode, errors_in(result)) == (0, []), result.stderr
    verified = run_runner("verify", database=database)
    assert (verified.returncode, verified.stdout) == (0, "The schema public is as expected\n")

    settled = contents_of(database)
    for command in ("migrate", "plan", "status", "wait"):
        assert run_runner(command, database=database).returncode == 0
    assert contents_of(database) == settled


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize("group", ["text", "transactions"])
def test_pages_are_shown_with_them(group, server, migrated, prefer, tmp_path):
    prefer(migrated, **known_to(server, PREFERENCES[group]))
    port = closed_port()
    with running("serve", migrated.url, tmp_path / "log", PORT=str(port)) as runner:
        assert runner.get(port, "/")[0] == 200
        assert runner.get(port, "/readyz")[0] == 200


@pytest.mark.only_pg("pg18")
def test_a_date_style_costs_no_statement(server, migrated, prefer, run_runner):
    """psycopg2 sends SET DATESTYLE where the server begins with another."""
    for _ in range(2):
        run_runner("migrate", database=migrated)
    prefer(migrated, DateStyle="'SQL, DMY'", log_statement="'all'")
    size = server.local.log.stat().st_size
    assert run_runner("migrate", database=migrated).returncode == 0
    assert server.local.log.read_bytes()[size:].count(b"LOG:  statement:") == 2


# --- Clocks ---


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "US/Pacific", "<+05>-05:30", "Pacific/Kiritimati"])
@pytest.mark.parametrize("env", [{}, {"PGTZ": "America/Caracas", "TZ": "Pacific/Apia"}], ids=["plain", "variables"])
def test_times_are_stored_in_utc_whatever_the_time_zone(zone, env, database, prefer, run_runner):
    prefer(database, timezone=f"'{zone}'")
    assert run_runner("migrate", database=database, env=env).returncode == 0
    now = datetime.now(UTC).replace(tzinfo=None)
    stored = database.query(
        "SELECT applied_at_utc FROM _yoyo_migration UNION ALL SELECT recorded_at FROM migration_hashes"
        " UNION ALL SELECT created_at FROM users UNION ALL SELECT created_at FROM settings"
    )
    assert len(stored) > 25
    assert all(abs((now - time).total_seconds()) < 300 for (time,) in stored)


# --- Somebody else's triggers ---


@pytest.mark.only_pg("pg18")
class TestEventTriggers:
    @pytest.fixture
    def trigger(self):
        """Return a function that makes an event trigger with this body."""

        def make(database, event: str, body: str) -> None:
            database.execute(
                "CREATE SCHEMA audit; GRANT USAGE ON SCHEMA audit TO owner; CREATE TABLE audit.log (tag TEXT);"
                "GRANT INSERT ON audit.log TO owner;"
                f"CREATE FUNCTION audit.react() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
                f"CREATE EVENT TRIGGER audit ON {event} EXECUTE FUNCTION audit.react()",
                user="postgres",
            )

        return make

    def test_that_log_what_is_done_are_no_matter(self, trigger, database, run_runner):
        trigger(database, "ddl_command_end", "INSERT INTO audit.log VALUES (tg_tag);")
        assert run_runner("migrate", database=database).returncode == 0
        assert database.query("SELECT count(*) > 20 FROM audit.log", user="postgres") == [(True,)]
        before = contents_of(database)
        assert run_runner("migrate", database=database).returncode == 0
        assert contents_of(database) == before

    def test_that_forbid_it_are_told_in_their_own_words(self, trigger, database, run_runner):
        trigger(database, "ddl_command_start", "RAISE 'no DDL from % on Fridays', current_user;")
        before = contents_of(database)
        result = run_runner("migrate", database=database)
        assert result.returncode == 5, result.stderr
        (line,) = errors_in(result)
        assert line.startswith(
            "PostgreSQL refused: no DDL from owner on Fridays CONTEXT: PL/pgSQL function audit.react()"
        )
        assert contents_of(database) == before

    def test_that_forbid_a_migration_are_told_with_its_name(self, trigger, migrated, installation):
        trigger(migrated, "ddl_command_start", "IF tg_tag = 'ALTER TABLE' THEN RAISE 'not on Fridays'; END IF;")
        id = installation.add("example", "ALTER TABLE users ADD example INTEGER;\n")
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 6
        (line,) = errors_in(result)
        assert line.startswith(f"{id} failed and was rolled back: not on Fridays. Statement: ")


# --- Few connections ---


@pytest.fixture
def alone(server, database):
    """The database of `hermit`, who may have one connection at a time."""
    server.create_role("hermit", "CONNECTION LIMIT 1")
    database.execute(f"ALTER DATABASE {database.name} OWNER TO hermit", user="postgres")
    yield database.url_as("hermit")
    database.execute("DROP OWNED BY hermit CASCADE; ", user="postgres")
    database.execute(f"ALTER DATABASE {database.name} OWNER TO owner", user="postgres")
    server.execute("DROP ROLE hermit")


@pytest.mark.only_pg("pg18")
def test_one_connection_is_enough_to_migrate_and_to_look(alone, run_runner):
    for command in ("plan", "migrate", "migrate", "verify", "status", "wait"):
        result = run_runner(command, database=alone)
        assert (result.returncode, errors_in(result)) == (0, []), result.stderr


@pytest.mark.only_pg("pg18")
def test_one_connection_is_enough_to_serve(alone, tmp_path):
    port = closed_port()
    env = {"PORT": str(port), "WEB_CONCURRENCY": "1", "GUNICORN_CMD_ARGS": "--threads 1"}
    with running("serve", alone, tmp_path / "log", **env) as runner:
        for path in ("/", "/readyz", "/"):
            assert runner.get(port, path)[0] == 200
    assert "Traceback" not in "\n".join(runner.lines)


@pytest.mark.only_pg("pg18")
def test_the_app_waits_for_the_session_of_the_start_to_end(alone, database, run_runner):
    assert run_runner("migrate", database=alone).returncode == 0
    wait_for(lambda: sessions_in(database) == 0)  # the real one's ends a little after it
    of_the_start = psycopg2.connect(alone)
    ending = threading.Timer(0.5, of_the_start.close)
    ending.start()
    try:
        assert create_app({"DATABASE_URL": alone}).secret_key
    finally:
        ending.join()


@pytest.mark.only_pg("pg18")
def test_a_server_that_lets_us_into_one_database_only(own_server, run_runner):
    with own_server("pg18", hba=["host tracker owner 127.0.0.1/32 scram-sha-256", "host all owner all reject"]) as own:
        own.execute("CREATE DATABASE tracker OWNER owner")
        for command in ("migrate", "verify", "plan"):
            result = run_runner(command, database=own.url("tracker"))
            assert (result.returncode, errors_in(result)) == (0, []), result.stderr
        result = run_runner("migrate", database=own.url("postgres"), timeout=30)
        assert result.returncode == 5
        assert "pg_hba.conf rejects connection" in result.stderr
