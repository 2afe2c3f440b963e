"""Projects: what time is spent on, and for which client. Any status but `active` counts as archived."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from psycopg2.extensions import cursor as Cursor

from app import billing

# So many can be chosen from a list; who has more archives some.
MOST_CHOICES = 200


class Choice(NamedTuple):
    """A project as it can be chosen for an entry."""

    id: int
    name: str
    client: str
    billable: bool


def choices(cursor: Cursor, user_id: int) -> list[Choice]:
    """Return the active projects: first those of the user's last entries, the latest first, then by name.

    The last entries are found in the index of the user's alone: whoever stopped long ago has all newer ones before them
    in the index by time.
    """
    cursor.execute(
        """
        SELECT projects.id, projects.name, projects.client, projects.billable
        FROM projects
        LEFT JOIN (
            SELECT project_id, max(start_time) AS last_used
            FROM time_entries
            WHERE id IN (
                SELECT id FROM time_entries WHERE user_id = %(user)s ORDER BY start_time DESC, id DESC LIMIT 100
            )
            GROUP BY project_id
        ) AS used ON used.project_id = projects.id
        WHERE projects.status = 'active'
        ORDER BY used.last_used DESC NULLS LAST, lower(projects.name), projects.id
        LIMIT %(most)s
        """,
        {"user": user_id, "most": MOST_CHOICES},
    )
    return [Choice(*row) for row in cursor]


def is_active(cursor: Cursor, project_id: int) -> bool:
    """Tell whether there is such a project and it is not archived, so that time may be spent on it."""
    cursor.execute("SELECT FROM projects WHERE id = %s AND status = 'active'", (project_id,))
    return cursor.rowcount == 1


def hold(cursor: Cursor, project_id: int) -> bool:
    """Tell whether there is such a project, and keep it from being deleted until the end of this transaction."""
    cursor.execute("SELECT FROM projects WHERE id = %s FOR KEY SHARE", (project_id,))
    return cursor.rowcount == 1


# --- The list ---

ON_A_PAGE = 50


class Listed(NamedTuple):
    """A line of the list."""

    id: int
    name: str
    client: str
    billable: bool
    hourly_rate: Decimal | None
    status: str


class Hours(NamedTuple):
    """Credited minutes of a project."""

    this_month: int
    in_all: int


def listed(cursor: Cursor, archived: bool, search: str, page: int) -> tuple[list[Listed], bool]:
    """Return a page (from 1) of the active or else of the archived projects, by name, and whether there are more.

    `search` is part of the name, the client or the billing reference; "" finds all.
    """
    cursor.execute(
        """
        SELECT id, name, client, billable, hourly_rate, status
        FROM projects
        WHERE (status = 'active') <> %(archived)s
            AND (name ILIKE %(pattern)s OR client ILIKE %(pattern)s OR billing_ref ILIKE %(pattern)s)
        ORDER BY lower(name), id
        LIMIT %(size)s + 1
        OFFSET %(size)s * (%(page)s - 1)
        """,
        {"archived": archived, "pattern": pattern(search), "size": ON_A_PAGE, "page": page},
    )
    found = [_agreed(Listed(*row)) for row in cursor]
    return found[:ON_A_PAGE], len(found) > ON_A_PAGE


def hours(
    cursor: Cursor, project_ids: list[int], user_id: int | None, month: tuple[datetime, datetime], at: datetime
) -> dict[int, Hours]:
    """Return the hours of those projects, of one user or (None) of everybody; running entries count until `at`.

    `month` is the half-open range in which an entry of this month starts. Times are UTC, without a zone. One pass over
    the index by project, which holds all that is asked; only the projects of a page are ever asked for.
    """
    cursor.execute(
        """
        SELECT project_id,
            coalesce(sum(minutes) FILTER (WHERE start_time >= %(begin)s AND start_time < %(end)s), 0)::bigint,
            sum(minutes)::bigint
        FROM (
            SELECT project_id, start_time, credited_minutes(start_time, end_time, duration_seconds, %(at)s) AS minutes
            FROM time_entries
            WHERE project_id = ANY (%(projects)s::bigint[]) AND (%(user)s IS NULL OR user_id = %(user)s)
        ) AS credited
        GROUP BY project_id
        """,
        {"projects": project_ids, "user": user_id, "begin": month[0], "end": month[1], "at": at},
    )
    return {project_id: Hours(this_month, in_all) for project_id, this_month, in_all in cursor}


def pattern(search: str) -> str:
    """Return the pattern for ILIKE that finds `search` as it is typed, anywhere in a text."""
    literal = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{literal}%"


def clients(cursor: Cursor) -> list[str]:
    """Return the clients that projects have, to choose from while typing."""
    cursor.execute("SELECT DISTINCT client FROM projects WHERE client <> '' ORDER BY client LIMIT %s", (MOST_CHOICES,))
    return [client for (client,) in cursor]


# --- One project ---


class Project(NamedTuple):
    """A project. The rate is an hour's price, None where none is agreed; `updated_at` tells versions apart."""

    id: int
    name: str
    client: str
    description: str | None
    billable: bool
    hourly_rate: Decimal | None
    billing_ref: str | None
    status: str
    updated_at: datetime | None

    @property
    def version(self) -> str:
        """What a form carries, to tell whether the project was changed since."""
        return self.updated_at.isoformat() if self.updated_at else ""


class Usage(NamedTuple):
    """What keeps a project from being deleted."""

    entries: bool
    deleted_entries: bool
    tasks: bool
    invoices: bool


