"""Behind a pooler in transaction mode, and with a second URL for what is pending."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

import psycopg2
import pytest
from installation import MIGRATIONS, SLOW_ANSWER, contents_of, errors_in, read_until, sessions_in, wait_for
from listeners import closed_port
from parts import program


@pytest.fixture
def pooler(server, tmp_path) -> Iterator[int]:
    """The port of a PgBouncer in transaction mode before the server; it logs in as `owner`."""
    port = closed_port()
    (tmp_path / "pgbouncer.ini").write_text(
        "[databases]\n"
        f"* = host=127.0.0.1 port={server.port} user=owner password=owner\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\n"
    )
    identity = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen(
        [program("pgbouncer"), *identity, str(tmp_path / "pgbouncer.ini")], stderr=subprocess.PIPE, text=True
    ) as process:
        read_until(process, "process up")
        yield port
        process.terminate()


def through(pooler: int, database) -> str:
    return f"postgresql://owner@127.0.0.1:{pooler}/{database.name}"


REFUSAL = (
    "A pooler stands before the database, and a lock held through it may be lost or left behind: set"
    " MIGRATION_DATABASE_URL, which is used only when something is pending, to one straight to PostgreSQL"
)


@pytest.mark.needs("pgbouncer")
class TestBehindAPooler:
    """PgBouncer in transaction mode gives each transaction another session: no lock can be held through it."""

    def test_a_start_with_nothing_to_do_works(self, migrated, pooler, run_runner):
        # The URL for migrations is not even tried: nothing listens there.
        env = {"MIGRATION_DATABASE_URL": f"postgresql://owner@127.0.0.1:{closed_port()}/nowhere"}
        result = run_runner("migrate", database=through(pooler, migrated), env=env)
        assert result.returncode == 0, result.stderr
        assert "Verified the schema" in result.stderr

    @pytest.mark.parametrize("command", ["migrate", "plan"])
    def test_a_start_with_something_to_do_says_what_to_do(self, database, pooler, run_runner, command):
        before = contents_of(database)
        result = run_runner(command, database=through(pooler, database))
        assert result.returncode == 5
        assert errors_in(result) == [REFUSAL]
        assert contents_of(database) == before

    def test_the_connection_test_says_so_too(self, migrated, pooler, run_runner):
        result = run_runner("wait", database=through(pooler, migrated))
        assert result.returncode == 0
        assert "Role owner, privileges: not looked at, for no migration goes this way" in result.stderr
        assert f"notice: {REFUSAL}" in result.stderr
        result = run_runner("wait", database=through(pooler, migrated), env={"MIGRATION_DATABASE_URL": migrated.url})
        assert result.returncode == 0
        assert result.stderr.endswith(" Role owner, privileges: all that a migration needs\n")

    def test_a_pooler_in_the_url_for_migrations_is_refused_as_well(self, database, pooler, run_runner):
        env = {"MIGRATION_DATABASE_URL": through(pooler, database)}
        result = run_runner("migrate", database=database, env=env)
        assert result.returncode == 5
        assert errors_in(result) == [REFUSAL]

    def test_nothing_is_healed_and_nothing_optional_is_tried(self, migrated, pooler, run_runner):
        migrated.execute("DROP INDEX idx_users_role; DELETE FROM _yoyo_migration WHERE migration_id ~ '^optional'")
        before = contents_of(migrated)
        result = run_runner("migrate", database=through(pooler, migrated))
        assert result.returncode == 0, result.stderr
        assert contents_of(migrated) == before
        assert f"warning: Nothing is healed or tried: {REFUSAL}" in result.stderr

    def test_what_is_pending_goes_straight_to_the_server(self, database, pooler, run_runner):
        env = {"MIGRATION_DATABASE_URL": database.url}
        result = run_runner("migrate", database=through(pooler, database), env=env)
        assert result.returncode == 0, result.stderr
        straight = f"127.0.0.1:{database.server.port}/{database.name}"
        assert f"Migrations go through MIGRATION_DATABASE_URL ({straight}), as owner" in result.stderr
        assert run_runner("verify", database=database).returncode == 0
        assert run_runner("plan", database=through(pooler, database), env=env).stdout == "Nothing is pending\n"

    def test_no_yoyo_run_by_hand_is_taken_for_dead(self, migrated, pooler, installation):
        """One that came through the pooler may have no session at the moment."""
        installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
        migrated.execute("INSERT INTO yoyo_lock VALUES (1, timezone('utc', now()), 4711)")
        wait_for(lambda: sessions_in(migrated) == 0)
        env = {"MIGRATION_DATABASE_URL": migrated.url, "LOCK_WAIT_SECONDS": "0"}
        result = installation.run("migrate", database=through(pooler, migrated), env=env)
        assert result.returncode == 7, result.stderr
        assert "alive" in errors_in(result)[0]
        assert migrated.query("SELECT pid FROM yoyo_lock") == [(4711,)]

    def test_starts_at_once_apply_each_migration_once_and_leave_no_lock(self, database, pooler, installation):
        env = {"MIGRATION_DATABASE_URL": database.url}
        with contextlib.ExitStack() as stack:
            starts = [
                stack.enter_context(installation.start("migrate", database=through(pooler, database), env=env))
                for _ in range(4)
            ]
            said = [process.communicate()[1] for process in starts]
        assert [process.returncode for process in starts] == [0] * 4, said
        applied = database.query(
            "SELECT migration_id, count(*) FROM _yoyo_log WHERE migration_id ~ '^[0-9]' GROUP BY 1"
        )
        assert sorted(applied) == [(id, 1) for id in MIGRATIONS]
        assert database.query("SELECT count(*) FROM yoyo_lock") == [(0,)]
        wait_for(lambda: not database.query("SELECT FROM pg_locks WHERE locktype = 'advisory'"))

    def test_nothing_leaks_into_the_sessions_of_other_clients(self, database, pooler, run_runner):
        """PgBouncer has one session in use, which whoever comes next inherits."""
        settings = "SELECT name, setting, source FROM pg_settings WHERE source = 'session' AND name <> ALL (%s)"
        tracked = ["application_name", "client_encoding", "TimeZone", "DateStyle", "standard_conforming_strings"]
        sessions = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

        def inherited() -> tuple[int, list]:
            with contextlib.closing(psycopg2.connect(through(pooler, database))) as client:
                client.autocommit = True
                with client.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    ((pid,),) = cursor.fetchall()
                    cursor.execute(settings, (tracked,))
                    return pid, cursor.fetchall()

        env = {"MIGRATION_DATABASE_URL": database.url}
        pid, before = inherited()
        for _ in ("something to do", "nothing to do"):
            for command in ("plan", "migrate"):
                assert run_runner(command, database=through(pooler, database), env=env).returncode == 0
            assert run_runner("verify", database=through(pooler, database)).returncode == 0
        wait_for(lambda: database.query(sessions) == [(pid,)])  # those of the runner end a little after it
        assert inherited() == (pid, before)


class TestTheUrlForMigrations:
    def test_is_used_by_an_app_that_may_not_alter_anything(self, database, run_runner):
        """The app's role needs no more than to use the rows; the owner's comes when something is pending."""
        app = f"app_{database.name}"
        database.let_only_the_owner_create()
        database.server.create_role(app)
        try:
            database.execute(f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}")
            database.execute(f"ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {app}")
            alone = run_runner("migrate", database=database.url_as(app))
            assert alone.returncode == 5
            assert f"Role {app} lacks CREATE on schema public" in alone.stderr
            result = run_runner("migrate", database=database.url_as(app), env={"MIGRATION_DATABASE_URL": database.url})
            assert result.returncode == 0, result.stderr
            assert database.query("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [
                ("owner",)
            ]
            again = run_runner("migrate", database=database.url_as(app))
            assert again.returncode == 0, again.stderr
        finally:
            database.execute(f"DROP OWNED BY {app}", user="postgres")
            database.server.execute(f"DROP ROLE {app}")

    def test_does_not_make_an_app_that_may_not_use_the_rows_look_ready(self, database, run_runner):
        app = f"app_{database.name}"
        database.server.create_role(app)
        env = {"MIGRATION_DATABASE_URL": database.url, "SECRET_KEY": "k", "GUNICORN_CMD_ARGS": "--check-config"}
        try:
            refused = [
                f"Role {app} may not read and write company_logo, deleted_time_entries, display_preferences,"
                " invoice_items, invoices, projects, settings, sign_in_credentials, sign_in_failures,"
                " sign_in_invitations, sign_in_sessions,"
                f" submitted_forms, tasks, time_entries, users: psql -v role={app} -f sql/roles/app.sql, run"
                " as their owner, grants what the app needs"
            ]
            result = run_runner("serve", database=database.url_as(app), env=env)
            assert result.returncode == 5
            assert errors_in(result) == refused, "the file grants the ledger, too"
            assert "pending" not in result.stderr
            database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {app}")
            result = run_runner("serve", database=database.url_as(app), env=env)
            assert result.returncode == 5
            assert errors_in(result) == refused
        finally:
            database.execute(f"DROP OWNED BY {app}", user="postgres")
            database.server.execute(f"DROP ROLE {app}")

    def test_is_what_the_connection_test_looks_at(self, migrated, run_runner):
        app = f"app_{migrated.name}"
        migrated.server.create_role(app)
        try:
            migrated.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {app}")
            env = {"MIGRATION_DATABASE_URL": migrated.url}
            result = run_runner("wait", database=migrated.url_as(app), env=env)
            assert result.returncode == 0
            assert "Role owner, privileges: all that a migration needs" in result.stderr
            assert "OWNER TO" not in result.stderr
            env = {"MIGRATION_DATABASE_URL": migrated.url_as("owner", "Tr0ub4dor")}
            result = run_runner("wait", database=migrated.url_as(app), env=env)
            assert result.returncode == 5
            assert "Check the user name and the password in MIGRATION_DATABASE_URL" in result.stderr
        finally:
            migrated.execute(f"DROP OWNED BY {app}", user="postgres")
            migrated.server.execute(f"DROP ROLE {app}")

    def test_outlives_the_idle_time_that_the_apps_role_has(self, database, installation):
        installation.add("slow", "SELECT pg_sleep(5);\n")
        app = f"app_{database.name}"
        database.server.create_role(app)
        try:
            database.server.execute(f"ALTER ROLE {app} SET idle_session_timeout = '4s'")  # no pause of a busy machine
            env = {"MIGRATION_DATABASE_URL": database.url}
            result = installation.run("migrate", database=database.url_as(app), env=env)
            assert result.returncode == 0, result.stderr
            assert "lost" not in result.stderr
        finally:
            database.server.execute(f"DROP ROLE {app}")

    def test_that_leads_to_another_database_is_refused_before_anything_is_written(self, database, server, run_runner):
        with server.new_database() as other:
            before = contents_of(database), contents_of(other)
            result = run_runner("migrate", database=database, env={"MIGRATION_DATABASE_URL": other.url})
            assert result.returncode == 5
            (line,) = errors_in(result)
            assert f"leads to the database {database.name}, schema public, and MIGRATION_DATABASE_URL" in line
            assert line.endswith(
                f"to {other.name}, schema public, on the same server: expected the same schema; correct one of them"
            )
            assert "owner:owner" not in line
            assert (contents_of(database), contents_of(other)) == before

    def test_that_does_not_answer_is_told_by_its_name(self, database, run_runner):
        port = closed_port()
        url = f"postgresql://owner@127.0.0.1:{port}/x"
        env = {"MIGRATION_DATABASE_URL": url, "DATABASE_WAIT_SECONDS": "0", **SLOW_ANSWER}
        result = run_runner("migrate", database=database, env=env)
        assert result.returncode == 5
        (line,) = errors_in(result)
        assert line.startswith(f"Cannot reach PostgreSQL at 127.0.0.1:{port}/x after 0 s: Connection refused.")
        assert "or correct MIGRATION_DATABASE_URL (" in line
