"""Rows in every table, as an installation in use has them: written long ago, NULL wherever that is allowed."""

import contextlib
from typing import Any

from psycopg2.errors import UndefinedColumn

ROWS = {
    "users": """
        INSERT INTO users (username, role, created_at, last_login, is_active, updated_at)
        SELECT 'user ' || n, CASE n % 10 WHEN 0 THEN 'admin' ELSE 'user' END, '2023-01-01',
            CASE n % 3 WHEN 0 THEN '2023-02-01 08:00'::timestamp END, n % 7 > 0, '2023-01-02 03:04:05.678'
        FROM generate_series(1, 40) AS n""",
    "projects": """
        INSERT INTO projects (name, client, billable, hourly_rate, status, created_at, updated_at)
        SELECT 'project ' || n, 'client ' || n % 5, n % 2 = 0, NULLIF(n % 4, 0) * 10.5,
            CASE n % 6 WHEN 0 THEN 'archived' ELSE 'active' END,
            CASE n % 5 WHEN 0 THEN '2023-01-01'::timestamp END, '2023-01-02'
        FROM generate_series(1, 20) AS n""",
    "tasks": """
        INSERT INTO tasks (project_id, name, status, assigned_to, created_by, created_at, updated_at)
        SELECT p.id, 'task ' || p.id, 'done', CASE p.id % 3 WHEN 0 THEN u.id END, u.id, '2023-01-01', '2023-01-02'
        FROM projects AS p, (SELECT min(id) AS id FROM users) AS u""",
    "time_entries": """
        INSERT INTO time_entries
            (user_id, project_id, task_id, start_time, end_time, duration_seconds, notes, created_at, updated_at)
        SELECT u.id, p.id, CASE n % 2 WHEN 0 THEN t.id END, '2023-01-01'::timestamp + n * interval '1 hour',
            CASE WHEN n % 9 > 0 THEN '2023-01-01'::timestamp + n * interval '90 minutes' END, n * 1800,
            CASE WHEN n % 4 > 0 THEN 'note ' || n END, '2023-01-01', '2023-01-02'
        FROM generate_series(1, 300) AS n, (SELECT min(id) AS id FROM users) AS u,
            (SELECT min(id) AS id FROM projects) AS p, (SELECT min(id) AS id FROM tasks) AS t""",
    "settings": "INSERT INTO settings (timezone, created_at, updated_at) VALUES ('UTC', '2023-01-01', '2023-01-02')",
    "invoices": """
        INSERT INTO invoices
            (invoice_number, project_id, client_name, issue_date, due_date, created_by, created_at, updated_at)
        SELECT 'INV-' || p.id, p.id, p.client, '2023-02-01', '2023-03-01', u.id, '2023-01-01', '2023-01-02'
        FROM projects AS p, (SELECT min(id) AS id FROM users) AS u""",
    "invoice_items": """
        INSERT INTO invoice_items (invoice_id, description, quantity, unit_price, total_amount, created_at)
        SELECT id, 'item ' || id, 1.5, 10, 15, '2023-01-01' FROM invoices""",
    "analytics": "INSERT INTO analytics (day, metric, value) VALUES ('2023-01-01', 'entries', 2)",
    "sign_in_credentials": """
        INSERT INTO sign_in_credentials (user_id, password_hash, changed_at)
        SELECT id, 'no hash', '2023-01-01' FROM users""",
    "sign_in_sessions": """
        INSERT INTO sign_in_sessions (user_id, token_sha256, created_at, last_seen_at, expires_at)
        SELECT id, sha256(id::text::bytea), '2023-01-01', '2023-01-01', '2023-02-01' FROM users""",
    "deleted_time_entries": """
        INSERT INTO deleted_time_entries (id, entry, deleted_at)
        SELECT 1000 + id, to_jsonb(projects), '2023-01-01' FROM projects""",
}


def fill(database: Any) -> None:
    """Put rows into each of the tables that is there, has its columns and is still empty."""
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        for table, statement in ROWS.items():
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
            if cursor.fetchone()[0]:
                cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
                if not cursor.fetchone()[0]:
                    with contextlib.suppress(UndefinedColumn):
                        cursor.execute(statement)