class Spent(NamedTuple):
    """Credited minutes of a project: of one person in one span of time."""

    span: int
    username: str | None
    minutes: int
    billable_minutes: int


Priced = TypeVar("Priced", Listed, Project)


def get(cursor: Cursor, project_id: int) -> Project | None:
    """Return the project."""
    cursor.execute(
        """
        SELECT id, name, client, description, billable, hourly_rate, billing_ref, status, updated_at
        FROM projects
        WHERE id = %s
        """,
        (project_id,),
    )
    row = cursor.fetchone()
    return _agreed(Project(*row)) if row else None


def lock(cursor: Cursor, project_id: int) -> Project | None:
    """Return the project, which nobody changes or refers to anew before the end of this transaction.

    Whoever adds an entry to it at the same time is waited for, or else waits and finds it gone.
    """
    cursor.execute("SELECT FROM projects WHERE id = %s FOR UPDATE", (project_id,))
    return get(cursor, project_id)


def insert(cursor: Cursor, values: dict[str, Any]) -> int:
    """Make a project of the values of its form, and return its id."""
    cursor.execute(
        """
        INSERT INTO projects (name, client, description, billable, hourly_rate, billing_ref, status)
        VALUES (
            %(name)s, %(client)s, %(description)s, %(billable)s, %(hourly_rate)s, %(billing_ref)s, %(status)s
        )
        RETURNING id
        """,
        values,
    )
    return cursor.fetchone()[0]


def update(cursor: Cursor, project_id: int, values: dict[str, Any]) -> None:
    """Write the values of its form into a project."""
    cursor.execute(
        """
        UPDATE projects
        SET name = %(name)s,
            client = %(client)s,
            description = %(description)s,
            billable = %(billable)s,
            hourly_rate = %(hourly_rate)s,
            billing_ref = %(billing_ref)s,
            status = %(status)s
        WHERE id = %(id)s
        """,
        {**values, "id": project_id},
    )


def set_status(cursor: Cursor, project_id: int, status: str) -> bool:
    """Archive a project, or make it active again; tell whether there is such a project."""
    cursor.execute("UPDATE projects SET status = %s WHERE id = %s", (status, project_id))
    return cursor.rowcount == 1


def usage(cursor: Cursor, project_id: int) -> Usage:
    """Return what refers to the project. Deleting it would delete all of that, so it is archived instead.

    Deleted entries are kept for good and may come back, so they hold it as long.
    """
    cursor.execute(
        """
        SELECT EXISTS (SELECT FROM time_entries WHERE project_id = %(id)s),
            EXISTS (SELECT FROM deleted_time_entries WHERE entry ->> 'project_id' = %(id)s::text),
            EXISTS (SELECT FROM tasks WHERE project_id = %(id)s),
            EXISTS (SELECT FROM invoices WHERE project_id = %(id)s)
        """,
        {"id": project_id},
    )
    return Usage(*cursor.fetchone())


def delete(cursor: Cursor, project_id: int) -> None:
    """Delete a project of which nothing is in `usage`, after `lock` in the same transaction."""
    cursor.execute("DELETE FROM projects WHERE id = %s", (project_id,))


def spent(cursor: Cursor, project_id: int, user_id: int | None, bounds: list[datetime], at: datetime) -> list[Spent]:
    """Return the hours of a project, of one user or (None) of everybody, by the spans between `bounds` and by person.

    Span 0 is what lies before the first bound, span n begins with the n-th one. Running entries count until `at`, but
    are not billable yet. Times are UTC, without a zone.
    """
    cursor.execute(
        """
        SELECT summed.span, users.username, summed.minutes, summed.billable_minutes
        FROM (
            SELECT width_bucket(start_time, %(bounds)s::timestamp[]) AS span, user_id,
                sum(credited_minutes(start_time, end_time, duration_seconds, %(at)s))::bigint AS minutes,
                coalesce(
                    sum(credited_minutes(start_time, end_time, duration_seconds, %(at)s))
                        FILTER (WHERE billable AND end_time IS NOT NULL),
                    0
                )::bigint AS billable_minutes
            FROM time_entries
            WHERE project_id = %(project)s AND (%(user)s IS NULL OR user_id = %(user)s)
            GROUP BY 1, 2
        ) AS summed
        LEFT JOIN users ON users.id = summed.user_id
        ORDER BY summed.span, summed.minutes DESC, users.username
        """,
        {"project": project_id, "user": user_id, "bounds": bounds, "at": at},
    )
    return [Spent(*row) for row in cursor]


def invoiced_minutes(cursor: Cursor, project_id: int, at: datetime) -> int:
    """Return the credited minutes of the billable entries of a project that are on a live invoice.

    `time_entry_ids` is free text of the predecessor: every whole number in it is the id of an entry. An invoice that
    was cancelled bills nothing.
    """
    cursor.execute(
        """
        SELECT coalesce(sum(credited_minutes(start_time, end_time, duration_seconds, %(at)s)), 0)::bigint
        FROM time_entries
        WHERE project_id = %(project)s AND billable AND end_time IS NOT NULL
            AND id IN (
                SELECT (regexp_matches(invoice_items.time_entry_ids, '(?<![0-9])[0-9]{1,18}(?![0-9])', 'g'))[1]::bigint
                FROM invoice_items
                JOIN invoices ON invoices.id = invoice_items.invoice_id
                WHERE invoice_items.time_entry_ids <> '' AND invoices.status <> 'cancelled'
            )
        """,
        {"project": project_id, "at": at},
    )
    return cursor.fetchone()[0]


def _agreed(project: Priced) -> Priced:
    return project._replace(hourly_rate=billing.agreed(project.hourly_rate))
