"""What the tests of the migrations share: replaying the files, and telling what a database holds."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from installation import for_one_transaction, migration_files
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

MIGRATIONS = migration_files()

# One line an object of the schema in use, with names unqualified, so that two schemas can be compared.
CATALOG = """
SELECT format('table %s: row security %s, grants %s', oid::regclass, relrowsecurity, relacl)
FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
UNION ALL
SELECT format('policy on %s: %s %s', polrelid::regclass, polcmd, pg_get_expr(polqual, polrelid))
FROM pg_policy
WHERE polrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
UNION ALL
SELECT format('column %s.%s %s, default %s, not null %s',
    attrelid::regclass, attname, format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid), attnotnull)
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT format('constraint on %s: %s', conrelid::regclass, pg_get_constraintdef(oid))
FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND contype IN ('p', 'u', 'f', 'c')
UNION ALL
SELECT format('index %s, valid %s', pg_get_indexdef(indexrelid, 0, true), indisvalid)
FROM pg_index
JOIN pg_class ON oid = indexrelid
WHERE relnamespace = current_schema()::regnamespace
UNION ALL
SELECT format('trigger %s, enabled %s', pg_get_triggerdef(pg_trigger.oid, true), tgenabled)
FROM pg_trigger
JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal
UNION ALL
SELECT format('function %s %s: %s', proname, proconfig, prosrc)
FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace
"""

# Alice and Bob are members, Carol is the admin. Every updated_at lies in the past.
ROWS = {
    "migration_hashes": """
        INSERT INTO migration_hashes (migration_id, raw_sha256, normalised_sha256, recorded_at)
        VALUES ('0001-bookkeeping', repeat('a', 64), repeat('b', 64), '2024-01-01')""",
    "startup_marks": "INSERT INTO startup_marks VALUES"
    " ('defaults', '2024-01-01', '2024-01-01'), ('adoption', 'nothing to adopt', '2024-01-01')",
    "adoption_report": "INSERT INTO adoption_report (step, object, detail) VALUES ('found', 'table users', 'rows')",
    "app_secrets": "INSERT INTO app_secrets VALUES ('secret_key', 'not for readers', '2024-01-01')",
    "users": """
        INSERT INTO users (username, role, created_at, last_login, is_active, updated_at)
        VALUES ('alice', 'user', '2024-01-01', '2024-02-01 08:00', true, '2024-01-02 03:04:05.678'),
            ('bob', 'user', '2024-01-01', NULL, false, '2024-01-03'),
            ('carol', 'admin', '2024-01-01', NULL, true, '2024-01-04')""",
    "projects": """
        INSERT INTO projects (name, client, billable, hourly_rate, status, created_at, updated_at)
        VALUES ('Relaunch', 'Example & Sons', true, 125.50, 'active', '2024-01-01', '2024-01-02'),
            ('Garden', 'Default Client', false, NULL, 'archived', NULL, NULL)""",
    "tasks": """
        INSERT INTO tasks (project_id, name, status, assigned_to, created_by, estimated_hours, updated_at)
        VALUES (1, 'Design', 'done', 1, 3, 12.5, '2024-01-02'),
            (1, 'Build', 'pending', NULL, 3, NULL, '2024-01-03')""",
    "time_entries": """
        INSERT INTO time_entries
            (user_id, project_id, task_id, start_time, end_time, duration_seconds, notes, source, updated_at)
        VALUES (1, 1, 1, '2024-01-01 08:00', '2024-01-01 09:30', 5400, 'Kick-off', 'manual', '2024-01-02'),
            (2, 2, NULL, '2024-01-01 10:00', NULL, NULL, NULL, 'timer', NULL)""",
    "settings": "INSERT INTO settings (timezone, updated_at) VALUES ('UTC', '2024-01-02')",
    "invoices": """
        INSERT INTO invoices
            (invoice_number, project_id, client_name, issue_date, due_date, created_by, updated_at)
        VALUES ('INV-1000', 1, 'Example & Sons', '2024-02-01', '2024-03-01', 3, '2024-02-02')""",
    "invoice_items": """
        INSERT INTO invoice_items (invoice_id, description, quantity, unit_price, total_amount, created_at)
        VALUES (1, 'Kick-off', 1.5, 125.50, 188.25, '2024-02-01')""",
    "analytics": "INSERT INTO analytics (day, metric, value) VALUES ('2024-01-01', 'entries', 2)",
    "sign_in_credentials": """
        INSERT INTO sign_in_credentials (user_id, password_hash, changed_at) VALUES (1, 'no hash', '2024-01-01')""",
    "sign_in_invitations": """
        INSERT INTO sign_in_invitations (token_sha256, user_id, created_at, expires_at, used_at)
        VALUES ('\\x01', 1, '2024-01-01', '2024-01-08', '2024-01-02'),
            ('\\x02', 2, '2024-01-01', '2024-01-08', NULL)""",
    "sign_in_sessions": """
        INSERT INTO sign_in_sessions (user_id, token_sha256, created_at, last_seen_at, expires_at, user_agent, address)
        VALUES (1, '\\x01', '2024-01-01', '2024-01-02', '2024-02-01', 'A browser', '192.0.2.1'),
            (1, '\\x02', '2024-01-01', '2024-01-03', '2024-02-01', NULL, NULL)""",
    "sign_in_failures": """
        INSERT INTO sign_in_failures (username, address, failed_at)
        VALUES ('alice', '192.0.2.1', '2024-01-01'), (NULL, NULL, '2024-01-01')""",
    "display_preferences": """
        INSERT INTO display_preferences (user_id, time_format, date_locale, shortcuts)
        VALUES (1, '12h', 'de', false)""",
    "submitted_forms": """
        INSERT INTO submitted_forms (token, user_id, submitted_at)
        VALUES ('01234567-89ab-4def-8123-456789abcdef', 1, '2024-01-01')""",
    "deleted_time_entries": """
        INSERT INTO deleted_time_entries (id, entry, user_id, deleted_by, deleted_at)
        VALUES (99, '{"id": 99, "notes": "By mistake"}', 1, 3, '2024-01-01'),
            (98, '{"id": 98}', NULL, NULL, '2024-01-01')""",
    "company_logo": """
        INSERT INTO company_logo (id, png, png_sha256) VALUES (1, '\\x01', '\\x02')""",
}


@pytest.fixture
def connect():
    """Return a function that opens a connection, not in autocommit; all are closed at the end."""
    connections = []

    def open_connection(database, user: str | None = None):
        connection = database.connect(user)
        connection.autocommit = False
        connections.append(connection)
        return connection

    yield open_connection
    for connection in connections:
        connection.close()


@pytest.fixture
def applied(database, connect):
    """A database in which every file was run by the test: it has neither yoyo's tables nor a row."""
    connection = connect(database)
    replay_files(connection)
    connection.commit()
    return database


