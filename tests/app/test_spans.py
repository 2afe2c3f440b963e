"""What is typed of an entry's times, and the moments that it means."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.spans import Span, SpanError, Typed, shown, span_of, which
from app.timekeeping import LONGEST_ENTRY

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 1)
ZONES = st.sampled_from(
    ["Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Apia", "UTC"]
).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2026, 10, 31))


def utc(hour, minute=0, day=2, month=3):
    return datetime(2026, month, day, hour, minute)


def test_a_start_and_an_end_are_local_times():
    assert span_of(Typed(date(2026, 3, 2), time(9), time(10, 30)), ROME, NOW) == (utc(8), utc(9, 30))


def test_a_duration_may_be_given_instead_of_the_end():
    assert span_of(Typed(date(2026, 3, 2), time(9), None, 90), ROME, NOW) == (utc(8), utc(9, 30))


def test_an_end_before_the_start_is_on_the_next_day():
    assert span_of(Typed(date(2026, 3, 2), time(22), time(1)), ROME, NOW) == (utc(21), utc(0, day=3))


def test_an_end_that_is_the_start_is_a_slip_unless_a_whole_day_is_said():
    day = date(2026, 3, 2)
    with pytest.raises(SpanError, match="That is the start") as refused:
        span_of(Typed(day, time(9), time(9)), ROME, NOW)
    assert refused.value.field == "end"
    whole = span_of(Typed(day, time(9), time(9), 24 * 60), ROME, NOW)
    assert whole == span_of(Typed(day, time(9), None, 24 * 60), ROME, NOW) == (utc(8), utc(8, day=3))
    assert span_of(retyped(whole, ROME, day=date(2026, 3, 9)), ROME, NOW, whole) == (utc(8, day=9), utc(8, day=10))
    with pytest.raises(SpanError, match="That is the start"):
        span_of(retyped(Span(utc(8), utc(9)), ROME, end=time(9)), ROME, NOW, Span(utc(8), utc(9)))


def test_end_and_duration_may_both_be_given_if_they_agree():
    assert span_of(Typed(date(2026, 3, 2), time(9), time(10), 60), ROME, NOW).end == utc(9)
    with pytest.raises(SpanError, match="From the start to the end is 1:00") as refused:
        span_of(Typed(date(2026, 3, 2), time(9), time(10), 90), ROME, NOW)
    assert refused.value.field == "minutes"


@pytest.mark.parametrize(
    "day, field",
    [(date(2026, 12, 3), "day"), (date(9999, 12, 31), "day"), (date(1999, 12, 31), "day"), (date(1, 1, 1), "day")],
)
def test_a_slip_in_the_year_is_told(day, field):
    with pytest.raises(SpanError, match="slip in the date") as refused:
        span_of(Typed(day, time(9), time(10)), ROME, NOW)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "zone, day, start",
    [
        ("Europe/Rome", date(1, 1, 1), time(0)),
        ("America/New_York", date(9999, 12, 31), time(23, 59)),
    ],
)
def test_a_day_at_either_end_of_the_calendar_is_a_slip_too(zone, day, start):
    for end, minutes in ((time(23, 59), None), (time(0), None), (None, 60), (None, None)):
        with pytest.raises(SpanError, match="slip in the date") as refused:
            span_of(Typed(day, start, end, minutes), ZoneInfo(zone), NOW)
        assert refused.value.field == "day"


def test_an_entry_lasts_a_minute_at_least():
    with pytest.raises(SpanError, match="a minute at least"):
        span_of(Typed(date(2026, 3, 2), time(9), None, 0), ROME, NOW)


# --- Days on which the clocks change: 29 March and 25 October 2026 in Rome ---


@pytest.mark.parametrize("day, hours", [(date(2026, 3, 29), 1), (date(2026, 10, 25), 3)])
def test_from_half_past_one_to_half_past_three_is_what_passed(day, hours):
    start, end = span_of(Typed(day, time(1, 30), time(3, 30)), ROME, NOW)
    assert end - start == timedelta(hours=hours)


def test_a_start_in_the_hour_that_is_skipped_is_refused_and_both_neighbours_are_offered():
    with pytest.raises(SpanError, match="no 02:30 on that day") as refused:
        span_of(Typed(date(2026, 3, 29), time(2, 30), time(4)), ROME, NOW)
    assert refused.value.field == "start"
    assert refused.value.instead == (datetime(2026, 3, 29, 1, 59), datetime(2026, 3, 29, 3, 0))


def test_an_end_in_the_hour_that_is_skipped_is_refused():
    with pytest.raises(SpanError) as refused:
        span_of(Typed(date(2026, 3, 28), time(23), time(2, 30)), ROME, NOW)
    assert refused.value.field == "end"


def test_a_start_that_comes_twice_is_asked_about():
    typed = Typed(date(2026, 10, 25), time(2, 30), time(4))
    with pytest.raises(SpanError, match="comes twice") as asked:
        span_of(typed, ROME, NOW)
    assert asked.value.twice == (utc(0, 30, 25, 10), utc(1, 30, 25, 10))
    assert span_of(typed._replace(start_second=False), ROME, NOW).start == utc(0, 30, 25, 10)
    assert span_of(typed._replace(start_second=True), ROME, NOW).start == utc(1, 30, 25, 10)


def test_an_end_that_comes_twice_is_asked_about_unless_only_one_is_after_the_start():
    with pytest.raises(SpanError, match="comes twice") as asked:
        span_of(Typed(date(2026, 10, 25), time(1), time(2, 30)), ROME, NOW)
    assert asked.value.field == "end"
    start, end = span_of(Typed(date(2026, 10, 25), time(2, 30), time(2, 50), start_second=True), ROME, NOW)
    assert end - start == timedelta(minutes=20)


def test_from_the_first_ten_to_three_to_the_second_ten_past_two_is_no_whole_day():
    start, end = span_of(Typed(date(2026, 10, 25), time(2, 50), time(2, 10), start_second=False), ROME, NOW)
    assert end - start == timedelta(minutes=20)
    start, end = span_of(Typed(date(2026, 10, 25), time(2, 30), time(2, 30), start_second=False), ROME, NOW)
    assert end - start == timedelta(hours=1)


# --- Editing ---


def retyped(span: Span, zone: ZoneInfo, **changes) -> Typed:
    """What a form sends that shows `span` and is sent again."""
    start = shown(span.start, zone)
    return Typed(start.date(), start.time(), shown(span.end, zone).time())._replace(**changes)


@given(MOMENTS, st.timedeltas(timedelta(seconds=1), LONGEST_ENTRY), ZONES)
def test_what_is_left_as_it_was_shown_never_moves(start, length, zone):
    kept = Span(start, start + length)
    assert span_of(retyped(kept, zone), zone, NOW, kept) == kept
    seconds = {"start_second": which(kept.start, zone), "end_second": which(kept.end, zone)}
    assert span_of(retyped(kept, zone, **seconds), zone, NOW, kept) == kept


def test_an_entry_of_the_second_half_past_two_can_be_moved_to_the_first():
    kept = Span(utc(1, 30, 25, 10), utc(3, 0, 25, 10))
    moved = span_of(retyped(kept, ROME, start_second=False), ROME, NOW, kept)
    assert moved == (utc(0, 30, 25, 10), kept.end)


def test_a_new_duration_moves_the_end_that_was_left_standing():
    kept = Span(utc(8), utc(9))
    assert span_of(retyped(kept, ROME, minutes=90), ROME, NOW, kept).end == utc(9, 30)


def test_another_day_takes_the_end_with_it():
    kept = Span(utc(21), utc(0, 30, day=3))
    assert span_of(retyped(kept, ROME, day=date(2026, 3, 10)), ROME, NOW, kept) == (utc(21, day=10), utc(0, 30, day=11))


def test_another_start_leaves_an_end_on_a_later_day_where_it_is():
    kept = Span(utc(8), utc(9, day=4))
    assert span_of(retyped(kept, ROME, start=time(10)), ROME, NOW, kept) == (utc(9), kept.end)
    with pytest.raises(SpanError, match="at most 7 days"):
        span_of(retyped(Span(utc(8), utc(8, day=9)), ROME, start=time(8)), ROME, NOW, Span(utc(8), utc(8, day=9)))


def test_a_running_entry_has_no_end():
    assert span_of(Typed(date(2026, 3, 2), time(9)), ROME, NOW) == (utc(8), None)


def test_an_old_entry_with_times_that_nobody_may_type_now_can_still_be_edited():
    kept = Span(datetime(1998, 5, 1, 8), datetime(1998, 5, 1, 8))
    assert span_of(retyped(kept, ROME), ROME, NOW, Span(kept.start, kept.end)) == kept


@given(st.dates(date(2000, 1, 2), date(2026, 10, 30)), st.times(), st.times(), ZONES)
def test_whatever_is_typed_ends_after_it_starts_within_a_day_and_an_hour(day, start, end, zone):
    typed = Typed(day, start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0))
    try:
        span = span_of(typed, zone, NOW)
    except SpanError as error:
        assert error.field in ("start", "end")
        assume(False)
    assert timedelta() < span.end - span.start <= timedelta(hours=25)
    assert shown(span.start, zone) == datetime.combine(day, typed.start)
    assert shown(span.end, zone).time() == typed.end
