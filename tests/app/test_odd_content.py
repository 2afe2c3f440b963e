"""Rows that no form of ours writes, as an adopted database may hold them: every page is there all the same."""

import re
import uuid
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from app import db
from app.queries import people, time_entries, users

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.only_pg("pg18")

ENTRIES = [
    ("'infinity'", "NULL"),
    ("'-infinity'", "NULL"),
    ("'-infinity'", "'infinity'"),
    ("'2026-03-09 08:00'", "'infinity'"),
    ("'0044-03-15 12:00 BC'", "'0044-03-15 13:00 BC'"),
    ("'0044-03-15 12:00 BC'", "NULL"),
    ("'0001-01-01'", "'0001-01-01 01:00'"),
    ("'9999-12-31 23:30'", "'9999-12-31 23:59'"),
    ("'20000-01-01'", "'20000-01-02'"),
    ("'2026-03-09 08:00'", "'2026-03-08 08:00'"),
]
PAGES = [
    "/", "/entries/new", "/week", "/week/2026-03-09", "/projects", "/projects/1", "/projects/1/edit", "/tasks",
    "/tasks/1", "/reports", "/reports?period=all&rows=user", "/reports?period=all&rows=tag",
    "/reports/entries?period=all", "/reports.csv?period=all", "/reports/chart.svg?period=all", "/settings", "/people",
    "/people/{carol}", "/profile", "/system", "/timer/state",
]  # fmt: skip


@pytest.fixture
def pages(as_user, cast, migrated) -> Callable[[], dict[str, int]]:
    """Return a function that gives the status of each page of carol that is not 200."""

    def asked() -> dict[str, int]:
        carol = as_user("carol")
        entries = [f"/entries/{number}/edit" for (number,) in migrated.query("SELECT id FROM time_entries")]
        answers = {page: carol.get(page.format(**cast)) for page in PAGES + entries}
        assert not [page for page, answer in answers.items() if re.search("NaN|Infinity", answer.text)]
        return {page: answer.status_code for page, answer in answers.items() if answer.status_code != 200}

    migrated.execute("UPDATE projects SET client = '' WHERE id = 1")  # which every new database has
    migrated.execute(
        "INSERT INTO tasks (id, project_id, name, status, priority, created_by) VALUES (1, 1, 'Texts', 'x', 'y', %s)",
        cast["carol"],
    )
    return asked


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_moments_beyond_the_calendar_are_shown(pages, migrated, cast, zone):
    migrated.execute("UPDATE settings SET timezone = %s", zone)
    for start, end in ENTRIES:
        migrated.execute(
            f"INSERT INTO time_entries (user_id, project_id, task_id, start_time, end_time) "
            f"VALUES (%s, 1, 1, {start}, {end})",
            cast["carol"],
        )
    migrated.execute("UPDATE tasks SET due_date = '0044-03-15 BC', started_at = 'infinity', updated_at = '-infinity'")
    migrated.execute("UPDATE users SET last_login = '20000-01-01', created_at = '0044-03-15 BC'")
    assert pages() == {}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE settings SET idle_timeout_minutes = 2147483647",
        "UPDATE settings SET idle_timeout_minutes = -1, rounding_minutes = -15, export_delimiter = ''",
        "UPDATE settings SET timezone = '../etc', currency = ''",
        "UPDATE settings SET timezone = '', currency = 'eur'",
        "UPDATE projects SET hourly_rate = 'NaN', status = 'on hold'",
        "ALTER TABLE projects ALTER hourly_rate TYPE numeric; UPDATE projects SET hourly_rate = 'infinity'",
        "ALTER TABLE time_entries ALTER duration_seconds TYPE bigint",
        "UPDATE tasks SET estimated_hours = 'NaN', due_date = '20000-01-01'",
        "DELETE FROM settings",
        "INSERT INTO settings (timezone) VALUES ('Asia/Tokyo')",
    ],
)
def test_values_that_no_form_takes_break_no_page(pages, migrated, cast, change):
    migrated.execute(
        "INSERT INTO time_entries (user_id, project_id, start_time, end_time) "
        "VALUES (%s, 1, now() - interval '1 hour', now())",
        cast["carol"],
    )
    migrated.execute(change)
    migrated.execute("UPDATE sign_in_sessions SET last_seen_at = last_seen_at - interval '2 days'")
    assert pages() == {}


WIDEN = """
DO $$
DECLARE
    missing RECORD;
BEGIN
    FOR missing IN
        SELECT DISTINCT relation.oid::regclass AS name, attname
        FROM pg_class AS relation
        JOIN pg_class AS other ON other.relnamespace = relation.relnamespace AND other.relkind = 'r'
        JOIN pg_attribute ON attrelid = other.oid AND attnum > 0
        WHERE relation.relnamespace = 'public'::regnamespace
            AND relation.relname = ANY ('{users, projects, tasks, time_entries, settings, invoices, invoice_items}')
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS %I TEXT', missing.name, missing.attname);
    END LOOP;
END $$
"""


def test_columns_that_a_later_release_gave_to_several_tables_break_no_page(pages, migrated, cast, as_user, app):
    """Such as projects.estimated_hours beside that of tasks, or users.password_hash: a query says whose it means."""
    migrated.execute(WIDEN)
    carol = as_user("carol")

    def send(path: str, **fields: object) -> None:
        answer = carol.submit(path, {"token": str(uuid.uuid4()), **fields})
        assert answer.status_code == 303, f"{path}: {answer.status}"

    send("/timer/start", notes="Call", project=1)
    assert pages() == {}
    ((entry,),) = migrated.query("SELECT id FROM time_entries")
    send("/timer/stop", entry=entry)
    send(f"/timer/continue/{entry}")
    send(f"/entries/{entry}/delete")
    send(f"/entries/{entry}/restore")
    assert pages() == {}
    with app.app_context(), db.cursor() as cursor:
        assert users.account(cursor, "carol").id == cast["carol"]
        assert not time_entries.is_invoiced(cursor, entry)
        assert people.timers(cursor, cast["carol"]) != []


