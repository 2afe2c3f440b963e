"""Durations and times as people type them."""

from datetime import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app import formats, tags
from app.durations import LONGEST_MINUTES, parse_duration, parse_time

MINUTES = st.integers(0, LONGEST_MINUTES)


@pytest.mark.parametrize("text", ["1:30", "1:30:00", "1.5", "1,5", "1.5h", "90m", "1h30", " 1 h 30 min ", "1H30M"])
def test_an_hour_and_a_half_can_be_typed_in_many_ways(text):
    assert parse_duration(text, "minutes") == parse_duration(text, "hours") == 90


@pytest.mark.parametrize("text, minutes", [("45", 45), ("0", 0), ("007", 7)])
def test_a_bare_number_is_minutes_in_the_bar_and_hours_in_the_week(text, minutes):
    assert parse_duration(text, "minutes") == minutes
    assert parse_duration(text, "hours") == minutes * 60


@pytest.mark.parametrize("text, minutes", [("0:00:29", 0), ("0:00:30", 1), ("0.0083", 0), (".00834", 1), ("0,33", 20)])
def test_parts_of_a_minute_are_rounded_half_up(text, minutes):
    assert parse_duration(text, "minutes") == minutes


@pytest.mark.parametrize(
    "text", ["", " ", "h", "m", "-1", "-1:30", "1:", ":30", "1e5", "1.5m", "1:30h", "٣", "½", "1\0"]
)
def test_what_is_no_duration_is_answered_with_examples(text):
    with pytest.raises(ValueError, match="Type it as 1:30"):
        parse_duration(text, "minutes")


@pytest.mark.parametrize("text", ["99999999999999999999", "169h", "168:01", "10081m", "9" * 17 + ".5"])
def test_nothing_longer_than_the_longest_entry_is_taken(text):
    with pytest.raises(ValueError, match="at most 168 hours"):
        parse_duration(text, "minutes")


def test_a_text_that_is_too_long_is_not_even_read():
    with pytest.raises(ValueError, match="too long"):
        parse_duration("1" * 10_000_000, "minutes")


@given(MINUTES)
def test_what_is_shown_can_be_typed(minutes):
    for text in (
        formats.hours(minutes),
        f"{minutes}m",
        f"{minutes // 60}h{minutes % 60}",
        f"{formats.hours(minutes)}:00",
    ):
        assert parse_duration(text, "hours") == minutes
    assert parse_duration(str(minutes), "minutes") == minutes


@given(st.text(max_size=25) | st.text("0123456789:.,hm -", max_size=22), st.sampled_from(["minutes", "hours"]))
@example("0.99999999999999999", "hours")
def test_any_text_gives_a_duration_within_bounds_or_a_sentence(text, bare):
    try:
        minutes = parse_duration(text, bare)
    except ValueError as error:
        assert str(error).endswith(".")
    else:
        assert isinstance(minutes, int) and 0 <= minutes <= LONGEST_MINUTES
        assert text.isascii() or text.strip().isascii()


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_decimals_never_mean_less(first, second):
    low, high = sorted((first, second))
    assert parse_duration(f"1.{low:05}", "hours") <= parse_duration(f"1.{high:05}", "hours")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("930", time(9, 30)),
        ("9:30", time(9, 30)),
        ("9.30", time(9, 30)),
        ("9", time(9)),
        ("9pm", time(21)),
        ("9:30 PM", time(21, 30)),
        ("1234", time(12, 34)),
        ("0005", time(0, 5)),
        ("12am", time(0)),
        ("12 p.m.", time(12)),
        ("0", time(0)),
    ],
)
def test_times_can_be_typed_short(text, expected):
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text", ["", "24:00", "2460", "9:60", "13pm", "0am", "9:5", "-1", "noon", "٩", "9" * 30, "9\0"]
)
def test_what_is_no_time_is_answered_with_a_sentence(text):
    with pytest.raises(ValueError, match=r"\.$"):
        parse_time(text)


@given(st.times())
def test_a_time_that_is_shown_can_be_typed(value):
    minute = value.replace(second=0, microsecond=0, tzinfo=None)
    for text in (f"{minute:%H:%M}", f"{minute:%H%M}", f"{minute:%I:%M %p}", f"{minute:%I%M%p}"):
        assert parse_time(text) == minute


@given(st.text(max_size=25))
def test_any_text_gives_a_time_or_a_sentence(text):
    try:
        assert isinstance(parse_time(text), time)
    except ValueError as error:
        assert str(error).endswith(".")


def test_tags_are_trimmed_and_each_is_kept_once():
    assert tags.split(" Draft,,draft ,  two   words,DRAFT") == ["Draft", "two words"]
    assert tags.join([]) is None


@given(st.text())
def test_tags_that_are_kept_stay_as_they_are(text):
    once = tags.split(text)
    assert tags.split(tags.join(once)) == once
