"""Days and weeks as people in a time zone know them."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.formats import hours
from app.timekeeping import time_zone, week_around

ROME = ZoneInfo("Europe/Rome")


def lengths(week):
    """The hours of each day."""
    return [(end - begin) / timedelta(hours=1) for begin, end in pairwise(week.bounds)]


def test_a_week_goes_from_monday_to_sunday():
    week = week_around(datetime(2026, 3, 18, 12, tzinfo=UTC), ROME)
    assert week.days[0] == date(2026, 3, 16)
    assert week.days[-1] == date(2026, 3, 22)
    assert week.bounds[0] == datetime(2026, 3, 15, 23, tzinfo=UTC)
    assert week.bounds[-1] == datetime(2026, 3, 22, 23, tzinfo=UTC)


def test_the_week_is_that_of_the_time_zone_not_of_utc():
    late_on_sunday_in_utc = datetime(2026, 3, 22, 23, 30, tzinfo=UTC)
    assert week_around(late_on_sunday_in_utc, ROME).days[0] == date(2026, 3, 23)
    assert week_around(late_on_sunday_in_utc, ZoneInfo("UTC")).days[0] == date(2026, 3, 16)


def test_the_week_in_which_summer_time_begins_has_167_hours():
    week = week_around(datetime(2026, 3, 29, 12, tzinfo=UTC), ROME)
    assert lengths(week) == [24, 24, 24, 24, 24, 24, 23]


def test_the_week_in_which_summer_time_ends_has_169_hours():
    week = week_around(datetime(2026, 10, 25, 12, tzinfo=UTC), ROME)
    assert lengths(week) == [24, 24, 24, 24, 24, 24, 25]


def test_a_day_without_a_midnight_begins_when_the_clocks_are_moved():
    # In Beirut the clocks go from 23:59:59 to 01:00.
    week = week_around(datetime(2026, 3, 29, 12, tzinfo=UTC), ZoneInfo("Asia/Beirut"))
    assert week.bounds[6] == datetime(2026, 3, 28, 22, tzinfo=UTC)
    assert lengths(week)[6] == 23


def test_a_day_with_two_midnights_begins_at_the_first():
    # In Havana the clocks go from 00:59:59 back to 00:00.
    week = week_around(datetime(2026, 11, 1, 12, tzinfo=UTC), ZoneInfo("America/Havana"))
    assert week.bounds[6] == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert lengths(week)[6] == 25


@pytest.mark.parametrize("name", ["Mars/Phobos", "", "Europe", "../../etc/passwd", "/etc/localtime", "Europe/\0"])
def test_a_name_that_is_no_time_zone_gives_none(name):
    assert time_zone(name) is None


def test_a_time_zone_is_found_by_its_name():
    assert time_zone("Europe/Rome") == ROME


@pytest.mark.parametrize(
    ("minutes", "text"), [(0, "0:00"), (5, "0:05"), (60, "1:00"), (135, "2:15"), (20_400, "340:00")]
)
def test_minutes_are_written_as_hours_and_minutes(minutes, text):
    assert hours(minutes) == text
