"""How values are written, for viewers with different tastes."""

from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from flask import Flask

from app import formats, security
from app.queries.settings import Settings

DAY = date(2026, 3, 9)


@pytest.fixture
def seen_by(monkeypatch):
    """Return a function that makes somebody with those preferences the viewer."""

    def viewer(time_format="24h", date_locale="", **settings):
        monkeypatch.setattr(
            security, "person", lambda: SimpleNamespace(time_format=time_format, date_locale=date_locale)
        )
        monkeypatch.setattr(security, "current_settings", lambda: Settings(**settings))
        security.forget_settings()

    with Flask("app").app_context():
        yield viewer


@pytest.mark.parametrize(
    ("minutes", "written"),
    [(0, "0:00"), (1, "0:01"), (59, "0:59"), (60, "1:00"), (135, "2:15"), (6_000_000, "100000:00"), (-5, "0:00")],
)
def test_hours_are_hours_and_minutes_and_never_negative(minutes, written):
    assert formats.hours(minutes) == formats.hours(Decimal(minutes)) == written


def test_days_are_the_same_in_every_language_unless_one_was_chosen(seen_by):
    seen_by()
    assert formats.full_day(DAY) == "2026-03-09"
    assert formats.day(DAY) == "Mon 9 Mar"
    seen_by(date_locale="de-DE")
    assert formats.full_day(DAY) == "09.03.2026"
    assert formats.day(DAY) == "Mo., 9. März"
    seen_by(date_locale="en-US")
    assert formats.full_day(DAY) == "3/9/2026"
    assert formats.day(DAY) == "Mon, Mar 9"


@pytest.mark.parametrize("name", formats.DATE_LOCALES)
def test_every_locale_that_is_offered_shows_day_month_and_all_of_the_year(seen_by, name):
    seen_by(date_locale=name)
    written = formats.full_day(DAY)
    assert "2026" in written and "9" in written and "3" in written
    assert formats.day(DAY)


@pytest.mark.parametrize("name", ["", "xx-YY", "nonsense", "de_DE; DROP", "-", "../de"])
def test_a_locale_that_nobody_knows_is_the_neutral_one(seen_by, name):
    seen_by(date_locale=name)
    assert formats.full_day(DAY) == "2026-03-09"


@pytest.mark.parametrize(
    ("utc", "in_24h", "in_12h"),
    [
        (datetime(2026, 3, 9, 23, 5), "00:05", "12:05 am"),
        (datetime(2026, 3, 9, 8, 5), "09:05", "9:05 am"),
        (datetime(2026, 3, 9, 11), "12:00", "12:00 pm"),
        (datetime(2026, 7, 9, 20, 59, 59), "22:59", "10:59 pm"),
    ],
)
def test_times_are_local_in_24_or_12_hours(seen_by, utc, in_24h, in_12h):
    seen_by("24h", timezone="Europe/Rome")
    assert formats.clock(utc) == in_24h
    seen_by("12h", timezone="Europe/Rome")
    assert formats.clock(utc) == in_12h


def test_a_moment_belongs_to_its_local_day(seen_by):
    seen_by("12h", "en-GB", timezone="Europe/Rome")
    assert formats.local_day(datetime(2026, 3, 8, 23, 30)) == DAY
    assert formats.moment(datetime(2026, 3, 8, 23, 30)) == "09/03/2026 12:30 am"


@pytest.mark.parametrize(
    ("start", "end", "written"),
    [
        (datetime(2026, 3, 9, 8), datetime(2026, 3, 9, 9, 30), ("09:00", "10:30", 0)),
        (datetime(2026, 3, 9, 8), None, ("09:00", None, 0)),
        (datetime(2026, 3, 9, 22), datetime(2026, 3, 9, 23), ("23:00", "00:00", 1)),
        (datetime(2026, 10, 24, 23), datetime(2026, 10, 25, 1, 5), ("01:00", "02:05 CET", 0)),
        (datetime(2026, 10, 25, 0, 5), datetime(2026, 10, 27, 1, 5), ("02:05 CEST", "02:05", 2)),
    ],
)
def test_times_of_an_entry_say_how_many_days_later_it_ends_and_which_hour_is_meant(seen_by, start, end, written):
    seen_by(timezone="Europe/Rome")
    assert formats.start_and_end(start, end) == written


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("79.995", "EUR", "€80.00"),
        ("0.005", "EUR", "€0.01"),
        ("-0.001", "EUR", "€0.00"),
        ("-2.5", "EUR", "-€2.50"),
        ("1234.5", "JPY", "¥1,235"),
        ("1.0005", "KWD", "KWD\xa01.001"),
        ("123456789012345678901234567890.12", "EUR", "€123,456,789,012,345,678,901,234,567,890.12"),
        ("1", "XYQ", "XYQ\xa01.00"),
    ],
)
def test_money_is_rounded_half_up_to_the_coins_of_its_currency(seen_by, amount, currency, written):
    seen_by(currency=currency)
    assert formats.money(Decimal(amount)) == written


def test_money_is_written_in_the_viewers_way(seen_by):
    seen_by(date_locale="de-DE", currency="EUR")
    assert formats.money(Decimal("1234.5")) == "1.234,50\xa0€"


def test_money_is_never_a_float(seen_by):
    seen_by()
    with pytest.raises(TypeError, match="expected a Decimal"):
        formats.money(0.1)


@pytest.mark.parametrize(
    ("user_agent", "written"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 "
            "Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 "
            "Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("a test", "a test"),
        ("", "Unknown"),
    ],
)
def test_browsers_are_named_in_short(user_agent, written):
    assert formats.browser(user_agent) == written
