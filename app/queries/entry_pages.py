"""The entries of a user as they are shown: newest first, some at a time. Times are UTC, without a zone."""

from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from app.queries.projects import pattern

PER_PAGE = 50
SHOWN_NOTES = 300

# The first and the last day of a page may go on beyond it; as far as this the other entries of the day are looked for.
LONGEST_DAY = timedelta(hours=49)


class Key(NamedTuple):
    """The place of an entry in the order of the pages."""

    start: datetime
    id: int


class Filters(NamedTuple):
    """Which entries: `text` stands in the notes or the tags, `since` and `until` bound the start, half open.

    `project` and `task` are ids, 0 for entries that have none.
    """

    text: str = ""
    project: int | None = None
    task: int | None = None
    since: datetime | None = None
    until: datetime | None = None


class ListedEntry(NamedTuple):
    """An entry in a list. `minutes` are what it counts; a running one counts until now."""

    id: int
    start: datetime
    end: datetime | None
    minutes: int
    notes: str | None
    tags: str | None
    billable: bool
    project_id: int | None
    project: str | None
    client: str | None
    task_id: int | None
    task: str | None

    @property
    def key(self) -> Key:
        """Its place in the order of the pages."""
        return Key(self.start, self.id)


class Page(NamedTuple):
    """Entries, the newest first. `beside` are others of the first and last day, which count in the sums of those."""

    entries: list[ListedEntry]
    beside: list[ListedEntry]
    has_newer: bool
    has_older: bool
    today: int
    week: int


class Bounds(NamedTuple):
    """The moments between which today and this week are."""

    today: datetime
    tomorrow: datetime
    monday: datetime
    next_monday: datetime


def read(
    cursor: Cursor,
    user_id: int,
    filters: Filters,
    bounds: Bounds,
    now: datetime,
    before: Key | None = None,
    after: Key | None = None,
) -> Page:
    """Return the entries that come before (are older than) a key or after it, with the minutes of today and this week.

    One statement, whose work does not grow with the number of entries that there are, unless a text is searched: that
    is why ids are looked for first, in the index of the user's entries alone.
    """
    cursor.execute(
        """
        WITH keys AS (
            (
                SELECT start_time, id
                FROM time_entries
                WHERE %(newer)s IS FALSE
                    AND user_id = %(user)s
                    AND (start_time, id) < (%(start)s, %(id)s)
                    AND (%(since)s::timestamp IS NULL OR start_time >= %(since)s)
                    AND (%(until)s::timestamp IS NULL OR start_time < %(until)s)
                    AND (%(project)s IS NULL OR project_id = %(project)s OR (%(project)s = 0 AND project_id IS NULL))
                    AND (%(task)s IS NULL OR task_id = %(task)s OR (%(task)s = 0 AND task_id IS NULL))
                    AND (%(like)s IS NULL OR notes ILIKE %(like)s OR tags ILIKE %(like)s)
                ORDER BY start_time DESC, id DESC
                LIMIT %(limit)s
            )
            UNION ALL
            (
                SELECT start_time, id
                FROM time_entries
                WHERE %(newer)s
                    AND user_id = %(user)s
                    AND (start_time, id) > (%(start)s, %(id)s)
                    AND (%(since)s::timestamp IS NULL OR start_time >= %(since)s)
                    AND (%(until)s::timestamp IS NULL OR start_time < %(until)s)
                    AND (%(project)s IS NULL OR project_id = %(project)s OR (%(project)s = 0 AND project_id IS NULL))
                    AND (%(task)s IS NULL OR task_id = %(task)s OR (%(task)s = 0 AND task_id IS NULL))
                    AND (%(like)s IS NULL OR notes ILIKE %(like)s OR tags ILIKE %(like)s)
                ORDER BY start_time, id
                LIMIT %(limit)s
            )
        ),
        listed AS (
            SELECT entry.id, entry.start_time, entry.end_time,
                credited_minutes(entry.start_time, entry.end_time, entry.duration_seconds, %(now)s) AS minutes,
                left(entry.notes, %(shown)s) AS notes, entry.tags, entry.billable, entry.project_id,
                projects.name AS project, projects.client, entry.task_id, tasks.name AS task
            FROM time_entries AS entry
            LEFT JOIN projects ON projects.id = entry.project_id
            LEFT JOIN tasks ON tasks.id = entry.task_id
            WHERE entry.id IN (
                    SELECT id
                    FROM time_entries
                    WHERE user_id = %(user)s
                        AND start_time >= (SELECT min(start_time) FROM keys) - %(day)s
                        AND start_time <= (SELECT max(start_time) FROM keys) + %(day)s
                )
                AND (%(since)s::timestamp IS NULL OR entry.start_time >= %(since)s)
                AND (%(until)s::timestamp IS NULL OR entry.start_time < %(until)s)
                AND (%(project)s IS NULL OR entry.project_id = %(project)s
                    OR (%(project)s = 0 AND entry.project_id IS NULL))
                AND (%(task)s IS NULL OR entry.task_id = %(task)s OR (%(task)s = 0 AND entry.task_id IS NULL))
                AND (%(like)s IS NULL OR entry.notes ILIKE %(like)s OR entry.tags ILIKE %(like)s)
        ),
        sums AS (
            SELECT
                coalesce(sum(minutes) FILTER (WHERE start_time >= %(today)s AND start_time < %(tomorrow)s), 0) AS today,
                coalesce(sum(minutes), 0) AS week
            FROM (
                SELECT start_time, credited_minutes(start_time, end_time, duration_seconds, %(now)s) AS minutes
                FROM time_entries
                WHERE user_id = %(user)s AND start_time >= %(monday)s AND start_time < %(next_monday)s
            ) AS this_week
        )
        SELECT today, week, listed.*
        FROM sums
        LEFT JOIN listed ON true
        ORDER BY start_time DESC, id DESC
        """,
        {
            "user": user_id,
            "newer": after is not None,
            "start": after.start if after else before.start if before else "infinity",
            "id": after.id if after else before.id if before else 0,
            "since": filters.since,
            "until": filters.until,
            "project": filters.project,
            "task": filters.task,
            "like": pattern(filters.text) if filters.text else None,
            "limit": PER_PAGE + 1,
            "shown": SHOWN_NOTES + 1,
            "day": LONGEST_DAY,
            "now": now,
            **bounds._asdict(),
        },
    )
    rows = cursor.fetchall()
    today, week = (int(minutes) for minutes in rows[0][:2])
    found = [ListedEntry(*row[2:]) for row in rows if row[2] is not None]
    if after:
        nearest = [number for number, entry in enumerate(found) if entry.key > after]
        first, last = max(len(nearest) - PER_PAGE, 0), len(nearest)
    else:
        first = next((number for number, entry in enumerate(found) if not before or entry.key < before), len(found))
        last = first + PER_PAGE
    return Page(
        entries=found[first:last],
        beside=found[:first] + found[last:],
        has_newer=first > 0 or before is not None,
        has_older=last < len(found) or after is not None,
        today=today,
        week=week,
    )
