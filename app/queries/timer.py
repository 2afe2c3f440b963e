"""Running timers: entries that have no end yet. All times are UTC, without a zone."""

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Timer(NamedTuple):
    """An entry as the timer bar shows it; `end` is None while it runs."""

    id: int
    start: datetime
    end: datetime | None
    notes: str
    tags: str
    billable: bool
    project_id: int | None
    project: str
    client: str
    task_id: int | None
    task: str

    @property
    def label(self) -> str:
        """What it is called in a word or two."""
        return self.notes or self.task or self.project or "No description"


class Project(NamedTuple):
    """What has to be known of a project before work on it starts."""

    id: int
    name: str
    is_active: bool
    billable: bool


def lock(cursor: Cursor, user_id: int) -> None:
    """Let the timers of the user be changed by one transaction after the other, until this one ends.

    What runs is locked too: its form on the front page changes it without a lock of the user.
    """
    cursor.execute(
        """
        SELECT FROM users WHERE id = %(user)s FOR NO KEY UPDATE;
        SELECT FROM time_entries WHERE user_id = %(user)s AND end_time IS NULL FOR NO KEY UPDATE;
        """,
        {"user": user_id},
    )


def running_and_latest(cursor: Cursor, user_id: int, now: datetime) -> tuple[list[Timer], Timer | None]:
    """Return the running timers of the user, the newest first, and the latest entry that has ended.

    What is noted ahead, such as time off, has not begun `now` and is no entry to continue.
    """
    cursor.execute(
        """
        SELECT entry.id, entry.start_time, entry.end_time, coalesce(entry.notes, ''), coalesce(entry.tags, ''),
            entry.billable, entry.project_id, coalesce(projects.name, ''), coalesce(projects.client, ''), entry.task_id,
            coalesce(tasks.name, '')
        FROM (
            (SELECT * FROM time_entries WHERE user_id = %(user)s AND end_time IS NULL)
            UNION ALL
            (
                SELECT *
                FROM time_entries
                WHERE user_id = %(user)s AND end_time IS NOT NULL AND start_time <= %(now)s
                ORDER BY start_time DESC, id DESC
                LIMIT 1
            )
        ) AS entry
        LEFT JOIN projects ON projects.id = entry.project_id
        LEFT JOIN tasks ON tasks.id = entry.task_id
        ORDER BY entry.start_time DESC, entry.id DESC
        """,
        {"user": user_id, "now": now},
    )
    found = [Timer(*row) for row in cursor]
    return [entry for entry in found if entry.end is None], next((entry for entry in found if entry.end), None)


def of_user(cursor: Cursor, user_id: int, entry_id: int) -> Timer | None:
    """Return an entry of the user, running or not; None where it is not theirs or not there."""
    cursor.execute(
        """
        SELECT entry.id, entry.start_time, entry.end_time, coalesce(entry.notes, ''), coalesce(entry.tags, ''),
            entry.billable, entry.project_id, coalesce(projects.name, ''), coalesce(projects.client, ''), entry.task_id,
            coalesce(tasks.name, '')
        FROM time_entries AS entry
        LEFT JOIN projects ON projects.id = entry.project_id
        LEFT JOIN tasks ON tasks.id = entry.task_id
        WHERE entry.id = %s AND entry.user_id = %s
        """,
        (entry_id, user_id),
    )
    row = cursor.fetchone()
    return Timer(*row) if row else None


def is_any_older(cursor: Cursor, user_id: int, moment: datetime) -> bool:
    """Tell whether a timer of the user runs that was started before `moment`."""
    cursor.execute(
        "SELECT EXISTS (SELECT FROM time_entries WHERE user_id = %s AND end_time IS NULL AND start_time < %s)",
        (user_id, moment),
    )
    return cursor.fetchone()[0]


def stop(cursor: Cursor, entry_id: int, end: datetime, credited: int) -> None:
    """End a running timer at the moment `end`, with the seconds that it is credited with."""
    cursor.execute(
        "UPDATE time_entries SET end_time = %s, duration_seconds = %s WHERE id = %s AND end_time IS NULL",
        (end, credited, entry_id),
    )


def change(
    cursor: Cursor,
    entry_id: int,
    project_id: int | None,
    task_id: int | None,
    start: datetime,
    notes: str | None,
    tags: str | None,
    billable: bool,
) -> None:
    """Change a timer that goes on running."""
    cursor.execute(
        """
        UPDATE time_entries
        SET project_id = %s, task_id = %s, start_time = %s, notes = %s, tags = %s, billable = %s
        WHERE id = %s AND end_time IS NULL
        """,
        (project_id, task_id, start, notes, tags, billable, entry_id),
    )


def project(cursor: Cursor, project_id: int) -> Project | None:
    """Return a project, archived or not, and keep it from being deleted until the end of this transaction."""
    cursor.execute(
        "SELECT id, name, status = 'active', billable FROM projects WHERE id = %s FOR KEY SHARE", (project_id,)
    )
    row = cursor.fetchone()
    return Project(*row) if row else None
