"""Time entries: made, changed, deleted and brought back. Times are UTC, without a zone."""

from datetime import datetime
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from app.timekeeping import LONGEST_ENTRY

NAMED_OVERLAPS = 3


class Entry(NamedTuple):
    """An entry with the names of what it belongs to. `end` is None while it runs."""

    id: int
    user_id: int | None
    project_id: int | None
    project: str | None
    client: str | None
    task_id: int | None
    task: str | None
    start: datetime
    end: datetime | None
    duration_seconds: int | None
    notes: str | None
    tags: str | None
    billable: bool
    source: str
    updated_at: datetime | None

    @property
    def version(self) -> str:
        """What a form carries, to tell whether the entry was changed since."""
        return self.updated_at.isoformat() if self.updated_at else ""


class Overlap(NamedTuple):
    """An entry that takes some of the same time."""

    id: int
    start: datetime
    end: datetime | None
    notes: str | None
    project: str | None


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
    """Add an entry and return its id. `credited` are the seconds of timekeeping.credited_seconds, None while it runs;
    `source` is 'timer' or 'manual'."""
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


def lock(cursor: Cursor, entry_id: int) -> None:
    """Let nobody else change the entry until the transaction ends."""
    cursor.execute("SELECT FROM time_entries WHERE id = %s FOR UPDATE", (entry_id,))


def get(cursor: Cursor, entry_id: int) -> Entry | None:
    """Return the entry, of whomever it is."""
    cursor.execute(
        """
        SELECT entry.id, entry.user_id, entry.project_id, projects.name, projects.client, entry.task_id, tasks.name,
            entry.start_time, entry.end_time, entry.duration_seconds, entry.notes, entry.tags, entry.billable,
            entry.source, entry.updated_at
        FROM time_entries AS entry
        LEFT JOIN projects ON projects.id = entry.project_id
        LEFT JOIN tasks ON tasks.id = entry.task_id
        WHERE entry.id = %s
        """,
        (entry_id,),
    )
    row = cursor.fetchone()
    return Entry(*row) if row else None


def update(
    cursor: Cursor,
    entry_id: int,
    project_id: int | None,
    task_id: int | None,
    start: datetime,
    end: datetime | None,
    credited: int | None,
    notes: str | None,
    tags: str | None,
    billable: bool,
) -> None:
    """Write all that can be edited. `credited` stays what it was unless the start or the end is another."""
    cursor.execute(
        """
        UPDATE time_entries
        SET project_id = %s, task_id = %s, start_time = %s, end_time = %s, duration_seconds = %s, notes = %s, tags = %s,
            billable = %s
        WHERE id = %s
        """,
        (project_id, task_id, start, end, credited, notes, tags, billable, entry_id),
    )


def delete(cursor: Cursor, entry_id: int, by: int) -> None:
    """Take the entry out and keep it whole, so that `restore` can bring it back. `by` is who deletes it."""
    cursor.execute(
        """
        WITH gone AS (DELETE FROM time_entries WHERE id = %s RETURNING *)
        INSERT INTO deleted_time_entries (id, entry, user_id, deleted_by)
        SELECT id, to_jsonb(gone), user_id, %s
        FROM gone
        ON CONFLICT (id) DO UPDATE
        SET entry = excluded.entry, user_id = excluded.user_id, deleted_by = excluded.deleted_by, deleted_at = DEFAULT
        """,
        (entry_id, by),
    )


class Deleted(NamedTuple):
    """What is known of an entry that was deleted: of whom it was, who deleted it, and whether it ran."""

    user_id: int | None
    deleted_by: int | None
    is_running: bool


def deleted(cursor: Cursor, entry_id: int) -> Deleted | None:
    """Return what is known of the deleted entry; None where none of that id was deleted."""
    cursor.execute(
        "SELECT user_id, deleted_by, entry ->> 'end_time' IS NULL FROM deleted_time_entries WHERE id = %s", (entry_id,)
    )
    row = cursor.fetchone()
    return Deleted(*row) if row else None


