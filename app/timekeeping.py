"""Rules of time that need no database."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Week(NamedTuple):
    """Seven local days from Monday, and the instants, in UTC, at which each begins and the last one ends."""

    days: list[date]
    bounds: list[datetime]


def time_zone(name: str) -> ZoneInfo | None:
    """Return the time zone called `name`, None when this system knows none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, a path, a folder such as "Europe"
        return None


def week_around(moment: datetime, zone: ZoneInfo) -> Week:
    """Return the week of `zone` that holds `moment`."""
    today = moment.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    days = [monday + timedelta(days=number) for number in range(8)]
    bounds = [datetime.combine(day, time.min, zone).astimezone(UTC) for day in days]
    return Week(days[:7], bounds)
