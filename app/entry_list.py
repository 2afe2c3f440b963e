"""The list of entries: which of them its address asks for, and the days in which they are shown."""

import itertools
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from flask import abort, request, url_for

from app import db, formats, ids, security, timekeeping
from app.forms.entries import LONGEST_SEARCH
from app.queries import entry_pages
from app.queries.entry_pages import Bounds, Filters, Key, ListedEntry, Page

EPOCH = datetime(1970, 1, 1)


class Day(NamedTuple):
    """The entries of a local day, and what all of that day count, also those on another page."""

    day: date
    entries: list[ListedEntry]
    minutes: int
    is_whole: bool


class EntryList(NamedTuple):
    """A page of the list. `older` and `newer` are the places of the pages beside it, as an address names them."""

    filters: Filters
    page: Page
    days: list[Day]
    older: str | None
    newer: str | None

    @property
    def is_filtered(self) -> bool:
        """Whether entries may have been left out."""
        return any(value not in ("", None) for value in self.filters)


def read(user_id: int) -> EntryList:
    """Return those entries of the user that the address asks for; a page of 404 where a filter cannot be understood."""
    filters = _filters()
    bounds = _bounds()
    before, after = _key("before"), _key("after")
    cursor = db.cursor()
    found = entry_pages.read(cursor, user_id, filters, bounds, security.now(), before, after)
    if after and not found.has_newer:  # the newest are shown as the first page shows them
        found = entry_pages.read(cursor, user_id, filters, bounds, security.now())
    return EntryList(
        filters=filters,
        page=found,
        days=_days(found),
        older=_place(found.entries[-1].key) if found.entries and found.has_older else None,
        newer=_place(found.entries[0].key) if found.entries and found.has_newer else None,
    )


def address(**changes: object) -> str:
    """Return the address of this list with other filters; of another filter the first page."""
    kept = {name: request.args[name] for name in ("user", "q", "project", "task", "day") if request.args.get(name)}
    return url_for("entries.page", **{**kept, **changes})


def address_by_id(endpoint: str) -> Callable[[int], str]:
    """Return what makes the address of an entry from its id, quicker than asking for each of the many on a page."""
    before, after = url_for(endpoint, entry_id=ids.LARGEST).split(str(ids.LARGEST))
    return lambda entry_id: f"{before}{entry_id}{after}"


# --- What the address says ---


def _filters() -> Filters:
    text = "".join(character for character in request.args.get("q", "") if character.isprintable())
    filters = Filters(text.strip()[:LONGEST_SEARCH], _number("project"), _number("task"))
    if "day" not in request.args:
        return filters
    try:
        day = date.fromisoformat(request.args["day"])
        since, until = timekeeping.days_from(day, 1, security.zone()).bounds
    except (ValueError, OverflowError):
        abort(404)
    return filters._replace(since=since, until=until)


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    number = ids.parse(text)
    if text and number is None:
        abort(404)
    return number


def _key(name: str) -> Key | None:
    """Read the place of a page, microseconds since 1970 and an id; None, which is the first page, where it is none."""
    found = re.fullmatch(r"(-?[0-9]{1,17})-([0-9]{1,19})", request.args.get(name, ""))
    if found is None:
        return None
    try:
        return Key(EPOCH + timedelta(microseconds=int(found[1])), min(int(found[2]), ids.LARGEST))
    except OverflowError:
        abort(404)


def _place(key: Key) -> str:
    return f"{(key.start - EPOCH) // timedelta(microseconds=1)}-{key.id}"


# --- Days ---


def _bounds() -> Bounds:
    today = security.today()
    week = timekeeping.days_from(timekeeping.monday_of(today), 7, security.zone()).bounds
    return Bounds(week[today.weekday()], week[today.weekday() + 1], week[0], week[7])


def _days(found: Page) -> list[Day]:
    beside: dict[date, list[int]] = {}
    for entry in found.beside:
        beside.setdefault(formats.local_day(entry.start), []).append(entry.minutes)
    days = []
    for day, listed in itertools.groupby(found.entries, key=lambda entry: formats.local_day(entry.start)):
        entries = list(listed)
        others = beside.get(day, [])
        days.append(Day(day, entries, sum(entry.minutes for entry in entries) + sum(others), not others))
    return days
