"""What the front page asks.

Three rules hold for every figure:

- An entry belongs whole to the local day in which it starts, also when it runs over midnight or over the end
  of the week. A day goes from one local midnight to the next, so it may have 23 or 25 hours.
- A stopped entry counts its credited time, `duration_seconds`, or end - start where that is missing.
  A running timer counts from its start until now. Nothing counts less than zero.
- An entry counts in whole minutes, rounded half up once, so that each total is the sum of the parts shown.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class WorkedDay(NamedTuple):
    """The minutes of one project (None: entries without a project) in one day, counted from 0."""

    project_id: int | None
    day: int
    minutes: int


class Project(NamedTuple):
    id: int
    name: str
    client: str
    is_active: bool


class RunningTimer(NamedTuple):
    """A time entry without an end. Entries of an old database may lack the user or the project."""

    username: str | None
    project: str | None
    client: str | None
    since: datetime
    minutes: int


def worked_days(cursor: Cursor, bounds: Sequence[datetime], now: datetime) -> list[WorkedDay]:
    """Return the minutes worked in each project and day; day n is from `bounds[n]` until `bounds[n+1]`."""
    cursor.execute(
        """
        WITH entry AS (
            SELECT
                project_id,
                width_bucket(start_time AT TIME ZONE 'UTC', %(bounds)s) - 1 AS day,
                CASE
                    WHEN end_time IS NULL
                        THEN extract(epoch FROM %(now)s - start_time AT TIME ZONE 'UTC')
                    ELSE coalesce(duration_seconds, extract(epoch FROM end_time - start_time))
                END AS seconds
            FROM time_entries
            WHERE start_time >= timezone('UTC', %(begin)s)
                AND start_time < timezone('UTC', %(end)s)
        )
        SELECT project_id, day, sum(floor((greatest(seconds, 0) + 30) / 60))::bigint
        FROM entry
        GROUP BY project_id, day
        """,
        {"bounds": list(bounds), "begin": bounds[0], "end": bounds[-1], "now": now},
    )
    return [WorkedDay(*row) for row in cursor]


def projects(cursor: Cursor, worked: Collection[int], limit: int) -> tuple[list[Project], int]:
    """Return up to `limit` projects that are active or among the ids `worked`, and how many there are in all.

    Those in `worked` come first, so that the limit cuts off what matters least.
    """
    cursor.execute(
        """
        SELECT id, name, client, status = 'active', count(*) OVER ()
        FROM projects
        WHERE status = 'active' OR id = ANY(%(worked)s)
        ORDER BY id = ANY(%(worked)s) DESC, lower(name), id
        LIMIT %(limit)s
        """,
        {"worked": list(worked), "limit": limit},
    )
    rows = cursor.fetchall()
    return [Project(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


def running_timers(cursor: Cursor, now: datetime, limit: int) -> tuple[list[RunningTimer], int]:
    """Return up to `limit` running timers, the longest first, and how many there are in all."""
    cursor.execute(
        """
        WITH running AS (
            SELECT
                id,
                user_id,
                project_id,
                start_time AT TIME ZONE 'UTC' AS since,
                extract(epoch FROM %(now)s - start_time AT TIME ZONE 'UTC') AS seconds
            FROM time_entries
            WHERE end_time IS NULL
        )
        SELECT
            users.username,
            projects.name,
            projects.client,
            since,
            floor((greatest(seconds, 0) + 30) / 60)::bigint,
            count(*) OVER ()
        FROM running
        LEFT JOIN users ON users.id = user_id
        LEFT JOIN projects ON projects.id = project_id
        ORDER BY since, running.id
        LIMIT %(limit)s
        """,
        {"now": now, "limit": limit},
    )
    rows = cursor.fetchall()
    return [RunningTimer(*row[:-1]) for row in rows], rows[0][-1] if rows else 0
