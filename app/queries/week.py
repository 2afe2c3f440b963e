"""What a user worked in a week, in each project, task and day; and what a cell of the grid writes."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

# A project and a task, either of them perhaps None: what a row of the grid is about.
Work = tuple[int | None, int | None]


class Cell(NamedTuple):
    """The entries of one work in one day: their minutes, how many there are, and the one if it is only one."""

    minutes: int
    count: int
    entry_id: int | None
    is_running: bool

    @property
    def shown(self) -> int | None:
        """The minutes, None for no entry: one that was rounded to nothing is one all the same."""
        return self.minutes if self.count else None


class Named(NamedTuple):
    """A work with its names, and whether more time may go to it: it fits where the task is one of the project."""

    project: str | None
    client: str | None
    task: str | None
    is_open: bool
    billable: bool
    fits: bool

    @property
    def title(self) -> str:
        """The project and the task in one line."""
        return ", ".join([self.project or "No project", *filter(None, [self.task])])

    @property
    def takes_entries(self) -> bool:
        """Whether a new entry may be written for it; old ones are there all the same."""
        return self.is_open and self.fits


def hold(cursor: Cursor, user_id: int, works: Collection[Work], begin: datetime, end: datetime) -> None:
    """Let one change of the user's grid at a time go on, also of two tabs or a double click.

    The entries from `begin` until `end` (UTC, no zone) are locked too, as they can be edited elsewhere; projects and
    tasks of `works` are neither deleted nor moved until the end of this transaction.
    """
    cursor.execute(
        """
        SELECT FROM users WHERE id = %(user)s FOR NO KEY UPDATE;
        SELECT FROM time_entries
        WHERE user_id = %(user)s AND start_time >= %(begin)s AND start_time < %(end)s
        FOR NO KEY UPDATE;
        SELECT FROM projects WHERE id = ANY (%(projects)s::bigint[]) FOR KEY SHARE;
        SELECT FROM tasks WHERE id = ANY (%(tasks)s::bigint[]) FOR KEY SHARE;
        """,
        {
            "user": user_id,
            "begin": begin,
            "end": end,
            "projects": [project_id for project_id, _ in works if project_id],
            "tasks": [task_id for _, task_id in works if task_id],
        },
    )


def cells(cursor: Cursor, user_id: int, bounds: Sequence[datetime], now: datetime) -> dict[tuple[Work, int], Cell]:
    """Return the cells that have entries: (work, day) -> cell. Day n is from `bounds[n]` until `bounds[n+1]` (UTC).

    A running timer counts until `now` (UTC, no zone).
    """
    cursor.execute(
        """
        SELECT
            project_id,
            task_id,
            width_bucket(start_time, %(bounds)s::timestamp[]) - 1,
            sum(credited_minutes(start_time, end_time, duration_seconds, %(now)s))::bigint,
            count(*),
            min(id),
            bool_or(end_time IS NULL)
        FROM time_entries
        WHERE user_id = %(user)s AND start_time >= %(begin)s AND start_time < %(end)s
        GROUP BY 1, 2, 3
        """,
        {"bounds": list(bounds), "begin": bounds[0], "end": bounds[-1], "user": user_id, "now": now},
    )
    return {
        ((project_id, task_id), day): Cell(minutes, count, entry_id if count == 1 else None, is_running)
        for project_id, task_id, day, minutes, count, entry_id, is_running in cursor
    }


def works(cursor: Cursor, user_id: int, begin: datetime, end: datetime) -> list[Work]:
    """Return what the user worked on from `begin` until `end` (UTC, no zone)."""
    cursor.execute(
        """
        SELECT DISTINCT project_id, task_id
        FROM time_entries
        WHERE user_id = %s AND start_time >= %s AND start_time < %s
        """,
        (user_id, begin, end),
    )
    return [tuple(row) for row in cursor]


def names(cursor: Cursor, wanted: Collection[Work]) -> dict[Work, Named]:
    """Return the names of those works whose project and task are there."""
    cursor.execute(
        """
        SELECT work.project_id, work.task_id, projects.name, projects.client, tasks.name,
            coalesce(projects.status = 'active', true), coalesce(projects.billable, true),
            work.task_id IS NULL OR tasks.project_id IS NOT DISTINCT FROM work.project_id
        FROM unnest(%s::bigint[], %s::bigint[]) AS work (project_id, task_id)
        LEFT JOIN projects ON projects.id = work.project_id
        LEFT JOIN tasks ON tasks.id = work.task_id
        WHERE (work.project_id IS NULL OR projects.id IS NOT NULL) AND (work.task_id IS NULL OR tasks.id IS NOT NULL)
        """,
        ([project_id for project_id, _ in wanted], [task_id for _, task_id in wanted]),
    )
    return {(row[0], row[1]): Named(*row[2:]) for row in cursor}


def last_end(cursor: Cursor, user_id: int, begin: datetime, end: datetime) -> datetime | None:
    """Return when the last stopped entry ends that starts from `begin` until `end` (UTC, no zone)."""
    cursor.execute(
        "SELECT max(end_time) FROM time_entries WHERE user_id = %s AND start_time >= %s AND start_time < %s",
        (user_id, begin, end),
    )
    return cursor.fetchone()[0]


def set_end(cursor: Cursor, entry_id: int, end: datetime, credited: int) -> None:
    """Let the entry end at `end` (UTC, no zone), credited with so many seconds."""
    cursor.execute(
        "UPDATE time_entries SET end_time = %s, duration_seconds = %s WHERE id = %s", (end, credited, entry_id)
    )
