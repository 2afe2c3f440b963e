"""Projects: what time is spent on, and for which client. Any status but `active` counts as archived."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

# So many can be chosen from a list; who has more archives some.
MOST_CHOICES = 200


class Choice(NamedTuple):
    """A project as it can be chosen for an entry."""

    id: int
    name: str
    client: str
    billable: bool


def choices(cursor: Cursor, user_id: int) -> list[Choice]:
    """Return the active projects: first those of the user's last entries, the latest first, then by name."""
    cursor.execute(
        """
        SELECT projects.id, name, client, projects.billable
        FROM projects
        LEFT JOIN (
            SELECT project_id, max(start_time) AS last_used
            FROM (
                SELECT project_id, start_time
                FROM time_entries
                WHERE user_id = %(user)s
                ORDER BY start_time DESC, id DESC
                LIMIT 100
            ) AS latest
            GROUP BY project_id
        ) AS used ON used.project_id = projects.id
        WHERE status = 'active'
        ORDER BY last_used DESC NULLS LAST, lower(name), projects.id
        LIMIT %(most)s
        """,
        {"user": user_id, "most": MOST_CHOICES},
    )
    return [Choice(*row) for row in cursor]


def is_active(cursor: Cursor, project_id: int) -> bool:
    """Tell whether there is such a project and it is not archived, so that time may be spent on it."""
    cursor.execute("SELECT FROM projects WHERE id = %s AND status = 'active'", (project_id,))
    return cursor.rowcount == 1
