"""Rows for tests that look at every page: what alice did, and whom and what an administrator acts on."""

import contextlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image

from app import passwords
from app.queries import installation, invitations, sessions, time_entries

PASSWORD = "a long walk by the lake"
SECRET = "Only alice may read this"


def set_scene(database: Any, cast: dict[str, int]) -> dict[str, Any]:
    """Make the rows and return what the parts of addresses stand for, by their names in the rules.

    `entry_id`, `running_id` and `deleted_id` are of alice, who works in `project_id` on `task_id`; nothing was ever
    done in `idle_project_id` and on `idle_task_id`, and nobody did anything as `idle_user_id`. `session_ids` are a
    second session of each of the cast, and PASSWORD is the password of all of them.
    """
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        return _rows(cursor, cast)


def picture() -> bytes:
    """Return a PNG such as a company has as its logo."""
    file = io.BytesIO()
    Image.new("RGB", (120, 40), "teal").save(file, "PNG")
    return file.getvalue()


def _rows(cursor: Any, cast: dict[str, int]) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    today = now.replace(hour=0, minute=0, second=0)
    values: dict[str, Any] = {"user_id": cast["alice"], "filename": "style.css", "metric": "connections"}
    values["monday"] = f"{today - timedelta(days=today.weekday()):%Y-%m-%d}"
    values["project_id"] = _insert(
        cursor, "INSERT INTO projects (name, client, hourly_rate) VALUES ('Website', 'Acme', 80) RETURNING id"
    )
    values["idle_project_id"] = _insert(
        cursor, "INSERT INTO projects (name, client) VALUES ('Nothing yet', 'Acme') RETURNING id"
    )
    for key, name, status in (
        ("task_id", "Design", "in_progress"),
        ("idle_task_id", "Launch", "pending"),
        (None, "Talk", "done"),
    ):
        values[key] = _insert(
            cursor,
            """
            INSERT INTO tasks (project_id, name, status, created_by, assigned_to, due_date, estimated_hours)
            VALUES (%s, %s, %s, %s, %s, %s, 12.5)
            RETURNING id
            """,
            (values["project_id"], name, status, cast["alice"], cast["alice"], today),
        )
    work = (values["project_id"], values["task_id"])
    for days in range(1, 15):
        start = today - timedelta(days=days) + timedelta(hours=8)
        values["entry_id"] = time_entries.insert(
            cursor, cast["alice"], *work, start, start + timedelta(hours=2), 7200, SECRET, "planning, on site", True
        )
        time_entries.insert(
            cursor, cast["bob"], None, None, start, start + timedelta(hours=1), 3600, "Of bob", None, False
        )
        time_entries.insert(
            cursor, cast["carol"], *work, start, start + timedelta(hours=9), 32400, "Of carol " * 30, "long " * 20, True
        )
    values["deleted_id"] = time_entries.insert(
        cursor, cast["alice"], *work, today, today + timedelta(hours=1), 3600, SECRET, None, True
    )
    time_entries.delete(cursor, values["deleted_id"], cast["alice"])
    values["running_id"] = time_entries.insert(
        cursor, cast["alice"], *work, now - timedelta(minutes=20), None, None, SECRET, None, True, "timer"
    )
    values["carols_running_id"] = time_entries.insert(
        cursor, cast["carol"], *work, now - timedelta(minutes=20), None, None, "Of carol", "one", True, "timer"
    )
    values["idle_user_id"] = _insert(
        cursor, "INSERT INTO users (username, is_active) VALUES ('dora', false) RETURNING id"
    )
    values["session_ids"] = {}
    for name, user_id in cast.items():
        sessions.begin(cursor, user_id, now, "another browser", "127.0.0.1")
        cursor.execute("SELECT max(id) FROM sign_in_sessions")
        [values["session_ids"][name]] = cursor.fetchone()
    cursor.execute(
        "INSERT INTO sign_in_credentials (user_id, password_hash) SELECT id, %s FROM users WHERE id = ANY (%s)",
        (passwords.hash_of(PASSWORD), list(cast.values())),
    )
    values["token"] = invitations.make(cursor, cast["bob"], now)
    installation.save_logo(cursor, "logo.png", picture())
    cursor.execute("UPDATE settings SET allow_self_register = true")
    cursor.execute(
        "INSERT INTO analytics (day, metric, value) SELECT %s - n, 'connections', n FROM generate_series(0, 9) n",
        (today.date(),),
    )
    return values


def _insert(cursor: Any, statement: str, parameters: tuple[Any, ...] = ()) -> int:
    cursor.execute(statement, parameters)
    return cursor.fetchone()[0]
