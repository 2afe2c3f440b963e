"""Each damage is told as what it is, no more and no less, and a remedy that is SQL mends it."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from installation import for_one_transaction, migration_files

from startup.catalog import read_snapshot, read_state
from startup.verification import verify


@dataclass(frozen=True)
class Damage:
    """SQL that damages a healthy schema, and what verification must say: 'kind severity object'."""

    name: str
    sql: str
    told: tuple[str, ...]


def damage(name: str, sql: str, *told: str, since: int = 14):
    return pytest.param(Damage(name, sql, told), id=name, marks=pytest.mark.since_pg(since))


TABLES = [
    damage(
        "a view in place of a table",
        "DROP TABLE analytics; CREATE VIEW analytics AS SELECT current_date AS day",
        "missing error table analytics",
    ),
    damage(
        "a table that shows the rows of another",
        "CREATE TABLE former_users () INHERITS (users)",
        "changed warning table users",
        "extra notice table former_users",
    ),
    damage("a missing table is one difference", "DROP TABLE invoice_items", "missing error table invoice_items"),
    damage(
        "a missing table takes the foreign keys of others with it",
        "DROP TABLE invoices CASCADE",
        "missing error foreign key invoice_items.invoice_id",
        "missing error table invoices",
    ),
    damage(
        "a partitioned table",
        """
        DROP TABLE analytics;
        CREATE TABLE analytics (
            day DATE NOT NULL, metric VARCHAR(100) NOT NULL, value NUMERIC NOT NULL, PRIMARY KEY (day, metric)
        ) PARTITION BY RANGE (day);
        """,
        "changed error table analytics",
    ),
    damage(
        "row security",
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON users USING (true)",
        "changed error table users",
    ),
    damage(
        "forced row security",
        "ALTER TABLE app_secrets FORCE ROW LEVEL SECURITY",
        "changed error table app_secrets",
    ),
    damage(
        "no row security on the secrets",
        "ALTER TABLE app_secrets DISABLE ROW LEVEL SECURITY",
        "changed error table app_secrets",
    ),
    damage(
        "a policy that shows the secrets",
        'CREATE POLICY "For all" ON app_secrets USING (true)',
        "changed error table app_secrets",
    ),
    damage(
        "rules",
        """
        CREATE RULE "No delete" AS ON DELETE TO users DO INSTEAD NOTHING;
        CREATE RULE no_insert AS ON INSERT TO users DO INSTEAD NOTHING;
        """,
        "changed error table users",
    ),
    damage("an unlogged table", "ALTER TABLE invoice_items SET UNLOGGED", "changed warning table invoice_items"),
    damage("an extra table", "CREATE TABLE mine (id INTEGER NOT NULL)", "extra notice table mine"),
    damage(
        "an extra table with a dot in its name",
        'CREATE TABLE "users.id" (own INTEGER NOT NULL UNIQUE)',
        'extra notice table "users.id"',
    ),
    damage("settings without a row", "DELETE FROM settings", "missing warning row settings"),
]

COLUMNS = [
    damage("a missing column", "ALTER TABLE users DROP last_login", "missing error column users.last_login"),
    damage(
        "a missing column that must have a value",
        "ALTER TABLE invoices DROP client_name",
        "missing error column invoices.client_name",
    ),
    damage(
        "a missing column with all that hangs on it",
        "ALTER TABLE invoices DROP project_id",
        "missing error column invoices.project_id",
        "missing error foreign key invoices.project_id",
        "missing warning index invoices.idx_invoices_project_id",
    ),
    damage(
        "a missing id",
        "ALTER TABLE invoice_items DROP id",
        "missing error column invoice_items.id",
        "missing error primary key invoice_items",
    ),
    damage(
        "a missing default",
        "ALTER TABLE projects ALTER status DROP DEFAULT",
        "changed error column projects.status",
    ),
    damage(
        "another default",
        "ALTER TABLE settings ALTER timezone SET DEFAULT 'UTC'",
        "changed error column settings.timezone",
    ),
    damage(
        "an added default",
        "ALTER TABLE projects ALTER client SET DEFAULT ''",
        "changed warning column projects.client",
    ),
    damage(
        "a column that takes no NULL",
        "ALTER TABLE tasks ALTER due_date SET NOT NULL",
        "changed error column tasks.due_date",
    ),
    damage("a column that takes NULL", "ALTER TABLE tasks ALTER name DROP NOT NULL", "changed error column tasks.name"),
    damage(
        "everything about a column",
        """
        ALTER TABLE users
            ALTER role TYPE VARCHAR(7) COLLATE "C",
            ALTER role SET DEFAULT 'admin',
            ALTER role DROP NOT NULL;
        """,
        "changed error column users.role",
    ),
    damage(
        "another type",
        "ALTER TABLE tasks ALTER estimated_hours TYPE DOUBLE PRECISION",
        "changed error column tasks.estimated_hours",
    ),
    damage(
        "another type with a default",
        """
        ALTER TABLE settings
            ALTER rounding_minutes DROP DEFAULT,
            ALTER rounding_minutes TYPE TEXT,
            ALTER rounding_minutes SET DEFAULT 'one';
        """,
        "changed error column settings.rounding_minutes",
    ),
    damage(
        "times with a zone",
        "ALTER TABLE time_entries ALTER start_time TYPE TIMESTAMPTZ",
        "changed error column time_entries.start_time",
    ),
    damage(
        "times cut to seconds",
        "ALTER TABLE time_entries ALTER end_time TYPE TIMESTAMP(0)",
        "changed error column time_entries.end_time",
    ),
    damage(
        "a shorter varchar", "ALTER TABLE users ALTER username TYPE VARCHAR(50)", "changed error column users.username"
    ),
    damage(
        "varchar for text",
        "ALTER TABLE projects ALTER description TYPE VARCHAR(500)",
        "changed error column projects.description",
    ),
    damage(
        "a smaller integer",
        "ALTER TABLE tasks ALTER assigned_to TYPE SMALLINT",
        "changed error column tasks.assigned_to",
    ),
    damage(
        "a numeric with fewer digits",
        "ALTER TABLE invoices ALTER subtotal TYPE NUMERIC(8, 2)",
        "changed error column invoices.subtotal",
    ),
    damage(
        "a numeric with fewer decimals",
        "ALTER TABLE invoices ALTER subtotal TYPE NUMERIC(12, 1)",
        "changed error column invoices.subtotal",
    ),
    damage(
        "a numeric with decimals instead of digits",
        "ALTER TABLE invoices ALTER subtotal TYPE NUMERIC(10, 4)",
        "changed error column invoices.subtotal",
    ),
    damage(
        "a numeric with a bound",
        "ALTER TABLE analytics ALTER value TYPE NUMERIC(20, 2)",
        "changed error column analytics.value",
    ),
    damage(
        "a longer varchar", "ALTER TABLE users ALTER username TYPE VARCHAR(81)", "changed notice column users.username"
    ),
    damage("text for varchar", "ALTER TABLE users ALTER role TYPE TEXT", "changed notice column users.role"),
    damage(
        "varchar without a length for text",
        "ALTER TABLE projects ALTER description TYPE VARCHAR",
        "changed notice column projects.description",
    ),
    damage(
        "text for varchar, and another default",
        "ALTER TABLE users ALTER role TYPE TEXT, ALTER role SET DEFAULT 'admin'",
        "changed error column users.role",
    ),
    damage(
        "bigint for integer",
        "ALTER TABLE tasks ALTER assigned_to TYPE BIGINT",
        "changed notice column tasks.assigned_to",
    ),
    damage("a bigint id", "ALTER TABLE users ALTER id TYPE BIGINT", "changed notice column users.id"),
    damage(
        "a larger numeric",
        "ALTER TABLE invoices ALTER subtotal TYPE NUMERIC(12, 2)",
        "changed notice column invoices.subtotal",
    ),
    damage(
        "a numeric without a bound",
        "ALTER TABLE invoices ALTER subtotal TYPE NUMERIC",
        "changed notice column invoices.subtotal",
    ),
    damage(
        "another collation",
        'ALTER TABLE projects ALTER name TYPE VARCHAR(200) COLLATE "C"',
        "changed warning column projects.name",
    ),
    damage(
        "another collation on a wider type",
        'ALTER TABLE projects ALTER name TYPE TEXT COLLATE "C"',
        "changed warning column projects.name",
    ),
    damage(
        "a computed column",
        """
        ALTER TABLE invoices
            DROP total_amount, ADD total_amount NUMERIC(10, 2) NOT NULL GENERATED ALWAYS AS (subtotal * 2) STORED;
        """,
        "changed error column invoices.total_amount",
    ),
    damage(
        "a column computed when read",
        """
        ALTER TABLE invoices
            DROP total_amount, ADD total_amount NUMERIC(10, 2) NOT NULL GENERATED ALWAYS AS (subtotal * 2) VIRTUAL;
        """,
        "changed error column invoices.total_amount",
        since=18,
    ),
    damage("an extra column", "ALTER TABLE users ADD email TEXT", "extra notice column users.email"),
    damage(
        "an extra column that must have a value",
        "ALTER TABLE time_entries ADD start_utc TIMESTAMP NOT NULL",
        "extra error column time_entries.start_utc",
    ),
    damage(
        "an extra column that fills itself",
        """
        ALTER TABLE users
            ADD a INTEGER NOT NULL DEFAULT 1,
            ADD "b.c" INTEGER NOT NULL GENERATED ALWAYS AS (id * 2) STORED,
            ADD d SERIAL,
            ADD e INTEGER GENERATED ALWAYS AS IDENTITY;
        """,
        'extra notice column users."b.c"',
        "extra notice column users.a",
        "extra notice column users.d",
        "extra notice column users.e",
    ),
]

SEQUENCES = [
    damage(
        "a sequence that has come to its end",
        "ALTER SEQUENCE users_id_seq MAXVALUE 9 RESTART WITH 9; SELECT nextval('users_id_seq')",
        "changed error sequence users.id",
    ),
    damage(
        "a sequence that has come to the end of the integers",
        "ALTER SEQUENCE users_id_seq RESTART WITH 2147483647; SELECT nextval('users_id_seq')",
        "changed error sequence users.id",
    ),
    damage("a sequence behind", "ALTER SEQUENCE users_id_seq RESTART", "changed error sequence users.id"),
    damage(
        "a sequence far behind",
        "INSERT INTO projects (id, name, client) VALUES (41, 'Garden', 'Alice')",
        "changed error sequence projects.id",
    ),
    damage("an id without a default", "ALTER TABLE users ALTER id DROP DEFAULT", "changed error column users.id"),
    damage("an id without its sequence", "DROP SEQUENCE users_id_seq CASCADE", "changed error column users.id"),
    damage(
        "a sequence that belongs to nobody",
        "ALTER SEQUENCE users_id_seq OWNED BY NONE",
        "changed error column users.id",
    ),
    damage(
        "the sequence of another table",
        "ALTER TABLE users ALTER id SET DEFAULT nextval('projects_id_seq')",
        "changed error column users.id",
    ),
    damage(
        "the sequence of another table, and its own is gone",
        "ALTER TABLE users ALTER id SET DEFAULT nextval('projects_id_seq'); DROP SEQUENCE users_id_seq",
        "changed error column users.id",
    ),
    damage(
        "an identity that takes values",
        "ALTER TABLE users ALTER id DROP DEFAULT, ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START WITH 7)",
        "changed notice column users.id",
    ),
    damage(
        "an identity that takes no values",
        "ALTER TABLE users ALTER id DROP DEFAULT, ALTER id ADD GENERATED ALWAYS AS IDENTITY (START WITH 7)",
        "changed error column users.id",
    ),
    damage(
        "an identity behind",
        "ALTER TABLE users ALTER id DROP DEFAULT, ALTER id ADD GENERATED BY DEFAULT AS IDENTITY",
        "changed error sequence users.id",
        "changed notice column users.id",
    ),
]

KEYS = [
    damage(
        "a missing primary key",
        "ALTER TABLE invoice_items DROP CONSTRAINT invoice_items_pkey",
        "missing error primary key invoice_items",
    ),
    damage(
        "a primary key over other columns",
        "ALTER TABLE analytics DROP CONSTRAINT analytics_pkey, ADD PRIMARY KEY (metric)",
        "changed error primary key analytics",
    ),
    damage(
        "a primary key that is checked later",
        "ALTER TABLE invoice_items DROP CONSTRAINT invoice_items_pkey, ADD PRIMARY KEY (id) DEFERRABLE",
        "changed error primary key invoice_items",
    ),
    damage(
        "a missing unique key",
        "ALTER TABLE users DROP CONSTRAINT users_username_key",
        "missing error unique users.username",
    ),
    damage(
        "a unique key that is checked later",
        "ALTER TABLE users DROP CONSTRAINT users_username_key, ADD UNIQUE (username) DEFERRABLE",
        "changed error unique users.username",
    ),
    damage(
        "a unique key that takes one NULL",
        "ALTER TABLE users DROP CONSTRAINT users_username_key, ADD UNIQUE NULLS NOT DISTINCT (username)",
        "changed error unique users.username",
        since=15,
    ),
    damage(
        "a unique key over more columns",
        "ALTER TABLE users DROP CONSTRAINT users_username_key, ADD UNIQUE (username, role)",
        "extra warning unique users.username,role",
        "missing error unique users.username",
    ),
    damage(
        "a unique index over some of the rows in place of a unique key",
        """
        ALTER TABLE users DROP CONSTRAINT users_username_key;
        CREATE UNIQUE INDEX users_username_key ON users (username) WHERE is_active;
        """,
        "extra warning index users.users_username_key",
        "missing error unique users.username",
    ),
    damage(
        "a unique key that was left invalid",
        """
        ALTER TABLE users DROP CONSTRAINT users_username_key;
        CREATE UNIQUE INDEX users_username_key ON users (username);
        RESET ROLE;
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_username_key'::regclass;
        SET LOCAL ROLE owner;
        """,
        "extra warning index users.users_username_key",
        "missing error unique users.username",
    ),
    damage(
        "an extra unique constraint",
        'ALTER TABLE projects ADD CONSTRAINT "One each" UNIQUE (name, client)',
        "extra warning unique projects.name,client",
    ),
    damage("an extra unique index", "CREATE UNIQUE INDEX ON projects (name)", "extra warning unique projects.name"),
    damage(
        "an extra unique index over some of the rows",
        "CREATE UNIQUE INDEX one_timer ON time_entries (user_id) WHERE end_time IS NULL",
        "extra warning index time_entries.one_timer",
    ),
    damage(
        "an extra unique index over an expression",
        "CREATE UNIQUE INDEX one_name ON users (lower(username))",
        "extra warning index users.one_name",
    ),
]

FOREIGN_KEYS = [
    damage(
        "a missing foreign key",
        "ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey",
        "missing error foreign key tasks.created_by",
    ),
    damage(
        "a foreign key with another action",
        """
        ALTER TABLE time_entries DROP CONSTRAINT time_entries_task_id_fkey;
        ALTER TABLE time_entries ADD FOREIGN KEY (task_id) REFERENCES tasks ON DELETE CASCADE;
        """,
        "changed error foreign key time_entries.task_id",
    ),
    damage(
        "a foreign key with an action on updates",
        """
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE tasks ADD FOREIGN KEY (created_by) REFERENCES users ON UPDATE CASCADE;
        """,
        "changed error foreign key tasks.created_by",
    ),
    damage(
        "a foreign key that is checked later",
        "ALTER TABLE tasks ALTER CONSTRAINT tasks_created_by_fkey DEFERRABLE",
        "changed error foreign key tasks.created_by",
    ),
    damage(
        "a foreign key to another table",
        """
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE tasks ADD CONSTRAINT "Made by" FOREIGN KEY (created_by) REFERENCES projects;
        """,
        "changed error foreign key tasks.created_by",
    ),
    damage(
        "a foreign key to another schema",
        """
        CREATE SCHEMA other;
        CREATE TABLE other.users (id INTEGER PRIMARY KEY);
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE tasks ADD FOREIGN KEY (created_by) REFERENCES other.users;
        """,
        "changed error foreign key tasks.created_by",
    ),
    damage(
        "a foreign key that is not enforced",
        """
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE tasks ADD FOREIGN KEY (created_by) REFERENCES users NOT ENFORCED;
        """,
        "changed error foreign key tasks.created_by",
        since=18,
    ),
    damage(
        "a foreign key that is not validated",
        """
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE tasks ADD CONSTRAINT "Made by" FOREIGN KEY (created_by) REFERENCES users NOT VALID;
        """,
        "not_validated warning foreign key tasks.created_by",
    ),
    damage(
        "a second foreign key on a column, with another action",
        'ALTER TABLE tasks ADD CONSTRAINT "Second" FOREIGN KEY (project_id) REFERENCES projects',
        "extra warning foreign key tasks.project_id",
    ),
    damage(
        "two wrong foreign keys on a column",
        """
        ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_fkey;
        ALTER TABLE tasks ADD FOREIGN KEY (project_id) REFERENCES projects;
        ALTER TABLE tasks ADD FOREIGN KEY (project_id) REFERENCES projects ON DELETE SET NULL;
        """,
        "changed error foreign key tasks.project_id",
        "extra warning foreign key tasks.project_id",
    ),
    damage(
        "an extra foreign key",
        "ALTER TABLE invoice_items ADD FOREIGN KEY (description) REFERENCES users (username)",
        "extra warning foreign key invoice_items.description",
    ),
]

CHECKS = [
    damage(
        "a NOT NULL that was never checked",
        "ALTER TABLE users ALTER username DROP NOT NULL;"
        "ALTER TABLE users ADD CONSTRAINT named NOT NULL username NOT VALID",
        "not_validated warning check users.named",
        since=18,
    ),
    damage(
        "an extra check",
        "ALTER TABLE users ADD CONSTRAINT \"Not 'root'\" CHECK (username <> 'root')",
        "extra warning check users.\"Not 'root'\"",
    ),
    damage(
        "an extra check that is not validated",
        "ALTER TABLE users ADD CONSTRAINT no_root CHECK (username <> 'root') NOT VALID",
        "extra warning check users.no_root",
    ),
    damage(
        "an extra check that is not enforced",
        "ALTER TABLE users ADD CONSTRAINT no_root CHECK (username <> 'root') NOT ENFORCED",
        "extra warning check users.no_root",
        since=18,
    ),
    damage(
        "an exclusion constraint",
        "ALTER TABLE projects ADD CONSTRAINT one_name EXCLUDE USING hash (name WITH =)",
        "extra warning check projects.one_name",
    ),
]

INDEXES = [
    damage("a missing index", "DROP INDEX idx_tasks_status", "missing warning index tasks.idx_tasks_status"),
    damage(
        "an index of the right name over another column",
        "DROP INDEX idx_tasks_status; CREATE INDEX idx_tasks_status ON tasks (priority)",
        "changed warning index tasks.idx_tasks_status",
    ),
    damage(
        "an index over some of the rows",
        "DROP INDEX idx_tasks_status; CREATE INDEX idx_tasks_status ON tasks (status) WHERE due_date IS NULL",
        "changed warning index tasks.idx_tasks_status",
    ),
    damage(
        "an index of another kind",
        "DROP INDEX idx_tasks_status; CREATE INDEX idx_tasks_status ON tasks USING hash (status)",
        "changed warning index tasks.idx_tasks_status",
    ),
    damage(
        "an index that became unique",
        "DROP INDEX idx_tasks_status; CREATE UNIQUE INDEX idx_tasks_status ON tasks (status)",
        "extra warning unique tasks.status",
        "missing warning index tasks.idx_tasks_status",
    ),
    damage(
        "an invalid index",
        """
        RESET ROLE;
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_tasks_status'::regclass;
        SET LOCAL ROLE owner;
        """,
        "invalid warning index tasks.idx_tasks_status",
    ),
    damage(
        "an index on the table of the same name in another schema",
        """
        CREATE SCHEMA other;
        CREATE TABLE other.tasks (status TEXT);
        DROP INDEX idx_tasks_status;
        CREATE INDEX idx_tasks_status ON other.tasks (status);
        """,
        "missing warning index tasks.idx_tasks_status",
    ),
    damage(
        "an index of another table that has the name",
        """
        DROP INDEX idx_tasks_status;
        CREATE TABLE "Old tasks" AS TABLE tasks;
        CREATE INDEX idx_tasks_status ON "Old tasks" (status);
        """,
        'extra notice table "Old tasks"',
        "missing warning index tasks.idx_tasks_status",
    ),
]

TRIGGERS = [
    damage(
        "a missing trigger",
        "DROP TRIGGER update_users_updated_at ON users",
        "missing error trigger users.update_users_updated_at",
    ),
    damage(
        "a disabled trigger",
        "ALTER TABLE users DISABLE TRIGGER update_users_updated_at",
        "changed error trigger users.update_users_updated_at",
    ),
    damage(
        "a trigger for replicas only",
        "ALTER TABLE users ENABLE REPLICA TRIGGER update_users_updated_at",
        "changed error trigger users.update_users_updated_at",
    ),
    damage(
        "a changed trigger",
        """
        CREATE OR REPLACE TRIGGER update_users_updated_at BEFORE UPDATE OF role ON users
        FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
        """,
        "changed error trigger users.update_users_updated_at",
    ),
    damage(
        "a trigger that calls the function of another schema",
        """
        CREATE SCHEMA other;
        CREATE FUNCTION other.update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE OR REPLACE TRIGGER update_users_updated_at BEFORE UPDATE ON users
        FOR EACH ROW EXECUTE FUNCTION other.update_updated_at_column();
        """,
        "changed error trigger users.update_users_updated_at",
    ),
    damage(
        "an extra trigger",
        """
        CREATE TRIGGER "Keep" BEFORE DELETE ON users
        FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
        """,
        'extra warning trigger users."Keep"',
    ),
    damage(
        "a changed function",
        """
        CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql
        AS 'BEGIN RETURN NEW; END';
        """,
        "changed error function update_updated_at_column()",
    ),
    damage(
        "a function with other rights",
        "ALTER FUNCTION update_updated_at_column() SECURITY DEFINER SET search_path = pg_catalog",
        "changed error function update_updated_at_column()",
    ),
    damage(
        "a missing function takes the triggers with it",
        "DROP FUNCTION update_updated_at_column CASCADE",
        "missing error function update_updated_at_column()",
        *(
            f"missing error trigger {table}.update_{table}_updated_at"
            for table in ("invoices", "projects", "settings", "tasks", "time_entries", "users")
        ),
    ),
]

FOR_A_PERSON = [
    damage(
        "a view that the search_path leads to first",
        "RESET ROLE; CREATE SCHEMA before_it AUTHORIZATION owner; SET LOCAL ROLE owner;"
        "CREATE VIEW before_it.users AS SELECT 1 AS id; SET LOCAL search_path = before_it, public",
        "extra error table users",
    ),
    damage(
        "a table that the search_path leads to first",
        "RESET ROLE; CREATE SCHEMA before_it AUTHORIZATION owner; SET LOCAL ROLE owner;"
        "CREATE TABLE before_it.app_secrets (); SET LOCAL search_path = before_it, public",
        "extra error table app_secrets",
    ),
    damage(
        "a foreign key that was switched off",
        "RESET ROLE; ALTER TABLE invoice_items DISABLE TRIGGER ALL; SET LOCAL ROLE owner",
        "changed error foreign key invoice_items.invoice_id",
    ),
]

NO_DIFFERENCE = [
    damage("a sequence that has one value left", "ALTER SEQUENCE users_id_seq RESTART WITH 2147483647"),
    damage(
        "a view behind the schema in use",
        "RESET ROLE; CREATE SCHEMA behind_it AUTHORIZATION owner; SET LOCAL ROLE owner;"
        "CREATE VIEW behind_it.users AS SELECT 1 AS id; SET LOCAL search_path = public, behind_it",
    ),
    damage(
        "a unique index serves as the unique key",
        """
        ALTER TABLE users DROP CONSTRAINT users_username_key;
        CREATE UNIQUE INDEX ix_users_username ON users (username);
        """,
    ),
    damage(
        "a second unique key that is checked later",
        "ALTER TABLE users ADD UNIQUE (username) DEFERRABLE",
    ),
    damage(
        "a primary key that carries another column",
        "ALTER TABLE invoice_items DROP CONSTRAINT invoice_items_pkey, ADD PRIMARY KEY (id) INCLUDE (invoice_id)",
    ),
    damage(
        "keys, sequences and foreign keys under other names",
        """
        ALTER TABLE invoice_items RENAME CONSTRAINT invoice_items_pkey TO "Primary";
        ALTER TABLE users RENAME CONSTRAINT users_username_key TO "One name";
        ALTER TABLE tasks RENAME CONSTRAINT tasks_created_by_fkey TO "Made by";
        ALTER SEQUENCE users_id_seq RENAME TO "Users";
        """,
    ),
    damage(
        "the same foreign key twice",
        "ALTER TABLE tasks ADD FOREIGN KEY (project_id) REFERENCES projects ON DELETE CASCADE",
    ),
    damage(
        "a second sequence that belongs to the column and is not used",
        "CREATE SEQUENCE a_sequence OWNED BY users.id; CREATE SEQUENCE z_sequence OWNED BY users.id",
    ),
    damage(
        "defaults that only read differently",
        """
        ALTER TABLE invoices ALTER subtotal SET DEFAULT '0', ALTER tax_rate SET DEFAULT 0.00;
        ALTER TABLE invoice_items ALTER quantity SET DEFAULT '1'::NUMERIC;
        ALTER TABLE users ALTER role SET DEFAULT 'user'::TEXT, ALTER created_at SET DEFAULT now();
        ALTER TABLE settings ALTER rounding_minutes SET DEFAULT '1';
        """,
    ),
    damage(
        "a text default that reads like a number", "ALTER TABLE settings ALTER backup_time SET DEFAULT '02:00'::TEXT"
    ),
    damage(
        "a plain index, a function, a view, a sequence and a type of somebody else",
        """
        CREATE INDEX ix_users_role ON users (role, username);
        CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1';
        CREATE AGGREGATE mine_sum(INTEGER) (SFUNC = int4pl, STYPE = INTEGER);
        CREATE PROCEDURE mine_too() LANGUAGE sql AS 'SELECT 1';
        CREATE VIEW mine_users AS SELECT id FROM users;
        CREATE SEQUENCE mine_id_seq;
        CREATE DOMAIN mine_text AS TEXT;
        """,
    ),
    damage(
        "an extension with views and functions",
        "RESET ROLE; CREATE EXTENSION pg_stat_statements; SET LOCAL ROLE owner",
    ),
    damage(
        "what does not concern the schema",
        """
        COMMENT ON TABLE users IS 'Alice, Bob and Carol';
        ALTER TABLE users ALTER username SET STATISTICS 500, SET (fillfactor = 70);
        CREATE STATISTICS mine ON role, is_active FROM users;
        GRANT SELECT ON users TO PUBLIC;
        """,
    ),
    damage(
        "tables of the same names in another schema",
        """
        CREATE SCHEMA other;
        CREATE TABLE other.users (id SERIAL PRIMARY KEY, username INTEGER NOT NULL UNIQUE);
        INSERT INTO other.users VALUES (99, 1);
        CREATE RULE nothing AS ON DELETE TO other.users DO INSTEAD NOTHING;
        ALTER TABLE other.users ENABLE ROW LEVEL SECURITY;
        CREATE TABLE other.tasks (user_id INTEGER REFERENCES other.users);
        CREATE TRIGGER update_users_updated_at BEFORE DELETE ON other.users
        FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
        """,
    ),
]

EVERY = [*TABLES, *COLUMNS, *SEQUENCES, *KEYS, *FOREIGN_KEYS, *CHECKS, *INDEXES, *TRIGGERS]


@pytest.fixture(scope="module")
def healthy(server, run_runner):
    """A migrated database that every test here damages and none harms: all of it is rolled back."""
    with server.new_database() as database:
        result = run_runner("migrate", database=database)
        assert result.returncode == 0, result.stderr
        yield database


@pytest.fixture
def connection(healthy) -> Iterator:
    """A connection as the owner, in a transaction that is rolled back; RESET ROLE makes it the superuser."""
    with contextlib.closing(healthy.connect("postgres")) as connection:
        connection.autocommit = False
        run(connection, "SET LOCAL ROLE owner")
        yield connection
        connection.rollback()


def run(connection, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def found_by_verification(connection) -> dict[str, str]:
    """What verification says: 'kind severity object' -> remedy."""
    differences = verify(connection).differences
    return {f"{found.kind} {found.severity} {found.object}": found.remedy for found in differences}


@pytest.mark.parametrize("damage", [*EVERY, *FOR_A_PERSON, *NO_DIFFERENCE])
def test_it_tells(connection, damage):
    run(connection, damage.sql)

    assert sorted(found_by_verification(connection)) == sorted(damage.told)


def test_the_sequence_of_every_serial_column_is_looked_at_and_nobody_elses(connection):
    """The statement that asks for them knows our tables by a list of its own, without the bookkeeping."""
    run(connection, "CREATE TABLE mine (id SERIAL PRIMARY KEY)")
    serial = {name.removeprefix("column ") for name, text in read_snapshot().items() if text.endswith(" SERIAL")}
    assert set(read_state(connection).positions) == serial - {"adoption_report.id"}


@pytest.mark.parametrize("damage", EVERY)
def test_the_remedy_mends(connection, damage):
    run(connection, damage.sql)
    damaged = found_by_verification(connection)

    for found, remedy in damaged.items():
        if found not in found_by_verification(connection):
            continue  # an earlier remedy mended this too
        if remedy.startswith(("ALTER ", "CREATE ", "DROP ")):
            run(connection, remedy.replace(" CONCURRENTLY", ""))  # no transaction takes it
        if "python runner.py migrate" in remedy:
            replay(connection)

    left = found_by_verification(connection)
    assert {
        found: remedy for found, remedy in damaged.items() if found in left and not remedy.startswith(NOT_FOR_A_REPLAY)
    } == {}
    assert [found for found in left if " error " in found and found not in damaged] == []


NOT_FOR_A_REPLAY = ("nothing to do: ", "make a plain table ", "python runner.py migrate inserts the defaults")


ROWS_IN_THE_WAY = [
    damage(
        "two rows of one name",
        "ALTER TABLE users DROP CONSTRAINT users_username_key; INSERT INTO users (username) VALUES ('Erin'), ('Erin')",
        "missing error unique users.username",
    ),
    damage(
        "two rows of one id",
        """
        ALTER TABLE invoice_items DROP CONSTRAINT invoice_items_pkey;
        INSERT INTO invoice_items (id, description, unit_price, total_amount) VALUES (7, '', 0, 0), (7, '', 0, 0);
        """,
        "missing error primary key invoice_items",
    ),
    damage(
        "a row whose task is not there",
        """
        ALTER TABLE time_entries DROP CONSTRAINT time_entries_task_id_fkey;
        INSERT INTO time_entries (start_time, task_id) VALUES (now(), 4711);
        """,
        "missing error foreign key time_entries.task_id",
    ),
    damage(
        "a row whose task is not there, behind a key that binds new rows",
        """
        ALTER TABLE time_entries DROP CONSTRAINT time_entries_task_id_fkey;
        INSERT INTO time_entries (start_time, task_id) VALUES (now(), 4711);
        ALTER TABLE time_entries ADD FOREIGN KEY (task_id) REFERENCES tasks ON DELETE SET NULL NOT VALID;
        """,
        "not_validated warning foreign key time_entries.task_id",
    ),
    damage(
        "a row without a name",
        "ALTER TABLE users ALTER username DROP NOT NULL; INSERT INTO users (username) VALUES (NULL)",
        "changed error column users.username",
    ),
]


@pytest.mark.parametrize("damage", ROWS_IN_THE_WAY)
def test_a_remedy_that_rows_stand_in_the_way_of_has_the_sql_that_shows_them(connection, damage):
    with connection.cursor() as cursor:

        def shown() -> int:
            (told,) = damage.told
            cursor.execute(found_by_verification(connection)[told].partition(": ")[2])
            return len(cursor.fetchall())

        cursor.execute("SAVEPOINT healthy")
        without_rows = re.sub(r"INSERT [^;]*", "", damage.sql)
        cursor.execute(without_rows)
        assert shown() == 0
        cursor.execute("ROLLBACK TO healthy")
        cursor.execute(damage.sql)
        assert shown() == 1


def replay(connection) -> None:
    for file in migration_files():
        run(connection, for_one_transaction(file))
