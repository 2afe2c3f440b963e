"""Projects."""

from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Choice(NamedTuple):
    """A project to choose."""

    id: int
    name: str
    client: str
    billable: bool


def choices(cursor: Cursor, user_id: int) -> list[Choice]:
    """Return the active projects, those that the user worked on lately first, at most 200."""
    cursor.execute(
        """
        SELECT projects.id, name, client, projects.billable
        FROM projects
        LEFT JOIN (
            SELECT project_id, max(start_time) AS used
            FROM (
                SELECT project_id, start_time
                FROM time_entries
                WHERE user_id = %s
                ORDER BY start_time DESC, id DESC
                LIMIT 200
            ) AS lately
            GROUP BY project_id
        ) AS recent ON recent.project_id = projects.id
        WHERE status = 'active'
        ORDER BY used DESC NULLS LAST, lower(name), projects.id
        LIMIT 200
        """,
        (user_id,),
    )
    return [Choice(*row) for row in cursor.fetchall()]
