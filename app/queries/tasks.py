"""Tasks: the pieces of work within a project. Old databases know other statuses than those of the board."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from app.board import Times, estimated_minutes, place
from app.queries.projects import pattern

# So many can be chosen from a list: those that changed last.
MOST_CHOICES = 200


# What nobody works on any more; `completed` and `cancelled` are words of old databases.
CLOSED = ("done", "completed", "cancelled")


class Choice(NamedTuple):
    """A task as it can be chosen for an entry."""

    id: int
    name: str
    project_id: int


def choices(cursor: Cursor) -> list[Choice]:
    """Return the open tasks of active projects, by name."""
    cursor.execute(
        """
        SELECT id, name, project_id
        FROM (
            SELECT tasks.id, tasks.name, tasks.project_id
            FROM tasks
            JOIN projects ON projects.id = tasks.project_id
            WHERE projects.status = 'active' AND tasks.status <> ALL (%s)
            ORDER BY tasks.updated_at DESC, tasks.id DESC
            LIMIT %s
        ) AS latest
        ORDER BY lower(name), id
        """,
        (list(CLOSED), MOST_CHOICES),
    )
    return [Choice(*row) for row in cursor]


def project_of(cursor: Cursor, task_id: int) -> int | None:
    """Return the id of the project that the task belongs to, None where there is no such task."""
    cursor.execute("SELECT project_id FROM tasks WHERE id = %s", (task_id,))
    row = cursor.fetchone()
    return row[0] if row else None


def belongs(cursor: Cursor, task_id: int, project_id: int) -> bool:
    """Tell whether there is such a task in that project."""
    cursor.execute("SELECT FROM tasks WHERE id = %s AND project_id = %s", (task_id, project_id))
    return cursor.rowcount == 1


def hold(cursor: Cursor, task_id: int, project_id: int) -> bool:
    """Tell what `belongs` tells, and let nobody change it before the end of this transaction, which may write."""
    cursor.execute("SELECT FROM tasks WHERE id = %s AND project_id = %s FOR KEY SHARE", (task_id, project_id))
    return cursor.rowcount == 1


# --- The board ---

IN_A_COLUMN = 20
IN_A_COLUMN_OF_A_PROJECT = 200


class Card(NamedTuple):
    """A task as its card shows it. Times are UTC, without a zone; the actual time is that of everybody's entries."""

    id: int
    name: str
    project_id: int
    project: str
    client: str
    status: str
    priority: str
    assigned_to: int | None
    assignee: str | None
    due_date: date | None
    estimated_hours: Decimal | None
    updated_at: datetime
    in_column: int
    actual_minutes: int

    @property
    def version(self) -> str:
        """What a button carries, to tell whether the task was changed since."""
        return self.updated_at.isoformat()

    @property
    def estimated_minutes(self) -> int | None:
        """The estimate in whole minutes."""
        return estimated_minutes(self.estimated_hours)

    @property
    def place(self) -> str:
        """A text by which the cards of a column sort."""
        return place(self.id, self.priority, self.due_date)

    def is_late(self, today: date) -> bool:
        """Tell whether the task should have been done before `today`."""
        return self.due_date is not None and self.due_date < today and self.status not in CLOSED


class Filter(NamedTuple):
    """What a board shows: None and "" for everything. Without a project, the tasks of all active ones.

    `assigned_to` is a user's id, or 0 for what nobody has. `task_id` finds one task, wherever it is.
    """

    project_id: int | None = None
    assigned_to: int | None = None
    priority: str = ""
    search: str = ""
    task_id: int | None = None


def cards(cursor: Cursor, wanted: Filter, at: datetime, most: int = IN_A_COLUMN) -> list[Card]:
    """Return the first `most` cards of each column, in their order; `in_column` says how many there are in all.

    Statuses that have no column are one column together. Running entries count until `at` (UTC, no zone).
    """
    cursor.execute(
        """
        WITH found AS (
            SELECT tasks.id, tasks.name, tasks.project_id, projects.name AS project, projects.client, tasks.status,
                tasks.priority, tasks.assigned_to, users.username, tasks.due_date, tasks.estimated_hours,
                tasks.updated_at,
                count(*) OVER (PARTITION BY columns.name) AS in_column,
                row_number() OVER (
                    PARTITION BY columns.name
                    ORDER BY CASE WHEN columns.name = 'done' THEN tasks.completed_at END DESC NULLS LAST,
                        CASE tasks.priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'low' THEN 3 ELSE 2 END,
                        tasks.due_date NULLS LAST, tasks.id
                ) AS place
            FROM tasks
            JOIN projects ON projects.id = tasks.project_id
            LEFT JOIN users ON users.id = tasks.assigned_to
            CROSS JOIN LATERAL (
                SELECT CASE WHEN tasks.status IN ('pending', 'in_progress', 'done') THEN tasks.status ELSE '' END
            ) AS columns (name)
            WHERE (projects.status = 'active' OR tasks.project_id = %(project)s OR tasks.id = %(task)s)
                AND (%(project)s IS NULL OR tasks.project_id = %(project)s)
                AND (%(task)s IS NULL OR tasks.id = %(task)s)
                AND (%(assigned_to)s IS NULL OR coalesce(tasks.assigned_to, 0) = %(assigned_to)s)
                AND %(priority)s IN ('', tasks.priority)
                AND tasks.name ILIKE %(pattern)s
        )
        SELECT found.id, name, project_id, project, client, status, priority, assigned_to, username,
            due_date, estimated_hours, updated_at, in_column, coalesce(minutes, 0)::bigint
        FROM found
        LEFT JOIN LATERAL (
            SELECT sum(credited_minutes(start_time, end_time, duration_seconds, %(at)s)) AS minutes
            FROM time_entries
            WHERE task_id = found.id
        ) AS actual ON true
        WHERE place <= %(most)s
        ORDER BY place, found.id
        """,
        {
            "project": wanted.project_id,
            "assigned_to": wanted.assigned_to,
            "priority": wanted.priority,
            "pattern": pattern(wanted.search),
            "task": wanted.task_id,
            "at": at,
            "most": most,
        },
    )
    return [Card(*row) for row in cursor]


