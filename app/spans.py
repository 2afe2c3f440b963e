"""From what is typed of an entry's times to its start and end. Needs no database."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.durations import hours_and_minutes
from app.timekeeping import LONGEST_ENTRY, TOO_LONG, AbsentTimeError, AmbiguousTimeError, to_local, to_stored

# Time off and a training can be noted ahead; a start that is later than this is a slip in the date.
FURTHEST_AHEAD = timedelta(days=31)
EARLIEST = date(2000, 1, 1)

A_DAY = timedelta(days=1)


class Typed(NamedTuple):
    """What was typed, in the local time of a zone. `end` or `minutes` say when it ended, neither that it runs.

    `start_second` and `end_second` say which is meant of a time that comes twice, None that nothing was said.
    """

    day: date
    start: time
    end: time | None = None
    minutes: int | None = None
    start_second: bool | None = None
    end_second: bool | None = None


class Span(NamedTuple):
    """The start and the end (UTC, no zone) of an entry; `end` is None while it runs."""

    start: datetime
    end: datetime | None


class SpanError(ValueError):
    """A sentence about one of the fields `day`, `start`, `end` or `minutes`.

    `instead` are the valid local times to offer in place of one that the clocks skip. `twice` are the two moments
    (UTC, no zone) of a time that comes twice.
    """

    def __init__(
        self,
        field: str,
        sentence: str,
        instead: tuple[datetime, ...] = (),
        twice: tuple[datetime, ...] = (),
    ):
        super().__init__(sentence)
        self.field = field
        self.instead = instead
        self.twice = twice


def span_of(typed: Typed, zone: ZoneInfo, now: datetime, kept: Span | None = None) -> Span:
    """Return the span that was typed. `kept` is the one of the entry that was shown for editing.

    What was left as it was shown keeps its moment, to the second, also in an hour that comes twice. An end before
    the start is on the next day. Raises SpanError.
    """
    start = _start(typed, zone, now, kept)
    end = _end(typed, start, zone, kept)
    if end is None or (start, end) == kept:
        return Span(start, end)
    if end <= start:
        raise SpanError("end", "The end is not after the start.")
    if end - start > LONGEST_ENTRY:
        raise SpanError("end", TOO_LONG)
    return Span(start, end)


def check_start(local: datetime, zone: ZoneInfo, now: datetime) -> None:
    """Raise SpanError where a new start at that local time is so far away that it is a slip in the date."""
    if local.date() < EARLIEST:
        raise SpanError("day", f"That is before {EARLIEST.year}. Look for a slip in the date.")
    if local > to_local(now + FURTHEST_AHEAD, zone).replace(tzinfo=None):
        raise SpanError("day", f"That is more than {FURTHEST_AHEAD.days} days ahead. Look for a slip in the date.")


def shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the local time of a stored moment as a form shows it, to the minute and without a zone."""
    return to_local(moment, zone).replace(second=0, microsecond=0, tzinfo=None, fold=0)


def which(moment: datetime, zone: ZoneInfo) -> bool | None:
    """Tell whether the local time of `moment` (UTC, no zone) is the second of two; None where it comes once."""
    local = to_local(moment, zone)
    return local.fold == 1 if comes_twice(local) else None


def comes_twice(local: datetime) -> bool:
    """Tell whether the clocks of its zone show this local time twice, for they are put back."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _start(typed: Typed, zone: ZoneInfo, now: datetime, kept: Span | None) -> datetime:
    local = datetime.combine(typed.day, typed.start)
    if kept and _is_left(local, typed.start_second, kept.start, zone):
        return kept.start
    # Before it becomes a moment: neither end of the calendar can be held by every zone.
    check_start(local, zone, now)
    return _stored("start", local, zone, typed.start_second)


def _end(typed: Typed, start: datetime, zone: ZoneInfo, kept: Span | None) -> datetime | None:
    kept_end = kept.end if kept else None
    by_duration = start + timedelta(minutes=typed.minutes) if typed.minutes is not None else None
    if typed.minutes == 0:
        raise SpanError("minutes", "An entry lasts a minute at least.")
    if typed.end is None:
        return by_duration
    if by_duration and kept_end and typed.end == shown(kept_end, zone).time() and typed.end_second is None:
        return by_duration  # the end was only left standing beside the new duration

    local = datetime.combine(typed.day + _days_over(typed, zone, kept), typed.end)
    if kept_end and _is_left(local, typed.end_second, kept_end, zone):
        end = kept_end
    elif typed.end <= typed.start and (same_hour := _later_in_the_hour_that_comes_twice(typed, start, zone)):
        end = same_hour
    elif typed.end == typed.start and by_duration is None and not _lasted_whole_days(kept, zone):
        raise SpanError("end", "That is the start. Give the duration 24:00 if it is a whole day.")
    else:
        end = _stored("end", local, zone, typed.end_second, after=start)
    if by_duration and shown(by_duration, zone) != shown(end, zone):
        minutes = (end - start) // timedelta(minutes=1)
        raise SpanError(
            "minutes", f"From the start to the end is {hours_and_minutes(minutes)}. Give the end or the duration."
        )
    return end


def _days_over(typed: Typed, zone: ZoneInfo, kept: Span | None) -> timedelta:
    """Return how many days after the start the end is: one over midnight, more only where it was so before."""
    usual = A_DAY if typed.end <= typed.start else timedelta()
    if kept is None or kept.end is None:
        return usual
    kept_start, kept_end = shown(kept.start, zone), shown(kept.end, zone)
    over = kept_end.date() - kept_start.date()
    was_usual = over == (A_DAY if kept_end.time() <= kept_start.time() else timedelta())
    return usual if was_usual or typed.end != kept_end.time() else over


def _lasted_whole_days(kept: Span | None, zone: ZoneInfo) -> bool:
    return bool(kept and kept.end) and shown(kept.start, zone).time() == shown(kept.end, zone).time()


def _later_in_the_hour_that_comes_twice(typed: Typed, start: datetime, zone: ZoneInfo) -> datetime | None:
    """From the first 02:50 to the second 02:10 are 20 minutes, although the clock says less."""
    try:
        to_stored(datetime.combine(typed.day, typed.end), zone)
    except AmbiguousTimeError as asked:
        return asked.second if asked.second > start and typed.end_second is not False else None
    except AbsentTimeError:
        return None
    return None


def _is_left(local: datetime, second: bool | None, moment: datetime, zone: ZoneInfo) -> bool:
    return local == shown(moment, zone) and (second is None or second == which(moment, zone))


def _stored(
    field: str, local: datetime, zone: ZoneInfo, second: bool | None, after: datetime | None = None
) -> datetime:
    try:
        return to_stored(local, zone, second)
    except AbsentTimeError as error:
        sentence = (
            f"There is no {local:%H:%M} on that day: the clocks go from {error.before:%H:%M} to {error.after:%H:%M}."
        )
        raise SpanError(field, sentence, instead=(error.before, error.after)) from error
    except AmbiguousTimeError as error:
        if after and error.first <= after < error.second:
            return error.second  # the first would be before the start
        sentence = f"{local:%H:%M} comes twice on that day. Say which one is meant."
        raise SpanError(field, sentence, twice=(error.first, error.second)) from error
