"""Sums and lists of time entries, for reports. Times are UTC, without a zone; running timers count until `at`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from app import billing
from app.reporting import Cell, Figure, Line, Selection

# How many choices a form offers; what is chosen is always among them.
MOST_CHOICES = 300

# How many rows of an export are in memory at a time.
EXPORTED_AT_ONCE = 1000

# The parts of an entry's tags; and the tags, each once whatever its case, as it is compared and as it is shown. What is
# not asked of the entries is folded away before the query is planned, so that a sum which needs no notes and no tags
# never leaves the index.
PARTS = sql.SQL(r"(SELECT btrim(part, E' \t\r\n') AS tag FROM unnest(string_to_array(tags, ',')) AS part)")
TAGS = sql.SQL(
    """(
        SELECT lower(tag) AS folded, min(tag) AS spelling
        FROM {parts} AS parts
        WHERE tag <> ''
        GROUP BY 1
    )"""
).format(parts=PARTS)
MATCHING = sql.SQL(
    """
    (%(user)s::bigint IS NULL OR user_id = %(user)s)
    AND (%(project)s::bigint IS NULL OR project_id = %(project)s)
    AND (%(task)s::bigint IS NULL OR task_id = %(task)s)
    AND (%(client)s::text IS NULL OR project_id IN (
        SELECT id FROM projects WHERE lower(btrim(client)) = lower(%(client)s)
    ))
    AND (%(billable)s::boolean IS NULL OR billable = %(billable)s)
    AND (
        %(tags)s::text[] = '{{}}'
        OR ARRAY (SELECT lower(tag) FROM unnest(%(tags)s::text[]) AS tag)
            <@ ARRAY (SELECT lower(tag) FROM {parts} AS parts)
    )
    AND (NOT %(without_user)s OR user_id IS NULL)
    AND (NOT %(without_project)s OR project_id IS NULL)
    AND (NOT %(without_task)s OR task_id IS NULL)
    AND (
        NOT %(without_client)s OR project_id IS NULL
        OR project_id IN (SELECT id FROM projects WHERE btrim(client) = '')
    )
    AND (NOT %(without_tag)s OR NOT EXISTS (SELECT FROM {parts} AS parts WHERE tag <> ''))
    """
).format(parts=PARTS)

# For each kind of rows: what the entries are grouped by, from where else the key of the row comes, and that key. Tags
# are split after the sum: there are far fewer different texts of tags than entries. Tags and clients of which only the
# case differs are one row, under one of their spellings.
GROUPINGS = {
    "none": ("NULL::bigint", "", "sums.key"),
    "user": ("user_id", "", "sums.key"),
    "project": ("NULL::bigint", "", "sums.project_id"),
    "client": (
        "NULL::bigint",
        """
        LEFT JOIN (
            SELECT lower(btrim(client)) AS folded, min(btrim(client)) AS spelling FROM projects GROUP BY 1
        ) AS clients ON clients.folded = lower(btrim(projects.client))
        """,
        "coalesce(clients.spelling, '')",
    ),
    "task": ("task_id", "", "sums.key"),
    "tag": (
        "tags",
        """
        LEFT JOIN LATERAL (SELECT sums.key AS tags) AS text ON true LEFT JOIN LATERAL {tags} AS own ON true
        LEFT JOIN (
            SELECT folded, min(spelling) AS spelling
            FROM (SELECT DISTINCT key AS tags FROM sums) AS texts
            CROSS JOIN LATERAL {tags} AS own
            GROUP BY 1
        ) AS spelt ON spelt.folded = own.folded
        """,
        "spelt.spelling",
    ),
}


class Choice(NamedTuple):
    """Something that a report can be narrowed to; `of` is what it belongs to, such as the client of a project."""

    id: int
    name: str
    of: str


class Entry(NamedTuple):
    """An entry with all its names. `end` is None while it runs, and `minutes` counts until the moment asked for."""

    id: int
    user: str | None
    project: str | None
    client: str | None
    task: str | None
    notes: str | None
    tags: str | None
    billable: bool
    start: datetime
    end: datetime | None
    minutes: int


class Place(NamedTuple):
    """Where a page of a list ended."""

    start: datetime
    id: int


def sums(
    cursor: Cursor, selection: Selection, bounds: list[datetime], rows: str, at: datetime
) -> tuple[list[Cell], list[Line]]:
    """Return the parts of a report by `rows` (a key of GROUPINGS): time by column, and billable time by rate.

    `bounds` are the instants at which the columns begin and the last one ends. A line is of one
    project in one row; a project that is not billable has no rate.
    """
    key, source, row = (sql.SQL(part).format(tags=TAGS) for part in GROUPINGS[rows])
    # A scan for each column: the planner knows how many users or projects there are, but not how many days, and would
    # sort all entries by them. Floats hold whole minutes exactly, and are added up in half the time of numerics.
    cursor.execute(
        sql.SQL(
            """
            WITH sums AS (
                SELECT number AS bucket, found.*
                FROM unnest(%(begins)s::timestamp[], %(ends)s::timestamp[])
                    WITH ORDINALITY AS columns (begin, until, number)
                CROSS JOIN LATERAL (
                    SELECT {key} AS key, project_id, billable, count(*) AS entries,
                        sum(
                            credited_minutes(start_time, end_time, duration_seconds, %(at)s::timestamp)::float8
                        ) AS minutes
                    FROM time_entries
                    WHERE start_time >= columns.begin AND start_time < columns.until AND {matching}
                    GROUP BY 1, 2, 3
                ) AS found
            )
            SELECT {row} AS key, sums.bucket, sums.billable, sum(sums.minutes)::bigint, sum(sums.entries)::bigint,
                projects.rate, grouping(sums.bucket)
            FROM sums
            LEFT JOIN (SELECT id, client, CASE WHEN billable THEN hourly_rate END AS rate FROM projects) AS projects
                ON projects.id = sums.project_id
            {source}
            GROUP BY GROUPING SETS (
                ({row}, sums.bucket, sums.billable),
                ({row}, sums.project_id, projects.rate, sums.billable)
            )
            """
        ).format(key=key, source=source, row=row, matching=MATCHING),
        {**_values(selection, at), "begins": bounds[:-1], "ends": bounds[1:]},
    )
    cells, lines = [], []
    for row_key, bucket, billable, minutes, entries, rate, is_line in cursor:
        if not is_line:
            cells.append(Cell(row_key, bucket, billable, Figure(minutes, entries)))
        elif billable:
            lines.append(Line(row_key, billing.agreed(rate), minutes))
    return cells, lines


def entries(
    cursor: Cursor, selection: Selection, begin: datetime, end: datetime, at: datetime, limit: int, after: Place | None
) -> list[Entry]:
    """Return up to `limit` entries that start from `begin` until before `end`, the newest first, below `after`."""
    cursor.execute(
        _listed(
            "AND (%(after)s::timestamp IS NULL OR (start_time, id) < (%(after)s::timestamp, %(after_id)s::bigint)) "
            "ORDER BY start_time DESC, id DESC LIMIT %(limit)s",
            "DESC",
        ),
        {
            **_values(selection, at, begin, end),
            "limit": limit,
            "after": after.start if after else None,
            "after_id": after.id if after else None,
        },
    )
    return [Entry(*row) for row in cursor]


def export(cursor: Cursor, selection: Selection, begin: datetime, end: datetime, at: datetime) -> Iterator[Entry]:
    """Give the entries that start from `begin` until before `end`, the oldest first, whatever their number.

    The rows stay in the server until they are asked for, in a cursor that ends with the transaction.
    """
    declaration = sql.SQL("DECLARE export NO SCROLL CURSOR FOR {listed}").format(listed=_listed("", "ASC"))
    cursor.execute(declaration, _values(selection, at, begin, end))
    while True:
        cursor.execute("FETCH FORWARD %s FROM export", (EXPORTED_AT_ONCE,))
        for row in cursor:
            yield Entry(*row)
        if cursor.rowcount < EXPORTED_AT_ONCE:
            return


def span(cursor: Cursor, user_id: int | None, earliest: datetime, latest: datetime) -> tuple[datetime, datetime] | None:
    """Return when the first and the last entry of a user (None: of anybody) start, held between two moments."""
    cursor.execute(
        """
        SELECT least(greatest(min(start_time), %(earliest)s), %(latest)s),
            least(greatest(max(start_time), %(earliest)s), %(latest)s)
        FROM time_entries
        WHERE %(user)s::bigint IS NULL OR user_id = %(user)s
        HAVING min(start_time) IS NOT NULL
        """,
        {"user": user_id, "earliest": earliest, "latest": latest},
    )
    return cursor.fetchone()


def user_choices(cursor: Cursor, chosen: int | None) -> list[Choice]:
    """Return people, the active ones first, `chosen` among them if there is one of that id."""
    cursor.execute(
        """
        SELECT id, username, CASE WHEN is_active THEN '' ELSE 'deactivated' END
        FROM users
        ORDER BY id = %s DESC NULLS LAST, is_active DESC, lower(username), id
        LIMIT %s
        """,
        (chosen, MOST_CHOICES),
    )
    return sorted((Choice(*row) for row in cursor), key=_by_name)


def project_choices(cursor: Cursor, chosen: int | None) -> list[Choice]:
    """Return projects with their clients, the active ones first, `chosen` among them if there is one of that id."""
    cursor.execute(
        """
        SELECT id, name, btrim(client)
        FROM projects
        ORDER BY id = %s DESC NULLS LAST, status = 'active' DESC, lower(name), id
        LIMIT %s
        """,
        (chosen, MOST_CHOICES),
    )
    return sorted((Choice(*row) for row in cursor), key=_by_name)


def task_choices(cursor: Cursor, project_id: int | None, chosen: int | None) -> list[Choice]:
    """Return tasks with their projects, of one project or the latest of all, `chosen` among them if there is one."""
    cursor.execute(
        """
        SELECT tasks.id, tasks.name, projects.name
        FROM tasks
        JOIN projects ON projects.id = tasks.project_id
        WHERE %(project)s::bigint IS NULL OR tasks.project_id = %(project)s OR tasks.id = %(chosen)s
        ORDER BY tasks.id = %(chosen)s DESC NULLS LAST, tasks.id DESC
        LIMIT %(limit)s
        """,
        {"project": project_id, "chosen": chosen, "limit": MOST_CHOICES},
    )
    return sorted((Choice(*row) for row in cursor), key=_by_name)


def names(cursor: Cursor, rows: str, ids: list[int]) -> dict[int, Choice]:
    """Return the users, projects or tasks (`rows`) of these ids."""
    statements = {
        "user": "SELECT id, username, '' FROM users WHERE id = ANY (%s)",
        "project": "SELECT id, name, btrim(client) FROM projects WHERE id = ANY (%s)",
        "task": """
            SELECT tasks.id, tasks.name, projects.name
            FROM tasks
            JOIN projects ON projects.id = tasks.project_id
            WHERE tasks.id = ANY (%s)
            """,
    }
    cursor.execute(statements[rows], (ids,))
    return {row[0]: Choice(*row) for row in cursor}


def _listed(limited: str, order: str) -> sql.Composed:
    """Entries with their names. They are limited before anything is joined to them."""
    return sql.SQL(
        """
        SELECT entries.id, users.username, projects.name, btrim(projects.client), tasks.name, entries.notes,
            entries.tags, entries.billable, entries.start_time, entries.end_time,
            credited_minutes(entries.start_time, entries.end_time, entries.duration_seconds, %(at)s::timestamp)
        FROM (
            SELECT * FROM time_entries
            WHERE start_time >= %(begin)s::timestamp AND start_time < %(end)s::timestamp AND {matching} {limited}
        ) AS entries
        LEFT JOIN users ON users.id = entries.user_id
        LEFT JOIN projects ON projects.id = entries.project_id
        LEFT JOIN tasks ON tasks.id = entries.task_id
        ORDER BY entries.start_time {order}, entries.id {order}
        """
    ).format(matching=MATCHING, limited=sql.SQL(limited), order=sql.SQL(order))


def _values(
    selection: Selection, at: datetime, begin: datetime | None = None, end: datetime | None = None
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "begin": begin,
        "end": end,
        "at": at,
        "user": selection.user,
        "project": selection.project,
        "client": selection.client,
        "task": selection.task,
        "tags": list(selection.tags),
        "billable": selection.billable,
    }
    return values | {
        f"without_{what}": what in selection.without for what in ("user", "project", "client", "task", "tag")
    }


def _by_name(choice: Choice) -> tuple[str, int]:
    return choice.name.casefold(), choice.id