def test_an_index_of_the_predecessor_lets_one_timer_run_whatever_the_settings_say(migrated, as_user):
    """So releases 1.6 to 2.3 made it; a second timer, and one that came back beside another, broke the page."""
    migrated.execute("UPDATE settings SET single_active_timer = false")
    migrated.execute("CREATE UNIQUE INDEX ux_one_active ON time_entries (user_id) WHERE end_time IS NULL")
    alice = as_user("alice")
    alice.submit("/timer/start", {"token": str(uuid.uuid4()), "notes": "first"})
    answer = alice.submit("/timer/start", {"token": str(uuid.uuid4()), "notes": "what was typed"})
    assert answer.status_code == 409
    assert "lets a person have one running timer" in answer.text
    assert "what was typed" in answer.text
    ((first,),) = migrated.query("SELECT id FROM time_entries")
    alice.submit(f"/entries/{first}/delete")
    alice.submit("/timer/start", {"token": str(uuid.uuid4()), "notes": "second"})
    answer = alice.submit(f"/entries/{first}/restore")
    assert answer.status_code == 409
    assert "Another timer runs. Stop it first" in answer.text
    assert migrated.query("SELECT notes FROM time_entries") == [("second",)]


def test_a_deleted_entry_comes_back_where_some_columns_are_generated(migrated, as_user, cast):
    migrated.execute(
        "ALTER TABLE time_entries ADD hours NUMERIC GENERATED ALWAYS AS (duration_seconds / 3600.0) STORED"
    )
    migrated.execute("ALTER TABLE time_entries ADD line INTEGER GENERATED ALWAYS AS IDENTITY")
    migrated.execute(
        "INSERT INTO time_entries (user_id, start_time, end_time, duration_seconds) "
        "VALUES (%s, '2026-03-09 08:00', '2026-03-09 09:30', 5400)",
        cast["alice"],
    )
    before = migrated.query("SELECT * FROM time_entries")
    alice = as_user("alice")
    ((entry,),) = migrated.query("SELECT id FROM time_entries")
    alice.submit(f"/entries/{entry}/delete")
    assert migrated.query("SELECT FROM time_entries") == []
    alice.submit(f"/entries/{entry}/restore")
    assert migrated.query("SELECT * FROM time_entries") == before


def test_ids_beyond_integer_break_no_page(migrated, request):
    """So an import may bring them; users of such an id could not even be invited."""
    for table in ("users", "projects", "tasks", "time_entries"):
        migrated.execute(f"ALTER TABLE {table} ALTER id TYPE BIGINT")
        migrated.execute(f"ALTER SEQUENCE {table}_id_seq AS BIGINT RESTART WITH 5000000000")
    for column in ("tasks ALTER assigned_to", "tasks ALTER created_by", "tasks ALTER project_id"):
        migrated.execute(f"ALTER TABLE {column} TYPE BIGINT")
    for column in ("user_id", "project_id", "task_id"):
        migrated.execute(f"ALTER TABLE time_entries ALTER {column} TYPE BIGINT")
    migrated.execute((ROOT / "sql/0041-wide-ids.sql").read_text("ascii"))
    cast, as_user, pages = (request.getfixturevalue(name) for name in ("cast", "as_user", "pages"))
    ((project,),) = migrated.query("INSERT INTO projects (name, client) VALUES ('p', 'c') RETURNING id")
    made = "INSERT INTO tasks (project_id, name, created_by, assigned_to) VALUES (%s, 't', %s, %s) RETURNING id"
    ((task,),) = migrated.query(made, project, cast["carol"], cast["carol"])
    carol = as_user("carol")

    def send(path: str, **fields: object) -> None:
        answer = carol.submit(path, {"token": str(uuid.uuid4()), **fields})
        assert answer.status_code == 303, f"{path}: {answer.status}"

    send("/timer/start", notes="Call", project=project, task=task)
    ((entry,),) = migrated.query("SELECT id FROM time_entries")
    assert entry == 5000000000
    send("/timer/stop", entry=entry)
    send(f"/entries/{entry}/delete")
    send(f"/entries/{entry}/restore")
    send(f"/people/{cast['alice']}/deactivate")
    assert pages() == {}
    for page in (f"/projects/{project}", f"/tasks/{task}", f"/?project={project}", f"/reports?project={project}"):
        assert carol.get(page).status_code == 200, page
    assert migrated.query("SELECT project_id, task_id FROM time_entries") == [(project, task)]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("infinity", datetime(9999, 12, 29, 23, 59, 59)),
        ("-infinity", datetime(1, 1, 3)),
        ("0044-03-15 12:00 BC", datetime(1, 1, 3)),
        ("20000-01-01", datetime(9999, 12, 29, 23, 59, 59)),
        ("2026-03-09 10:11:12.131415", datetime(2026, 3, 9, 10, 11, 12, 131415)),
        (None, None),
    ],
)
def test_a_moment_is_the_nearest_one_that_any_zone_holds(app, text, seen):
    with app.app_context(), db.cursor() as cursor:
        cursor.execute("SELECT %s::timestamp, %s::date", (text, text))
        moment, day = cursor.fetchone()
        assert moment == seen
        assert day is None if seen is None else isinstance(day, date)
