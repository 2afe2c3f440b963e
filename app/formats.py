"""How values are written on a page, as filters of the templates."""

from datetime import date, datetime

from flask import Flask


def hours(minutes: int) -> str:
    """Return minutes as hours and minutes: 135 gives 2:15."""
    return f"{minutes // 60}:{minutes % 60:02}"


def day(value: date) -> str:
    """Return a day as in `Mon 9 Mar`."""
    return f"{value:%a} {value.day} {value:%b}"


def clock(value: datetime) -> str:
    """Return the time of day as in `09:05`."""
    return f"{value:%H:%M}"


def init_app(app: Flask) -> None:
    """Offer the formats to the templates, whose tags leave no blank lines behind."""
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    for format_value in (hours, day, clock):
        app.add_template_filter(format_value)
