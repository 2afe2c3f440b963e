"""Users as administrators see and change them."""

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Person(NamedTuple):
    """A row of the list. Times are UTC, without a zone."""

    id: int
    username: str
    role: str
    is_active: bool
    last_login: datetime | None
    has_password: bool
    invited_until: datetime | None
    sessions: int
    minutes: int
    last_entry: datetime | None
    timers: int


class Timer(NamedTuple):
    """A running timer. Times are UTC, without a zone; `last_seen` is None where nobody was seen since it started."""

    id: int
    project: str | None
    notes: str
    start: datetime
    last_seen: datetime | None


def page(
    cursor: Cursor,
    now: datetime,
    week: tuple[datetime, datetime],
    search: str,
    limit: int,
    user_id: int | None = None,
) -> list[Person]:
    """Return up to `limit` users whose name contains `search`, the active ones first, by name; or the one of that id.

    `minutes` are those of the entries that start within the half-open `week`; all moments are UTC without a zone. For
    each user the indexes of entries and sessions are asked, so that the number of all entries does not matter.
    """
    cursor.execute(
        """
        WITH chosen AS (
            SELECT id, username, role, is_active, last_login
            FROM users
            WHERE strpos(lower(username), lower(%(search)s)) > 0
                AND (%(user)s IS NULL OR id = %(user)s)
            ORDER BY is_active DESC, lower(username), id
            LIMIT %(limit)s
        )
        SELECT id, username, role, is_active, last_login,
            EXISTS (SELECT FROM sign_in_credentials WHERE user_id = chosen.id),
            (
                SELECT max(expires_at)
                FROM sign_in_invitations
                WHERE user_id = chosen.id AND used_at IS NULL AND expires_at > %(now)s
            ),
            (SELECT count(*) FROM sign_in_sessions WHERE user_id = chosen.id AND expires_at > %(now)s),
            (
                SELECT coalesce(sum(credited_minutes(start_time, end_time, duration_seconds, %(now)s)), 0)::bigint
                FROM time_entries
                WHERE user_id = chosen.id AND start_time >= %(begin)s AND start_time < %(end)s
            ),
            (SELECT max(start_time) FROM time_entries WHERE user_id = chosen.id),
            (SELECT count(*) FROM time_entries WHERE user_id = chosen.id AND end_time IS NULL)
        FROM chosen
        ORDER BY is_active DESC, lower(username), id
        """,
        {"search": search, "user": user_id, "limit": limit, "now": now, "begin": week[0], "end": week[1]},
    )
    return [Person(*row) for row in cursor.fetchall()]


def timers(cursor: Cursor, user_id: int) -> list[Timer]:
    """Return the running timers of a user, the oldest first."""
    cursor.execute(
        """
        SELECT entry.id, projects.name, coalesce(entry.notes, ''), entry.start_time,
            (
                SELECT max(last_seen_at)
                FROM sign_in_sessions
                WHERE sign_in_sessions.user_id = entry.user_id AND last_seen_at > entry.start_time
            )
        FROM time_entries AS entry
        LEFT JOIN projects ON projects.id = entry.project_id
        WHERE entry.user_id = %s AND entry.end_time IS NULL
        ORDER BY entry.start_time, entry.id
        """,
        (user_id,),
    )
    return [Timer(*row) for row in cursor.fetchall()]


def lock(cursor: Cursor, user_id: int, to_delete: bool = False) -> set[int] | None:
    """Lock the user and all active administrators until the transaction ends, and return the ids of the latter.

    None when there is no such user. Whoever changes who is an administrator calls this first, so that of two who
    demote each other at once the second one waits, and sees what the first one did. The locks are taken in the order
    of the ids, and do not hold up entries, unless the user is to be deleted: a weaker lock could not be made stronger
    without waiting for who waits for it.
    """
    statement = """
        SELECT id, role = 'admin' AND is_active
        FROM users
        WHERE id = %s OR (role = 'admin' AND is_active)
        ORDER BY id
        """
    cursor.execute(statement + ("FOR UPDATE" if to_delete else "FOR NO KEY UPDATE"), (user_id,))
    found = dict(cursor.fetchall())
    return {id for id, is_admin in found.items() if is_admin} if user_id in found else None


def name_of(cursor: Cursor, user_id: int) -> str | None:
    """Return the name of a user, None when there is no such user."""
    cursor.execute("SELECT username FROM users WHERE id = %s", (user_id,))
    row = cursor.fetchone()
    return row[0] if row else None


def is_active(cursor: Cursor, user_id: int) -> bool:
    """Tell whether the user may sign in."""
    cursor.execute("SELECT is_active FROM users WHERE id = %s", (user_id,))
    row = cursor.fetchone()
    return row is not None and row[0]


def set_role(cursor: Cursor, user_id: int, role: str) -> None:
    """Make the user a member ('user') or an administrator ('admin')."""
    cursor.execute("UPDATE users SET role = %s WHERE id = %s", (role, user_id))


def set_active(cursor: Cursor, user_id: int, is_active: bool) -> None:
    """Let the user in, or keep them out."""
    cursor.execute("UPDATE users SET is_active = %s WHERE id = %s", (is_active, user_id))


def void_invitations(cursor: Cursor, user_id: int) -> None:
    """Make the links useless that the user was given and has not used."""
    cursor.execute("DELETE FROM sign_in_invitations WHERE user_id = %s AND used_at IS NULL", (user_id,))


def has_work(cursor: Cursor, user_id: int) -> bool:
    """Tell whether entries, invoices or tasks name the user, deleted entries that may come back among them."""
    cursor.execute(
        """
        SELECT EXISTS (SELECT FROM time_entries WHERE user_id = %(user)s)
            OR EXISTS (SELECT FROM invoices WHERE created_by = %(user)s)
            OR EXISTS (SELECT FROM tasks WHERE %(user)s IN (assigned_to, created_by))
            OR EXISTS (SELECT FROM deleted_time_entries WHERE user_id = %(user)s)
        """,
        {"user": user_id},
    )
    return cursor.fetchone()[0]


def delete(cursor: Cursor, user_id: int) -> bool:
    """Delete a user of whom there is no work, and tell whether that was so.

    The caller has locked them to delete them: an entry that was made meanwhile the key of the schema would delete in
    silence.
    """
    if has_work(cursor, user_id):
        return False
    cursor.execute("DELETE FROM users WHERE id = %s", (user_id,))
    return True


def lock_timer(cursor: Cursor, user_id: int, entry_id: int) -> Timer | None:
    """Lock a running timer of the user and return it; None when it does not run any more."""
    cursor.execute(
        "SELECT FROM time_entries WHERE id = %s AND user_id = %s AND end_time IS NULL FOR NO KEY UPDATE",
        (entry_id, user_id),
    )
    return next((timer for timer in timers(cursor, user_id) if timer.id == entry_id), None)
