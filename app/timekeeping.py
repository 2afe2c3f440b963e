"""Rules of time that need no database. Stored times are UTC, without a zone; local ones are of the settings' zone."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

# Nobody works longer at a stretch; what is longer is a slip of the pen, or a timer that was forgotten.
LONGEST_ENTRY = timedelta(days=7)
TOO_LONG = f"One entry lasts at most {LONGEST_ENTRY.days} days."


class Days(NamedTuple):
    """Local days, and the instants (UTC, no zone) at which each begins and the last one ends: one more than days."""

    days: list[date]
    bounds: list[datetime]


class AbsentTimeError(ValueError):
    """A local time that the clocks skip. `before` and `after` are the valid times beside the gap."""

    def __init__(self, before: datetime, after: datetime):
        super().__init__(f"{before:%H:%M} is followed by {after:%H:%M} on that day")
        self.before = before
        self.after = after


class AmbiguousTimeError(ValueError):
    """A local time that comes twice, when clocks are put back. `first` and `second` are its instants (UTC, no zone)."""

    def __init__(self, first: datetime, second: datetime):
        super().__init__("that time comes twice on that day")
        self.first = first
        self.second = second


def time_zone(name: str) -> ZoneInfo | None:
    """Return the time zone called `name`, None when this system knows none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, a path, a folder such as "Europe"
        return None


def to_local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the local time of a stored moment (UTC, no zone), with its zone."""
    return moment.replace(tzinfo=UTC).astimezone(zone)


def to_stored(local: datetime, zone: ZoneInfo, second: bool | None = None) -> datetime:
    """Return the moment (UTC, no zone) of a local time without a zone.

    `second` says which of the two is meant where a time comes twice. Raises AbsentTimeError for a time that the clocks
    skip, AmbiguousTimeError for one that comes twice while `second` is None.
    """
    first, last = (_instant(local, zone, fold) for fold in (0, 1))
    if first > last:  # in a gap the offset from before it leads past it, and the one from after it leads before it
        change = _change_of_offset(last, first, zone)
        before = to_local(change - timedelta(minutes=1), zone)
        raise AbsentTimeError(before.replace(tzinfo=None), to_local(change, zone).replace(tzinfo=None))
    if first < last and second is None:
        raise AmbiguousTimeError(first, last)
    return last if second else first


def days_from(first: date, count: int, zone: ZoneInfo) -> Days:
    """Return `count` local days from `first` on; one may last 23 or 25 hours."""
    days = [first + timedelta(days=number) for number in range(count + 1)]
    bounds = [_instant(datetime.combine(day, time.min), zone, 0) for day in days]
    return Days(days[:-1], bounds)


def monday_of(day: date) -> date:
    """Return the Monday of the week of `day`."""
    return day - timedelta(days=day.weekday())


def first_of_month(year: int, month: int) -> date:
    """Return the first day of a month; month 0 is the December before, 13 the January after."""
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def credited_seconds(start: datetime, end: datetime, rounding_minutes: int) -> int:
    """Return the time that an entry is credited with: end - start, rounded half up to whole `rounding_minutes`.

    In integers: 7.5 of 15 minutes give 15, 37.5 give 45, and exact multiples stay.
    """
    seconds, step = int((end - start).total_seconds()), max(rounding_minutes, 1) * 60  # old databases may say 0
    return (2 * seconds + step) // (2 * step) * step


def credited_minutes(seconds: int) -> int:
    """Return credited seconds in whole minutes, half up, as the schema's function of that name counts them."""
    return (seconds + 30) // 60


def _instant(local: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)


def _change_of_offset(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second (UTC, no zone) after `before` at which the zone has the offset that it has at `after`."""
    wanted = to_local(after, zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if to_local(middle, zone).utcoffset() == wanted:
            after = middle
        else:
            before = middle
    return after
