"""Rules of running timers that need no database. Times are UTC, without a zone."""

from datetime import datetime, timedelta

from app.timekeeping import LONGEST_ENTRY

SHORTEST_ENTRY = timedelta(seconds=1)


def end_of(start: datetime, moment: datetime) -> datetime:
    """Return when a timer ends that is stopped at `moment`.

    Every entry ends after it starts: one whose start lies ahead, as after the clock was set back, or that is stopped
    at once counts a second, so that what was written into it is not lost.
    """
    return moment if moment > start else start + SHORTEST_ENTRY


def last_activity(start: datetime, last_seen: datetime) -> datetime:
    """Return when somebody was last known to be there while the timer ran: no earlier than its start."""
    return max(start, last_seen)


def is_forgotten(start: datetime, last_seen: datetime, now: datetime, idle_minutes: int) -> bool:
    """Tell whether nobody was seen for longer than `idle_minutes` while the timer ran; with 0 it never happens."""
    return idle_minutes > 0 and now - last_activity(start, last_seen) > timedelta(minutes=idle_minutes)


def is_too_long(start: datetime, end: datetime) -> bool:
    """Tell whether an entry of that length is more than anybody works at a stretch."""
    return end - start > LONGEST_ENTRY
