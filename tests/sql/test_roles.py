"""The roles that are shipped as SQL: one that serves and can alter nothing, one that reads and can verify."""

import json
import re
import subprocess

import psycopg2
import pytest
from background import running
from installation import ROOT, contents_of, migration_files
from listeners import closed_port
from parts import postgres_binaries

from startup.catalog import YOYO_TABLES

# Each is refused to both roles.
ALTERATIONS = [
    "ALTER TABLE users ADD COLUMN mine TEXT",
    "DROP TABLE users",
    "DROP INDEX idx_users_role",
    "TRUNCATE users",
    "CREATE TABLE mine (id INTEGER)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE TRIGGER mine BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()",
    "ALTER POLICY for_the_app ON app_secrets USING (true)",
    "ALTER TABLE app_secrets DISABLE ROW LEVEL SECURITY",
    "ALTER POLICY for_the_app ON sign_in_credentials USING (true)",
    "ALTER TABLE sign_in_sessions DISABLE ROW LEVEL SECURITY",
    "INSERT INTO app_secrets (name, value) VALUES ('other', 'known')",
    "DELETE FROM app_secrets",
    "DELETE FROM _yoyo_migration",
    "UPDATE _yoyo_log SET username = 'nobody'",
    "INSERT INTO yoyo_lock (locked, pid) VALUES (1, 1)",
    "DELETE FROM startup_marks",
    "UPDATE migration_hashes SET raw_sha256 = ''",
    "SELECT archive_table('users')",
]
WRITES = [
    "INSERT INTO users (username) VALUES ('mallory')",
    "UPDATE settings SET currency = 'CHF'",
    "DELETE FROM projects",
    "SELECT setval('users_id_seq', 1)",
    "SELECT nextval('users_id_seq')",
]


# What the app's own role holds, and no more.
MADE = [
    table
    for file in migration_files()
    for table in re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+)", file.read_text("ascii"), re.MULTILINE)
]
WRITTEN = [
    table for table in MADE if table not in ("adoption_report", "migration_hashes", "startup_marks", "app_secrets")
]
SIGN_IN = [table for table in MADE if table.startswith("sign_in_")]
OF_ACCOUNTS = WRITTEN[WRITTEN.index("sign_in_credentials") :]
BOOKKEEPING = [*YOYO_TABLES, "adoption_report", "migration_hashes", "startup_marks"]
OF_THE_APP = {
    **dict.fromkeys(WRITTEN, "DELETE INSERT SELECT UPDATE"),
    **dict.fromkeys(BOOKKEEPING, "SELECT"),
    "app_secrets": "SELECT UPDATE",
}


@pytest.fixture
def filled(migrated, insert_rows, connect):
    """The same database with rows in every table."""
    migrated.execute("INSERT INTO users (username) VALUES ('bob'), ('carol')")
    migrated.execute("INSERT INTO projects (name, client) VALUES ('Garden', 'Example & Sons')")
    connection = connect(migrated)
    insert_rows(connection)
    connection.commit()
    return migrated


@pytest.fixture
def grant(server, migrated):
    """Return a function that makes a role, which the named file of sql/roles grants what it says."""
    migrated.let_only_the_owner_create()  # what the files ask for
    made = []

    def run(name: str) -> str:
        role = f"TimeTracker {name}-1"  # the name needs quotes in SQL
        server.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{role}'")
        made.append(role)
        result = psql(migrated, name, role)
        assert result.returncode == 0, result.stderr
        return role

    yield run
    for role in made:
        migrated.execute(f'DROP OWNED BY "{role}"', user="postgres")
        server.execute(f'DROP ROLE "{role}"')


def psql(database, name: str, role: str | None) -> subprocess.CompletedProcess[str]:
    """Run a file of sql/roles as the owner."""
    program = next(path / "psql" for path in postgres_binaries().values() if (path / "psql").exists())
    return subprocess.run(
        [
            program,
            "--no-psqlrc",
            "-q",
            *([] if role is None else ["-v", f"role={role}"]),
            "-f",
            ROOT / "sql" / "roles" / f"{name}.sql",
            database.url,
        ],
        capture_output=True,
        text=True,
    )


def held(database, role: str) -> dict[str, str]:
    """Return what a role was granted on which table."""
    return dict(
        database.query(
            "SELECT relname::text, string_agg(privilege_type, ' ' ORDER BY privilege_type)"
            " FROM pg_class CROSS JOIN aclexplode(relacl) WHERE grantee = %s::regrole AND relkind = 'r' GROUP BY 1",
            f'"{role}"',
        )
    )