@pytest.fixture
def connection(applied, connect):
    """A connection, not in autocommit, to a database with rows in every table."""
    connection = connect(applied)
    insert_rows_into(connection)
    connection.commit()
    return connection


@pytest.fixture
def fresh(database, connect):
    """The catalog of a fresh database. It was made in a transaction that is rolled back."""
    connection = connect(database)
    replay_files(connection)
    lines = catalog_lines(connection)
    connection.rollback()
    return lines


@pytest.fixture(name="insert_rows")
def insert_rows_fixture():
    return insert_rows_into


@pytest.fixture(name="replay")
def replay_fixture():
    return replay_files


@pytest.fixture(name="catalog")
def catalog_fixture():
    return catalog_lines


@pytest.fixture(name="rows")
def rows_fixture():
    return rows_by_table


def insert_rows_into(connection) -> None:
    """Put rows into every table of ours that exists and is still empty."""
    with connection.cursor() as cursor:
        for table, statement in ROWS.items():
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
            if cursor.fetchone() == (True,):
                cursor.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table)))
                if cursor.rowcount == 0:
                    cursor.execute(statement)


def replay_files(connection, files: Iterable[Path] = MIGRATIONS) -> None:
    """Run the files in the open transaction, as the runner does when it heals."""
    with connection.cursor() as cursor:
        for file in files:
            cursor.execute(for_one_transaction(file))


def catalog_lines(connection) -> set[str]:
    """Describe every object of the schema in use, one line each."""
    with connection.cursor() as cursor:
        cursor.execute(CATALOG)
        return {line for (line,) in cursor.fetchall()}


def rows_by_table(connection) -> dict[str, list[dict]]:
    """Return every row of the schema in use, with the place and the transaction that wrote it."""
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        tables = [row["tablename"] for row in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(sql.SQL("SELECT ctid, xmin, * FROM {} ORDER BY ctid").format(sql.Identifier(table)))
            found[table] = [
                # Of a memoryview, which bytea is read as, the text is an address.
                {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
                for row in cursor.fetchall()
            ]
        return found
