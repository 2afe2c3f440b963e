"""Tasks: the pieces of work within a project. Old databases know other statuses than those of the board."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

# So many can be chosen from a list: those that changed last.
MOST_CHOICES = 200


class Choice(NamedTuple):
    """A task as it can be chosen for an entry."""

    id: int
    name: str
    project_id: int


def choices(cursor: Cursor) -> list[Choice]:
    """Return the open tasks of active projects, by name. `completed` and `cancelled` are words of old databases."""
    cursor.execute(
        """
        SELECT id, name, project_id
        FROM (
            SELECT tasks.id, tasks.name, project_id
            FROM tasks
            JOIN projects ON projects.id = project_id
            WHERE projects.status = 'active' AND tasks.status NOT IN ('done', 'completed', 'cancelled')
            ORDER BY tasks.updated_at DESC, tasks.id DESC
            LIMIT %s
        ) AS latest
        ORDER BY lower(name), id
        """,
        (MOST_CHOICES,),
    )
    return [Choice(*row) for row in cursor]


def belongs(cursor: Cursor, task_id: int, project_id: int) -> bool:
    """Tell whether there is such a task in that project."""
    cursor.execute("SELECT FROM tasks WHERE id = %s AND project_id = %s", (task_id, project_id))
    return cursor.rowcount == 1


def hold(cursor: Cursor, task_id: int, project_id: int) -> bool:
    """Tell what `belongs` tells, and let nobody change it before the end of this transaction, which may write."""
    cursor.execute("SELECT FROM tasks WHERE id = %s AND project_id = %s FOR KEY SHARE", (task_id, project_id))
    return cursor.rowcount == 1
