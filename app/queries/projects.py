"""Projects."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Choice(NamedTuple):
    """A project as forms offer it."""

    id: int
    name: str
    client: str
    billable: bool


def choices(cursor: Cursor, user_id: int) -> list[Choice]:
    """Return the active projects, at most 200, those that the user was lately at first."""
    cursor.execute(
        """
        SELECT projects.id, name, client, projects.billable
        FROM projects
        LEFT JOIN (
            SELECT project_id, max(start_time) AS used_at
            FROM (
                SELECT project_id, start_time
                FROM time_entries
                WHERE user_id = %s
                ORDER BY start_time DESC, id DESC
                LIMIT 100
            ) AS latest
            GROUP BY project_id
        ) AS used ON used.project_id = projects.id
        WHERE status = 'active'
        ORDER BY used_at DESC NULLS LAST, lower(name), projects.id
        LIMIT 200
        """,
        (user_id,),
    )
    return [Choice(*row) for row in cursor]
