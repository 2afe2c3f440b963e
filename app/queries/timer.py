"""Running timers: entries that have no end yet. All times are UTC, without a zone."""

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from app.queries.tasks import CLOSED

# What is suggested are pieces of work among so many of the last entries, and at most so many of them.
LOOKED_THROUGH = 100
MOST_SUGGESTIONS = 20
# So many bytes the description and the tags of a suggestion take at most. What is longer is left out: a half of it
# would be another description.
LONGEST_SUGGESTION = 250


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


class Recent(NamedTuple):
    """What runs, the newest first; the latest entry that has ended; and what is suggested while one types: the latest
    entry of each description, the latest first."""

    running: list[Timer]
    latest: Timer | None
    suggestions: list[Timer]


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


def running_and_recent(cursor: Cursor, user_id: int, now: datetime, looked_through: int = LOOKED_THROUGH) -> Recent:
    """Return what runs of the user and what was done last, with suggestions out of so many entries.

    What is noted ahead, such as time off, has not begun `now` and is no entry to continue. Nothing is suggested that
    the bar could not start: work on an archived project or a closed task, or with lines or other characters that its
    fields do not take. octet_length comes first, as it reads nothing of a long text that is kept beside the table. The
    last entries are found in the index of the user's alone: see projects.choices.
    """
    cursor.execute(
        """
        WITH suggested AS (
            SELECT DISTINCT ON (lower(btrim(entry.notes))) entry.*
            FROM time_entries AS entry
            LEFT JOIN projects ON projects.id = entry.project_id
            LEFT JOIN tasks ON tasks.id = entry.task_id
            WHERE entry.id IN (
                    SELECT id
                    FROM time_entries
                    WHERE user_id = %(user)s AND start_time <= %(now)s
                    ORDER BY start_time DESC, id DESC
                    LIMIT %(looked_through)s
                )
                AND entry.end_time IS NOT NULL
                AND CASE
                    WHEN octet_length(entry.notes) + coalesce(octet_length(entry.tags), 0) <= %(longest)s
                    THEN btrim(entry.notes) <> '' AND concat(entry.notes, entry.tags) !~ '[[:cntrl:]]'
                END
                AND (entry.project_id IS NULL OR projects.status = 'active')
                AND (
                    entry.task_id IS NULL
                    OR (tasks.project_id = entry.project_id AND tasks.status <> ALL (%(closed)s))
                )
            ORDER BY lower(btrim(entry.notes)), entry.start_time DESC, entry.id DESC
        )
        SELECT entry.shown_as, entry.id, entry.start_time, entry.end_time, coalesce(entry.notes, ''),
            coalesce(entry.tags, ''), entry.billable, entry.project_id, coalesce(projects.name, ''),
            coalesce(projects.client, ''), entry.task_id, coalesce(tasks.name, '')
        FROM (
            (
                SELECT 'running' AS shown_as, running.*
                FROM time_entries AS running
                WHERE user_id = %(user)s AND end_time IS NULL
            )
            UNION ALL
            (
                SELECT 'latest', ended.*
                FROM time_entries AS ended
                WHERE user_id = %(user)s AND end_time IS NOT NULL AND start_time <= %(now)s
                ORDER BY start_time DESC, id DESC
                LIMIT 1
            )
            UNION ALL
            (SELECT 'suggestion', suggested.* FROM suggested ORDER BY start_time DESC, id DESC LIMIT %(most)s)
        ) AS entry
        LEFT JOIN projects ON projects.id = entry.project_id
        LEFT JOIN tasks ON tasks.id = entry.task_id
        ORDER BY entry.start_time DESC, entry.id DESC
        """,
        {
            "user": user_id,
            "now": now,
            "looked_through": looked_through,
            "most": MOST_SUGGESTIONS,
            "longest": LONGEST_SUGGESTION,
            "closed": list(CLOSED),
        },
    )
    found: dict[str, list[Timer]] = {"running": [], "latest": [], "suggestion": []}
    for shown_as, *values in cursor:
        found[shown_as].append(Timer(*values))
    return Recent(found["running"], next(iter(found["latest"]), None), found["suggestion"])


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