def refused(database, sql: str, role: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        database.execute(sql, user=role)


@pytest.mark.needs("postgres15")
def test_each_table_of_the_app_is_among_those_whose_privileges_a_start_looks_at():
    catalog = (ROOT / "sql" / "runner" / "catalog.sql").read_text("ascii")
    assert "company_logo" in OF_ACCOUNTS
    assert [table for table in OF_ACCOUNTS if f"'{table}'" not in catalog] == []


class TestTheApp:
    def test_serves_a_current_database_with_the_generated_key(self, migrated, grant, tmp_path):
        role = grant("app")
        before = contents_of(migrated)
        port = closed_port()
        env = {"PORT": str(port), "WEB_CONCURRENCY": "1"}
        with running("serve", migrated.url_as(role), tmp_path / "log", **env) as runner:
            assert runner.get(port) == (200, "ok")
            assert runner.get(port, "/readyz")[0] == 200
            assert "<h1>Sign in</h1>" in runner.get(port, "/")[1]
            assert [line for line in runner.lines if "warning" in line or "notice" in line] == []
        assert contents_of(migrated) == before

    def test_sees_the_key_and_cannot_change_it(self, migrated, grant):
        role = grant("app")
        before = migrated.query("SELECT value FROM app_secrets")
        assert migrated.query("SELECT value FROM app_secrets", user=role) == before
        migrated.execute("UPDATE app_secrets SET value = 'known'", user=role)
        assert migrated.query("SELECT value FROM app_secrets") == before

    def test_writes_the_rows_of_the_app(self, migrated, grant):
        role = grant("app")
        migrated.execute("INSERT INTO users (username) VALUES ('alice')", user=role)
        migrated.execute("UPDATE users SET role = 'admin' WHERE username = 'alice'", user=role)
        migrated.execute("INSERT INTO analytics (day, metric, value) VALUES ('2024-01-01', 'n', 1)", user=role)
        migrated.execute("DELETE FROM users WHERE username = 'alice'", user=role)

    def test_writes_the_rows_of_accounts(self, filled, grant, insert_rows, connect):
        connection = connect(filled, grant("app"))
        with connection.cursor() as cursor:
            for change in ("UPDATE {} SET id = id", "DELETE FROM {}"):
                for table in OF_ACCOUNTS:
                    cursor.execute(change.format(table))
                    assert cursor.rowcount > 0, table
            insert_rows(connection)
            for table in OF_ACCOUNTS:
                cursor.execute(f"SELECT FROM {table}")
                assert cursor.rowcount > 0, table

    @pytest.mark.parametrize("table", ["sign_in_sessions", "deleted_time_entries"])
    def test_that_may_not_write_a_table_of_accounts_is_not_served(self, migrated, grant, run_runner, table):
        role = grant("app")
        migrated.execute(f'REVOKE DELETE ON {table} FROM "{role}"')
        result = run_runner("serve", database=migrated.url_as(role))
        assert result.returncode == 5
        remedy = f"psql -v role='{role}' -f sql/roles/app.sql, run as their owner"  # as a shell takes it
        assert f"Role {role} may not read and write {table}: {remedy}" in result.stderr

    def test_can_alter_nothing(self, migrated, grant):
        role = grant("app")
        before = contents_of(migrated)
        for sql in ALTERATIONS:
            refused(migrated, sql, role)
        assert contents_of(migrated) == before

    def test_may_use_the_tables_of_later_versions(self, migrated, grant):
        role = grant("app")
        migrated.execute("CREATE TABLE later (id SERIAL PRIMARY KEY)")
        migrated.execute("INSERT INTO later DEFAULT VALUES; UPDATE later SET id = 2; DELETE FROM later", user=role)
        refused(migrated, "ALTER TABLE later ADD COLUMN mine TEXT", role)

    def test_holds_no_more_than_it_needs(self, migrated, grant):
        role = grant("app")
        assert held(migrated, role) == OF_THE_APP

    def test_loses_what_the_default_privileges_gave_when_it_is_run_again(self, migrated, grant, run_runner):
        role = grant("app")
        migrated.execute(f"DROP TABLE {', '.join(BOOKKEEPING)}, app_secrets")
        assert run_runner("migrate", database=migrated).returncode == 0
        assert held(migrated, role)["_yoyo_migration"] == "DELETE INSERT SELECT UPDATE"

        migrated.execute(f'GRANT TRUNCATE ON _yoyo_log, app_secrets TO "{role}"')
        assert psql(migrated, "app", role).returncode == 0
        assert held(migrated, role) == OF_THE_APP
        before = contents_of(migrated)
        for sql in ALTERATIONS:
            refused(migrated, sql, role)
        assert contents_of(migrated) == before

    def test_is_refused_to_a_role_that_could_create(self, migrated, server):
        server.create_role("alice")
        migrated.execute("GRANT CREATE ON SCHEMA public TO alice", user="postgres")
        before = contents_of(migrated)
        result = psql(migrated, "app", "alice")
        assert result.returncode == 3
        assert "REVOKE CREATE ON SCHEMA public FROM PUBLIC, alice" in result.stderr
        assert contents_of(migrated) == before
        migrated.execute("DROP OWNED BY alice", user="postgres")
        server.execute("DROP ROLE alice")

    def test_is_refused_to_the_owner(self, migrated):
        assert psql(migrated, "app", "owner").returncode == 3

    @pytest.mark.parametrize("name", ["app", "reader"])
    def test_needs_a_name(self, name, migrated):
        result = psql(migrated, name, None)
        assert result.returncode == 3
        named = "timetracker_app" if name == "app" else "timetracker_reader"
        expected = f"ERROR:  No role is named: psql -v role={named} -f sql/roles/{name}.sql"
        assert result.stderr.splitlines()[0].endswith(expected), result.stderr

    def test_cannot_migrate_and_is_told_so(self, migrated, grant, run_runner):
        role = grant("app")
        migrated.execute("DROP TABLE analytics")
        result = run_runner("migrate", database=migrated.url_as(role))
        assert result.returncode == 1
        assert f"Role {role} lacks" in result.stderr


@pytest.mark.needs("postgres15")
class TestTheReader:
    def test_verifies_everything(self, migrated, grant, run_runner):
        url = migrated.url_as(grant("reader"))
        result = run_runner("verify", "--json", database=url)
        assert (result.returncode, json.loads(result.stdout)["differences"]) == (0, [])
        mine, owners = (run_runner("status", "--json", database=each) for each in (url, migrated))
        assert (mine.returncode, mine.stdout) == (0, owners.stdout)

    def test_sees_no_secret_even_if_it_is_granted_every_table(self, migrated, grant):
        role = grant("reader")
        refused(migrated, "SELECT FROM app_secrets", role)
        migrated.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
        assert migrated.query("SELECT * FROM app_secrets", user=role) == []

    def test_sees_nothing_of_who_signs_in_even_if_it_is_granted_every_table(self, filled, grant):
        role = grant("reader")
        assert len(SIGN_IN) == 4
        for table in SIGN_IN:
            refused(filled, f"SELECT FROM {table}", role)
        filled.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
        for table in SIGN_IN:
            assert filled.query(f"SELECT count(*) > 0 FROM {table}") == [(True,)]
            assert filled.query(f"SELECT * FROM {table}", user=role) == []

    def test_sees_nothing_of_who_signs_in_where_such_a_table_was_made_again(self, migrated, grant, run_runner):
        """The default privileges give it SELECT."""
        role = grant("reader")
        migrated.execute("DROP TABLE sign_in_sessions")
        assert run_runner("migrate", database=migrated).returncode == 0
        migrated.execute(
            "INSERT INTO sign_in_sessions (user_id, token_sha256, expires_at) SELECT id, '', now() FROM users"
        )
        assert migrated.query("SELECT * FROM sign_in_sessions", user=role) == []

    def test_can_alter_and_write_nothing(self, migrated, grant):
        role = grant("reader")
        before = contents_of(migrated)
        for sql in [*ALTERATIONS, *WRITES]:
            refused(migrated, sql, role)
        assert contents_of(migrated) == before

    def test_may_read_the_tables_of_later_versions(self, migrated, grant):
        role = grant("reader")
        migrated.execute("CREATE TABLE later (id SERIAL PRIMARY KEY); INSERT INTO later DEFAULT VALUES")
        assert migrated.query("SELECT id, (SELECT last_value FROM later_id_seq) FROM later", user=role) == [(1, 1)]


@pytest.mark.only_pg("pg15")
def test_a_dump_by_the_owner_holds_the_secret(migrated):
    program = postgres_binaries()[15] / "pg_dump"
    dump = subprocess.run([program, migrated.url], check=True, capture_output=True, text=True).stdout
    assert migrated.query("SELECT value FROM app_secrets")[0][0] in dump
    assert "CREATE POLICY for_the_app" in dump
