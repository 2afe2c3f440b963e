"""How values are written on a page, as filters of the templates: each viewer has a time format and a date format."""

from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_currency
from flask import Flask

from app import security, timekeeping

# Without a locale of the viewer's own: words in English, and dates that are the same in every language.
LANGUAGE = "en"


def hours(minutes: int) -> str:
    """Return minutes as hours and minutes: 135 gives 2:15. Never as decimal hours, which do not add up."""
    return f"{minutes // 60}:{minutes % 60:02}"


def day(value: date) -> str:
    """Return a day as in `Mon 9 Mar`, or in the viewer's own way."""
    return f"{value:%a} {_short_date(value)}"


def full_day(value: date) -> str:
    """Return a day with its year: `2026-03-09`, or in the viewer's own way."""
    locale = _date_locale()
    return format_date(value, "short", locale=locale) if locale else value.isoformat()


def clock(value: datetime) -> str:
    """Return the local time of day of a stored moment (UTC, no zone): `09:05`, or `9:05 am`."""
    return time_of_day(timekeeping.to_local(value, security.zone()).time())


def time_of_day(value: time) -> str:
    """Return a local time of day: `09:05`, or `9:05 am`."""
    if security.is_signed_in() and security.viewer().time_format == "12h":
        return format_time(value, "h:mm a", locale=LANGUAGE).lower()
    return f"{value:%H:%M}"


def local_day(value: datetime) -> date:
    """Return the local day of a stored moment (UTC, no zone)."""
    return timekeeping.to_local(value, security.zone()).date()


def money(amount: Decimal) -> str:
    """Return an amount in the currency of the settings, rounded half up to its cents."""
    currency = security.current_settings().currency
    rounded = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return format_currency(rounded, currency, locale=_date_locale() or LANGUAGE)


def _short_date(value: date) -> str:
    locale = _date_locale()
    return format_date(value, "d MMM", locale=locale or LANGUAGE)


def _date_locale() -> Locale | None:
    name = security.viewer().date_locale if security.is_signed_in() else ""
    try:
        return Locale.parse(name, sep="-") if name else None
    except (ValueError, UnknownLocaleError):
        return None


def init_app(app: Flask) -> None:
    """Offer the formats to the templates, whose tags leave no blank lines behind."""
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    for format_value in (hours, day, full_day, clock, time_of_day, local_day, money):
        app.add_template_filter(format_value)