def people(cursor: Cursor) -> list[tuple[int, str]]:
    """Return the ids and names of those who can be given a task."""
    cursor.execute("SELECT id, username FROM users WHERE is_active ORDER BY lower(username), id LIMIT 500")
    return cursor.fetchall()


# --- One task ---


class Task(NamedTuple):
    """A task. Times are UTC, without a zone; `updated_at` tells versions apart."""

    id: int
    project_id: int
    project: str
    name: str
    description: str | None
    status: str
    priority: str
    assigned_to: int | None
    assignee: str | None
    created_by: int
    due_date: date | None
    estimated_hours: Decimal | None
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime

    @property
    def version(self) -> str:
        """What a form carries, to tell whether the task was changed since."""
        return self.updated_at.isoformat()


def get(cursor: Cursor, task_id: int) -> Task | None:
    """Return the task."""
    cursor.execute(
        """
        SELECT tasks.id, tasks.project_id, projects.name, tasks.name, tasks.description, tasks.status, tasks.priority,
            tasks.assigned_to, users.username, tasks.created_by, tasks.due_date, tasks.estimated_hours,
            tasks.started_at, tasks.completed_at, tasks.updated_at
        FROM tasks
        JOIN projects ON projects.id = tasks.project_id
        LEFT JOIN users ON users.id = tasks.assigned_to
        WHERE tasks.id = %s
        """,
        (task_id,),
    )
    row = cursor.fetchone()
    return Task(*row) if row else None


def lock(cursor: Cursor, task_id: int) -> Task | None:
    """Return the task, which nobody changes or refers to anew before the end of this transaction."""
    cursor.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", (task_id,))
    return get(cursor, task_id)


def insert(cursor: Cursor, values: dict[str, Any], times: Times, created_by: int) -> int:
    """Make a task of the values of its form, and return its id."""
    cursor.execute(
        """
        INSERT INTO tasks (
            project_id, name, description, status, priority, assigned_to, created_by, due_date, estimated_hours,
            started_at, completed_at
        )
        VALUES (
            %(project)s, %(name)s, %(description)s, %(status)s, %(priority)s, %(assigned_to)s, %(created_by)s,
            %(due_date)s, %(estimated_hours)s, %(started_at)s, %(completed_at)s
        )
        RETURNING id
        """,
        {**values, **times._asdict(), "created_by": created_by},
    )
    return cursor.fetchone()[0]


def update(cursor: Cursor, task_id: int, values: dict[str, Any], times: Times) -> None:
    """Write the values of its form into a task."""
    cursor.execute(
        """
        UPDATE tasks
        SET project_id = %(project)s,
            name = %(name)s,
            description = %(description)s,
            status = %(status)s,
            priority = %(priority)s,
            assigned_to = %(assigned_to)s,
            due_date = %(due_date)s,
            estimated_hours = %(estimated_hours)s,
            started_at = %(started_at)s,
            completed_at = %(completed_at)s
        WHERE id = %(id)s
        """,
        {**values, **times._asdict(), "id": task_id},
    )


def move(cursor: Cursor, task_id: int, status: str, times: Times) -> None:
    """Put a task into another column."""
    cursor.execute(
        "UPDATE tasks SET status = %s, started_at = %s, completed_at = %s WHERE id = %s", (status, *times, task_id)
    )


def has_entries(cursor: Cursor, task_id: int) -> bool:
    """Tell whether time was spent on a task."""
    cursor.execute("SELECT EXISTS (SELECT FROM time_entries WHERE task_id = %s)", (task_id,))
    return cursor.fetchone()[0]


def delete(cursor: Cursor, task_id: int) -> None:
    """Delete a task without entries, after `lock` in the same transaction."""
    cursor.execute("DELETE FROM tasks WHERE id = %s", (task_id,))
