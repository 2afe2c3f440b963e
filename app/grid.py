"""The grid of a week: what was typed into which cell, and how that is spelled in the fields of a form."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from app import durations, formats, ids
from app.queries.week import Work

DAYS = 7
LONGEST_DAY = 24 * 60

CELL = re.compile(r"cell-(\d{1,19})-(\d{1,19})-([0-6])")
ROW = re.compile(r"(\d+)-(\d+)")


class Change(NamedTuple):
    """What is to become of a cell: the minutes that it showed, None for no entry, and those that it shall have.

    Where 0 are wanted, the entry is to be deleted.
    """

    work: Work
    day: int
    shown: int | None
    wanted: int


def row_name(work: Work) -> str:
    """Return how a row is called in a form: `12-0` is project 12 without a task."""
    return f"{work[0] or 0}-{work[1] or 0}"


def work_of(name: str) -> Work | None:
    """Return what the row of that name is about, None where there is no such name."""
    found = ROW.fullmatch(name)
    project, task = map(ids.parse, found.groups()) if found else (None, None)
    return None if project is None or task is None else (project or None, task or None)


def field_name(work: Work, day: int) -> str:
    """Return the name of the field of a cell."""
    return f"cell-{row_name(work)}-{day}"


def read(form: Mapping[str, str]) -> tuple[list[Change], dict[str, str], list[Work]]:
    """Return the changes that a sent form asks for, the fields that cannot be read with a sentence each, and its rows.

    A cell that still says what it was sent with is no change. An empty one stands for no entry.
    """
    changes, errors, rows = [], {}, {}
    for name, typed in form.items():
        found = CELL.fullmatch(name)
        work = work_of(f"{found[1]}-{found[2]}") if found else None
        if work is None:
            continue
        rows[work] = None
        was = form.get(f"was-{name}", "")
        shown = int(was) if re.fullmatch(r"[0-9]{1,9}", was) else None
        is_empty = not typed.strip()
        if typed.strip() == ("" if shown is None else formats.hours(shown)):
            continue
        try:
            wanted = 0 if is_empty else durations.parse_duration(typed, "hours")
        except ValueError as error:
            errors[name] = str(error)
            continue
        if wanted > LONGEST_DAY:
            errors[name] = "A day has no more than 24 hours. Two days are two cells."
        elif is_empty or wanted != (shown or 0):
            changes.append(Change(work, int(found[3]), shown, wanted))
    return changes, errors, list(rows)
