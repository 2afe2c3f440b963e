"""How values are written on a page, as filters of the templates: each viewer has a time format and a date format."""

import re
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, get_date_format
from babel.numbers import format_currency
from flask import Flask

from app import billing, durations, security, spans, timekeeping

# Without a locale of the viewer's own: words in English, and dates that are the same in every language.
LANGUAGE = "en"

# What a viewer may choose in the profile; all write from left to right.
DATE_LOCALES = (
    "cs-CZ", "da-DK", "de-AT", "de-CH", "de-DE", "en-AU", "en-CA", "en-GB", "en-US", "es-ES", "fi-FI", "fr-CH", "fr-FR",
    "hu-HU", "it-CH", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "sv-SE", "tr-TR", "uk-UA",
    "zh-CN",
)  # fmt: skip

# The first mark that is there counts: every browser claims to be others as well.
BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"),
)  # fmt: skip
SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip

# More digits than any sum of money has, so that rounding one to its cents never fails.
EXACT = Context(prec=60)


class StartAndEnd(NamedTuple):
    """The times of an entry as they are shown; it ends `over` days after the day in which it starts."""

    start: str
    end: str | None
    over: int


def shortened(text: str) -> str:
    """Return a text as a sentence names it: in one line, and not longer than a name is."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def hours(minutes: int) -> str:
    """Return minutes as hours and minutes: 135 gives 2:15.

    Nothing lasts less than 0:00. Sums of PostgreSQL, which are Decimals, are taken as well.
    """
    return durations.hours_and_minutes(max(int(minutes), 0))


def day(value: date) -> str:
    """Return a day without its year as in `Mon 9 Mar`, or in the viewer's own way: `Mo., 9. März`."""
    locale = _date_locale()
    return format_skeleton("MMMEd", value, locale=locale) if locale else f"{value:%a} {value.day} {value:%b}"


def short_day(value: date) -> str:
    """Return a day with its month alone: `9 Mar`, or in the viewer's own way: `9. März`."""
    locale = _date_locale()
    return format_skeleton("MMMd", value, locale=locale) if locale else f"{value.day} {value:%b}"


def full_day(value: date) -> str:
    """Return a day with its year: `2026-03-09`, or in the viewer's own way: `09.03.2026`."""
    return day_in(value, _date_locale())


def day_in(value: date, locale: Locale | None) -> str:
    """Return a day in the short format of the locale, but with all digits of the year; ISO 8601 without a locale."""
    if locale is None:
        return value.isoformat()
    return format_date(value, re.sub(r"\by+\b", "y", get_date_format("short", locale).pattern), locale=locale)


def clock(value: datetime) -> str:
    """Return the local time of day of a stored moment (UTC, no zone): `09:05`, or `9:05 am`."""
    return time_of_day(timekeeping.to_local(value, security.zone()).time())


def time_of_day(value: time) -> str:
    """Return a local time of day: `09:05`, or `9:05 am`."""
    if (viewer := security.person()) and viewer.time_format == "12h":
        return format_time(value, "h:mm a", locale=LANGUAGE).lower()
    return f"{value:%H:%M}"


def local_day(value: datetime) -> date:
    """Return the local day of a stored moment (UTC, no zone)."""
    return timekeeping.to_local(value, security.zone()).date()


def moment(value: datetime) -> str:
    """Return the local day and time of a stored moment (UTC, no zone): `2026-03-09 09:05`, or in the viewer's way."""
    return f"{full_day(local_day(value))} {clock(value)}"


def when(value: datetime) -> str:
    """Return a moment (UTC, no zone) as its local time of day, with the day where that is not today."""
    value_day = local_day(value)
    return clock(value) if value_day == security.today() else f"{clock(value)} on {day(value_day)}"


def start_and_end(start: datetime, end: datetime | None) -> StartAndEnd:
    """Return how the times of an entry are written; a time that comes twice with the name of its zone."""
    zone = security.zone()
    began = timekeeping.to_local(start, zone)
    ended = timekeeping.to_local(end, zone) if end else None
    over = (ended.date() - began.date()).days if ended else 0
    return StartAndEnd(_written_time(began), _written_time(ended) if ended else None, over)


def money(amount: Decimal) -> str:
    """Return an amount in the currency of the settings, rounded half up to its smallest coin: a yen has no cents.

    Raises TypeError for a float, which cannot hold a cent.
    """
    if not isinstance(amount, Decimal | int):
        raise TypeError(f"money({amount!r}): expected a Decimal")
    currency = security.current_settings().currency
    with localcontext(EXACT):
        rounded = +Decimal(amount).quantize(billing.coin_of(currency), ROUND_HALF_UP)  # the plus makes -0.00 zero
        written = format_currency(rounded, currency, locale=_date_locale() or LANGUAGE)
    return re.sub(r"(?<=[^\W\d_])(?=\d)", "\N{NO-BREAK SPACE}", written)  # a code without a sign: CHF 12.00


def browser(user_agent: str) -> str:
    """Return the browser and the system that a User-Agent names, such as `Firefox on Linux`, or how it begins."""
    found = [next((name for mark, name in marks if mark in user_agent), "") for marks in (BROWSERS, SYSTEMS)]
    return " on ".join(filter(None, found)) if found[0] else user_agent[:40] or "Unknown"


def locale_of(name: str) -> Locale | None:
    """Return the locale called `name`, such as `de-DE`; None for the language-neutral one and for unknown ones."""
    try:
        return Locale.parse(name, sep="-") if name else None
    except (ValueError, UnknownLocaleError):
        return None


def _written_time(local: datetime) -> str:
    written = time_of_day(local.time())
    return f"{written} {local:%Z}" if spans.comes_twice(local) else written


def _date_locale() -> Locale | None:
    return locale_of(viewer.date_locale) if (viewer := security.person()) else None


def init_app(app: Flask) -> None:
    """Offer the formats to the templates, whose tags leave no blank lines behind."""
    app.jinja_options = {**app.jinja_options, "trim_blocks": True, "lstrip_blocks": True}
    filters = (hours, day, full_day, clock, time_of_day, local_day, moment, when, start_and_end, money, browser)
    for format_value in filters:
        app.add_template_filter(format_value)
