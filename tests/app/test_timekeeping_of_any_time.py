"""Properties that local times, days and rounding have in every zone."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from app.timekeeping import AbsentTimeError, AmbiguousTimeError, credited_seconds, days_from, to_local, to_stored

ZONES = st.sampled_from(sorted(available_timezones() - {"localtime"})).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 31)).map(lambda moment: moment.replace(microsecond=0))


@given(MOMENTS, ZONES)
def test_a_moment_shown_and_typed_again_is_the_same_moment(moment, zone):
    local = to_local(moment, zone)
    typed = local.replace(tzinfo=None, fold=0)
    try:
        assert to_stored(typed, zone) == moment
    except AmbiguousTimeError as asked:
        assert moment in (asked.first, asked.second)
        assert to_stored(typed, zone, second=moment == asked.second) == moment


@given(MOMENTS, ZONES)
def test_a_local_time_is_there_once_twice_or_not_and_its_neighbours_are_there(typed, zone):
    try:
        stored = to_stored(typed, zone)
    except AmbiguousTimeError as asked:
        assert asked.first < asked.second
        for moment in (asked.first, asked.second):
            assert to_local(moment, zone).replace(tzinfo=None, fold=0) == typed
    except AbsentTimeError as refused:
        assert refused.before < typed < refused.after
        to_stored(refused.after, zone, second=False)
        to_stored(refused.before, zone, second=False)
    else:
        assert to_local(stored, zone).replace(tzinfo=None) == typed


@given(st.dates(date(1990, 1, 1), date(2037, 1, 1)), st.integers(1, 400), ZONES)
def test_days_follow_each_other_without_a_gap_and_add_up(first, count, zone):
    days, bounds = days_from(first, count, zone)
    lengths = [end - begin for begin, end in pairwise(bounds)]
    assert len(days) == len(lengths) == count
    assert sum(lengths, timedelta()) == bounds[-1] - bounds[0]
    assert all(timedelta() <= length <= timedelta(hours=49) for length in lengths)
    parts = [bound for start in range(count) for bound in days_from(first + timedelta(days=start), 1, zone).bounds[:1]]
    assert parts == bounds[:-1]


@given(MOMENTS, ZONES)
def test_a_moment_is_in_the_day_that_its_local_time_says(moment, zone):
    day = to_local(moment, zone).date()
    begin, end = days_from(day, 1, zone).bounds
    # Up to 2010 Newfoundland's clocks went from 00:01 back to 23:01 of the day before: the next one had begun already.
    again = datetime.combine(day + timedelta(days=1), time(fold=1), zone).astimezone(UTC).replace(tzinfo=None)
    assert begin <= moment < max(end, again)


@given(st.integers(0, 7 * 24 * 3600), st.integers(1, 240))
def test_rounding_is_to_the_nearest_step_and_half_goes_up(seconds, step):
    start = datetime(2026, 3, 2, 9)
    credited = credited_seconds(start, start + timedelta(seconds=seconds), step)
    assert credited % (step * 60) == 0
    assert -step * 30 < credited - seconds <= step * 30
    assert credited_seconds(start, start + timedelta(seconds=credited), step) == credited
