"""Durations and times of day as people type and read them. What is not understood is answered with a sentence."""

import re
from datetime import time, timedelta
from typing import Literal

from app.timekeeping import LONGEST_ENTRY

LONGEST_TEXT = 20
LONGEST_MINUTES = LONGEST_ENTRY // timedelta(minutes=1)

# ASCII digits only: what `\d` takes for digits in other scripts is not what was meant to be typed.
WITH_COLONS = re.compile(r"([0-9]+):([0-9]{1,2})(?::([0-9]{1,2}))?")
DECIMAL_HOURS = re.compile(r"([0-9]*)[.,]([0-9]+) ?(?:h|hours?)?")
WITH_UNITS = re.compile(r"(?:([0-9]+) ?(?:h|hours?))? ?(?:([0-9]+) ?(?:m|min|mins|minutes?)?)?")
CLOCK = re.compile(r"([0-9]{1,2})(?:[:.]?([0-9]{2}))? ?(am|pm|a\.m\.|p\.m\.)?")


def parse_duration(text: str, bare: Literal["minutes", "hours"]) -> int:
    """Return the minutes that `text` means, rounded half up: `1:30`, `1:30:00`, `1.5`, `1,5h`, `90m`, `1h30`.

    A whole number alone counts what `bare` says. Raises ValueError with a sentence for anything else, and for more
    than the longest entry.
    """
    typed = _plain(text)
    if typed.isascii() and typed.isdigit():
        seconds = int(typed) * (60 if bare == "minutes" else 3600)
    elif found := WITH_COLONS.fullmatch(typed):
        hours, minutes, rest = (int(part or 0) for part in found.groups())
        if minutes > 59 or rest > 59:
            raise ValueError("After a colon come at most 59: 1:30 is an hour and a half.")
        seconds = hours * 3600 + minutes * 60 + rest
    elif found := DECIMAL_HOURS.fullmatch(typed):
        whole, decimals = found.groups()
        return _checked(_half_up(int((whole or "0") + decimals) * 60, 10 ** len(decimals)))
    elif typed and (found := WITH_UNITS.fullmatch(typed)):
        hours, minutes = (int(part or 0) for part in found.groups())
        seconds = hours * 3600 + minutes * 60
    else:
        raise ValueError("That is no duration. Type it as 1:30, 1.5h, 90m or 1h30.")
    return _checked(_half_up(seconds, 60))


def parse_time(text: str) -> time:
    """Return the time of day that `text` means: `930`, `9:30`, `9`, `9pm`, `1234`.

    Raises ValueError with a sentence.
    """
    found = CLOCK.fullmatch(_plain(text))
    if found is None:
        raise ValueError("That is no time of day. Type it as 9:30, 930, 9 or 9pm.")
    hour, minute, half = int(found[1]), int(found[2] or 0), (found[3] or "").replace(".", "")
    if half and not 1 <= hour <= 12:
        raise ValueError("With am or pm the hours go from 1 to 12.")
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59:
        raise ValueError("A day ends at 23:59. Midnight is 0:00.")
    return time(hour, minute)


def hours_and_minutes(minutes: int) -> str:
    """Return whole minutes as hours and minutes: 135 gives 2:15, -5 gives -0:05. Decimal hours would not add up."""
    return f"{'-' if minutes < 0 else ''}{abs(minutes) // 60}:{abs(minutes) % 60:02}"


def _plain(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ValueError("That is too long. Type it as 1:30.")
    return " ".join(text.lower().split())


def _checked(minutes: int) -> int:
    if minutes > LONGEST_MINUTES:
        raise ValueError(f"One entry lasts at most {LONGEST_MINUTES // 60} hours.")
    return minutes


def _half_up(value: int, unit: int) -> int:
    return (2 * value + unit) // (2 * unit)
