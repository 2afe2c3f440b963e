"""Failed attempts to sign in. An attempt is noted as failed before the password is looked at: a hundred at once, on any
number of workers, are counted one after the other. Whoever was right is forgiven."""

from datetime import datetime, timedelta
from zlib import crc32

from psycopg2.extensions import cursor as Cursor

from app import throttling
from app.throttling import Failures

KEPT = timedelta(days=1)


def begin_attempt(cursor: Cursor, username: str | None, source: str, now: datetime) -> datetime | None:
    """Note an attempt at `username` from `source` (throttling.source_of), or at no name in particular.

    Return the moment (UTC, no zone) from which the next one is allowed where this one came too soon, and is not noted.
    """
    key = _name_key(cursor, username)
    for kind, text in enumerate((source, key or "")):  # in the same order for all: nobody waits in a circle
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (kind + 1, crc32(text.encode()) - 2**31))
    moment = throttling.next_attempt_at(_failures(cursor, key, source, now))
    if moment is not None and moment > now:
        return moment
    cursor.execute(
        "INSERT INTO sign_in_failures (username, address, failed_at) VALUES (%s, %s, %s)", (key, source, now)
    )
    _forget_old(cursor, now)
    return None


def forgive(cursor: Cursor, username: str, source: str) -> None:
    """Delete the failures of the name from there: whoever it was has the right password."""
    key = _name_key(cursor, username)
    cursor.execute("DELETE FROM sign_in_failures WHERE username = %s AND address = %s", (key, source))


def _name_key(cursor: Cursor, username: str | None) -> str | None:
    """Return what a typed name counts as, whether or not anybody is called so: by the rule of users.account()."""
    cursor.execute("SELECT left(lower(btrim(%s)), 80)", (username,))
    return cursor.fetchone()[0]


def _failures(cursor: Cursor, key: str | None, source: str, now: datetime) -> Failures:
    cursor.execute(
        """
        SELECT
            count(*) FILTER (WHERE address = %(source)s AND username IS NOT DISTINCT FROM %(key)s),
            max(failed_at) FILTER (WHERE address = %(source)s AND username IS NOT DISTINCT FROM %(key)s),
            count(*) FILTER (WHERE username = %(key)s),
            count(*) FILTER (WHERE address = %(source)s),
            max(failed_at) FILTER (WHERE address = %(source)s)
        FROM sign_in_failures
        WHERE failed_at > %(since)s AND (address = %(source)s OR username = %(key)s)
        """,
        {"source": source, "key": key, "since": now - throttling.WINDOW},
    )
    return Failures(*cursor.fetchone())


def _forget_old(cursor: Cursor, now: datetime) -> None:
    # The oldest come first in the primary key: no scan, and more go than come.
    cursor.execute(
        """
        DELETE FROM sign_in_failures
        WHERE id IN (SELECT id FROM sign_in_failures ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED) AND failed_at < %s
        """,
        (now - KEPT,),
    )
