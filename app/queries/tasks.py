"""Tasks."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Choice(NamedTuple):
    """A task as forms offer it."""

    id: int
    name: str
    project_id: int


def choices(cursor: Cursor) -> list[Choice]:
    """Return the open tasks of active projects, at most 200."""
    cursor.execute(
        """
        SELECT tasks.id, tasks.name, project_id
        FROM tasks
        JOIN projects ON projects.id = project_id
        WHERE projects.status = 'active' AND tasks.status <> 'done'
        ORDER BY lower(projects.name), project_id, lower(tasks.name), tasks.id
        LIMIT 200
        """
    )
    return [Choice(*row) for row in cursor]


def belongs(cursor: Cursor, task_id: int, project_id: int) -> bool:
    """Tell whether the task is one of the project."""
    cursor.execute("SELECT FROM tasks WHERE id = %s AND project_id = %s", (task_id, project_id))
    return cursor.rowcount == 1