def restore(cursor: Cursor, entry_id: int) -> bool:
    """Bring a deleted entry back under its own id, and tell whether there was one.

    Without its task if that was deleted since, as the schema has it, or moved to another project. Raises
    psycopg2.errors.ForeignKeyViolation when its user or its project is gone, UniqueViolation where it would be a second
    running timer and an old database has an index against that.
    """
    # An adopted database may have generated columns, which take no value.
    cursor.execute(
        """
        SELECT attname
        FROM pg_attribute
        WHERE attrelid = 'time_entries'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        """
    )
    names = [name for (name,) in cursor]
    statement = sql.SQL(
        """
        WITH brought_back AS (
            INSERT INTO time_entries ({columns})
            OVERRIDING SYSTEM VALUE
            SELECT {values}
            FROM deleted_time_entries AS kept
            LEFT JOIN tasks
                ON tasks.id = (kept.entry ->> 'task_id')::bigint
                AND tasks.project_id = (kept.entry ->> 'project_id')::bigint
            CROSS JOIN LATERAL jsonb_populate_record(
                NULL::time_entries, kept.entry || jsonb_build_object('task_id', tasks.id)
            ) AS restored
            WHERE kept.id = %s
            ON CONFLICT (id) DO NOTHING
            RETURNING id
        )
        DELETE FROM deleted_time_entries USING brought_back WHERE deleted_time_entries.id = brought_back.id
        """
    ).format(
        columns=sql.SQL(", ").join(sql.Identifier(name) for name in names),
        values=sql.SQL(", ").join(sql.Identifier("restored", name) for name in names),
    )
    cursor.execute(statement, (entry_id,))
    return cursor.rowcount == 1


def one_runs(cursor: Cursor, user_id: int) -> bool:
    """Tell whether the user has a running timer; nobody starts another one until the transaction ends."""
    cursor.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", (user_id,))
    cursor.execute("SELECT EXISTS (SELECT FROM time_entries WHERE user_id = %s AND end_time IS NULL)", (user_id,))
    return cursor.fetchone()[0]


def is_invoiced(cursor: Cursor, entry_id: int) -> bool:
    """Tell whether the entry is on an invoice that was not cancelled. The ids stand there as text, such as `12, 13`."""
    cursor.execute(
        """
        SELECT EXISTS (
            SELECT
            FROM invoice_items
            JOIN invoices ON invoices.id = invoice_items.invoice_id
            WHERE invoices.status <> 'cancelled'
                AND invoice_items.time_entry_ids ~ concat('(^|[^0-9])', %s, '([^0-9]|$)')
        )
        """,
        (entry_id,),
    )
    return cursor.fetchone()[0]


def overlapping(
    cursor: Cursor, user_id: int, start: datetime, end: datetime, except_id: int | None = None
) -> list[Overlap]:
    """Return the first entries of the user that take time between `start` and `end`, the earliest first.

    None lasts longer than LONGEST_ENTRY, which bounds where to look.
    """
    cursor.execute(
        """
        SELECT entry.id, entry.start_time, entry.end_time, entry.notes, projects.name
        FROM time_entries AS entry
        LEFT JOIN projects ON projects.id = entry.project_id
        WHERE entry.user_id = %(user)s
            AND entry.start_time > %(earliest)s
            AND entry.start_time < %(end)s
            AND (entry.end_time > %(start)s OR entry.end_time IS NULL)
            AND entry.id IS DISTINCT FROM %(except)s
        ORDER BY entry.start_time, entry.id
        LIMIT %(limit)s
        """,
        {
            "user": user_id,
            "earliest": start - LONGEST_ENTRY,
            "start": start,
            "end": end,
            "except": except_id,
            "limit": NAMED_OVERLAPS,
        },
    )
    return [Overlap(*row) for row in cursor.fetchall()]
