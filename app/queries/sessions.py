"""Who is signed in where. A session is known by its token, of which only the hash is kept."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

LIFETIME = timedelta(days=30)


class SignedIn(NamedTuple):
    """The user behind a token, and how they like to see things. Times are UTC, without a zone."""

    session_id: int
    user_id: int
    username: str
    role: str
    last_seen_at: datetime
    time_format: str
    date_locale: str
    shortcuts: bool


class Session(NamedTuple):
    """A browser in which somebody is signed in, as the profile lists them. Times are UTC, without a zone."""

    id: int
    created_at: datetime
    last_seen_at: datetime
    user_agent: str
    address: str


def hash_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def signed_in(cursor: Cursor, token: str, now: datetime) -> SignedIn | None:
    """Return the active user behind `token` at the moment `now` (UTC, no zone); None where there is none any more."""
    cursor.execute(
        """
        SELECT session.id, users.id, users.username, users.role,
            (SELECT max(last_seen_at) FROM sign_in_sessions AS other WHERE other.user_id = users.id),
            coalesce(preferences.time_format, '24h'), coalesce(preferences.date_locale, ''),
            coalesce(preferences.shortcuts, true)
        FROM sign_in_sessions AS session
        JOIN users ON users.id = session.user_id
        LEFT JOIN display_preferences AS preferences ON preferences.user_id = users.id
        WHERE session.token_sha256 = %(hash)s AND session.expires_at > %(now)s AND users.is_active
        """,
        {"hash": hash_of(token), "now": now},
    )
    row = cursor.fetchone()
    return SignedIn(*row) if row else None


def begin(cursor: Cursor, user_id: int, now: datetime, user_agent: str, address: str) -> str:
    """Begin a session of the user at the moment `now` (UTC, no zone) and return its token.

    While a timer runs it takes over when the user was last seen: signing in does not say what became of the timer. One
    that starts later than now says nothing of that.
    """
    token = secrets.token_urlsafe(32)
    cursor.execute(
        """
        INSERT INTO sign_in_sessions (user_id, token_sha256, created_at, last_seen_at, expires_at, user_agent, address)
        SELECT users.id, %(hash)s, %(now)s, least(seen.before, %(now)s), %(until)s, %(user_agent)s, %(address)s
        FROM users
        LEFT JOIN LATERAL (
            SELECT
                coalesce(
                    (SELECT max(last_seen_at) FROM sign_in_sessions WHERE user_id = users.id),
                    greatest(max(start_time), CASE WHEN users.last_login < %(now)s THEN users.last_login END)
                ) AS before
            FROM time_entries
            WHERE user_id = users.id AND end_time IS NULL
            HAVING count(*) > 0
        ) AS seen ON true
        WHERE users.id = %(user)s
        """,
        {
            "user": user_id,
            "hash": hash_of(token),
            "now": now,
            "until": now + LIFETIME,
            "user_agent": user_agent[:200],
            "address": address[:50],
        },
    )
    return token


def touch(cursor: Cursor, session_id: int, now: datetime) -> None:
    """Note that the session was used at the moment `now` (UTC, no zone). One that has ended meanwhile stays so."""
    cursor.execute(
        """
        UPDATE sign_in_sessions
        SET last_seen_at = %s, expires_at = %s
        WHERE id = %s AND expires_at > last_seen_at
        """,
        (now, now + LIFETIME, session_id),
    )


def end(cursor: Cursor, token: str) -> None:
    """End the session behind `token`."""
    cursor.execute("UPDATE sign_in_sessions SET expires_at = last_seen_at WHERE token_sha256 = %s", (hash_of(token),))
    _forget_ended(cursor)


def list_of(cursor: Cursor, user_id: int, now: datetime) -> list[Session]:
    """Return where the user is signed in at the moment `now` (UTC, no zone), last used first."""
    cursor.execute(
        """
        SELECT id, created_at, last_seen_at, coalesce(user_agent, ''), coalesce(address, '')
        FROM sign_in_sessions
        WHERE user_id = %(user)s AND expires_at > %(now)s AND expires_at > last_seen_at
        ORDER BY last_seen_at DESC, id DESC
        """,
        {"user": user_id, "now": now},
    )
    return [Session(*row) for row in cursor.fetchall()]


def revoke(cursor: Cursor, user_id: int, session_id: int) -> bool:
    """End a session of the user, and tell whether it was there."""
    cursor.execute(
        """
        UPDATE sign_in_sessions
        SET expires_at = last_seen_at
        WHERE id = %s AND user_id = %s AND expires_at > last_seen_at
        """,
        (session_id, user_id),
    )
    was_there = cursor.rowcount == 1
    _forget_ended(cursor)
    return was_there


def revoke_all(cursor: Cursor, user_id: int, except_session_id: int | None = None) -> int:
    """End all sessions of the user, but perhaps the one that asks for it, and return how many there were."""
    cursor.execute(
        """
        UPDATE sign_in_sessions
        SET expires_at = last_seen_at
        WHERE user_id = %s AND id IS DISTINCT FROM %s AND expires_at > last_seen_at
        """,
        (user_id, except_session_id),
    )
    ended = cursor.rowcount
    _forget_ended(cursor)
    return ended


def forget_expired(cursor: Cursor, now: datetime) -> None:
    """Delete the sessions that had expired by the moment `now` (UTC, no zone), of everybody."""
    # Two who sign in at once pass over what the other one deletes.
    cursor.execute(
        """
        UPDATE sign_in_sessions
        SET expires_at = last_seen_at
        WHERE id IN (
            SELECT id
            FROM sign_in_sessions
            WHERE expires_at <= %s AND expires_at > last_seen_at
            FOR UPDATE SKIP LOCKED
        )
        """,
        (now,),
    )
    _forget_ended(cursor)


def _forget_ended(cursor: Cursor) -> None:
    """Delete what has ended; while a timer of the user runs the row stays, for it tells the last activity."""
    cursor.execute(
        """
        DELETE FROM sign_in_sessions
        WHERE id IN (
            SELECT id
            FROM sign_in_sessions
            WHERE expires_at <= last_seen_at
                AND NOT EXISTS (
                    SELECT FROM time_entries WHERE time_entries.user_id = sign_in_sessions.user_id AND end_time IS NULL
                )
            FOR UPDATE SKIP LOCKED
        )
        """
    )
