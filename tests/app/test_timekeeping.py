"""Times as people in a time zone know them."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.timekeeping import (
    AbsentTimeError,
    AmbiguousTimeError,
    credited_seconds,
    days_from,
    monday_of,
    time_zone,
    to_local,
    to_stored,
)

ROME = ZoneInfo("Europe/Rome")


def worked(start: datetime, end: datetime) -> float:
    return (to_stored(end, ROME) - to_stored(start, ROME)).total_seconds()


def test_an_entry_over_the_hour_that_is_skipped_lasts_an_hour_less():
    assert worked(datetime(2026, 3, 29, 1, 30), datetime(2026, 3, 29, 3, 30)) == 3600


def test_an_entry_over_the_hour_that_comes_twice_lasts_an_hour_more():
    assert worked(datetime(2026, 10, 25, 1, 30), datetime(2026, 10, 25, 3, 30)) == 10800


def test_a_time_that_the_clocks_skip_is_refused_and_its_neighbours_are_offered():
    with pytest.raises(AbsentTimeError) as refused:
        to_stored(datetime(2026, 3, 29, 2, 30), ROME)
    assert refused.value.before == datetime(2026, 3, 29, 1, 59)
    assert refused.value.after == datetime(2026, 3, 29, 3, 0)
    assert to_stored(refused.value.after, ROME) - to_stored(refused.value.before, ROME) == timedelta(minutes=1)


def test_a_time_that_comes_twice_is_asked_about():
    twice = datetime(2026, 10, 25, 2, 30)
    with pytest.raises(AmbiguousTimeError) as asked:
        to_stored(twice, ROME)
    assert asked.value.second - asked.value.first == timedelta(hours=1)
    assert to_stored(twice, ROME, second=False) == asked.value.first == datetime(2026, 10, 25, 0, 30)
    assert to_stored(twice, ROME, second=True) == asked.value.second == datetime(2026, 10, 25, 1, 30)
    assert to_local(asked.value.first, ROME).time() == to_local(asked.value.second, ROME).time() == twice.time()


def test_a_day_of_lord_howe_changes_by_half_an_hour():
    island = ZoneInfo("Australia/Lord_Howe")
    with pytest.raises(AbsentTimeError) as refused:
        to_stored(datetime(2026, 10, 4, 2, 15), island)
    assert refused.value.after == datetime(2026, 10, 4, 2, 30)


@pytest.mark.parametrize(
    "first, hours", [(date(2026, 3, 23), 167), (date(2026, 10, 19), 169), (date(2026, 6, 1), 168)], ids=str
)
def test_the_days_of_a_week_add_up_also_when_the_clocks_change(first, hours):
    days, bounds = days_from(first, 7, ROME)
    assert len(days) == 7 and len(bounds) == 8
    assert sum((end - begin for begin, end in pairwise(bounds)), timedelta()) == timedelta(hours=hours)


def test_a_day_may_begin_after_midnight():
    cairo = ZoneInfo("Africa/Cairo")  # where the clocks go from 00:00 to 01:00
    (_,), (begin, end) = days_from(date(2026, 4, 24), 1, cairo)
    assert to_local(begin, cairo).hour == 1
    assert end - begin == timedelta(hours=23)


def test_a_week_begins_on_monday():
    assert monday_of(date(2026, 3, 22)) == date(2026, 3, 16) == monday_of(date(2026, 3, 16))


@pytest.mark.parametrize(
    "minutes, step, credited",
    [
        (7.5, 15, 15),
        (37.5, 15, 45),
        (7.4, 15, 0),
        (45, 15, 45),
        (1, 1, 1),
        (0.5, 1, 1),
        (0.4, 1, 0),
        (61, 60, 60),
        (7, 0, 7),
    ],
)
def test_time_is_rounded_half_up_and_exact_multiples_stay(minutes, step, credited):
    start = datetime(2026, 3, 2, 9)
    assert credited_seconds(start, start + timedelta(minutes=minutes), step) == credited * 60


@pytest.mark.parametrize("name", ["Mars/Phobos", "", "../etc/passwd", "Europe"])
def test_no_time_zone_of_that_name(name):
    assert time_zone(name) is None
