"""Time entries: the tracked time itself."""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor


def insert(
    cursor: Cursor,
    user_id: int,
    project_id: int | None,
    task_id: int | None,
    start: datetime,
    end: datetime | None,
    credited: int | None,
    notes: str | None,
    tags: str | None,
    billable: bool,
    source: str = "manual",
) -> int:
    """Insert an entry (times UTC, no zone; `credited` in seconds) and return its id."""
    cursor.execute(
        """
        INSERT INTO time_entries
            (user_id, project_id, task_id, start_time, end_time, duration_seconds, notes, tags, billable, source)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        RETURNING id
        """,
        (user_id, project_id, task_id, start, end, credited, notes, tags, billable, source),
    )
    return cursor.fetchone()[0]
