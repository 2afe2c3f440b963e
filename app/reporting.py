"""What a report is of: which days, which entries, in what rows and columns. Rules that need no database."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app import billing
from app.timekeeping import days_from, first_of_month, monday_of

# Days outside of these cannot be asked for: at the ends of the calendar a time zone leads out of it.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)

PERIODS = {
    "today": "Today",
    "yesterday": "Yesterday",
    "this-week": "This week",
    "last-week": "Last week",
    "this-month": "This month",
    "last-month": "Last month",
    "this-quarter": "This quarter",
    "last-quarter": "Last quarter",
    "this-year": "This year",
    "last-year": "Last year",
    "all": "All",
}
DEFAULT_PERIOD = "this-month"

ROWS = {"project": "Project", "client": "Client", "task": "Task", "user": "Person", "tag": "Tag", "none": "None"}
COLUMNS = {"day": "Day", "week": "Week", "month": "Month", "year": "Year", "none": "None"}

# More columns than these nobody reads; the next longer unit is taken then. Years are never too many.
MOST_COLUMNS = 62


class Bucket(NamedTuple):
    """The days of a column: `first` to `last`, both in it."""

    first: date
    last: date


class Figure(NamedTuple):
    """A sum: `minutes` of so many `entries`. An entry that is rounded to nothing still counts as one."""

    minutes: int = 0
    entries: int = 0

    def __add__(self, other: "Figure") -> "Figure":  # type: ignore[override]
        return Figure(self.minutes + other.minutes, self.entries + other.entries)


class Cell(NamedTuple):
    """A part of a sum as the database gives it. `bucket` is the number of the column, 1 being the first."""

    key: int | str | None
    bucket: int
    billable: bool
    figure: Figure


class Line(NamedTuple):
    """Billable minutes of one row that have one hourly rate, which is None where the project has none."""

    key: int | str | None
    rate: Decimal | None
    minutes: int


@dataclass(frozen=True)
class Selection:
    """The entries of a report: those that start on the local days from `first` to `last`, as far as they match.

    None matches any. An entry needs all of `tags`, and lacks all that `without` names (keys of ROWS).
    """

    first: date
    last: date
    user: int | None = None
    project: int | None = None
    client: str | None = None
    task: int | None = None
    tags: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    billable: bool | None = None

    def of_row(self, rows: str, key: int | str | None) -> "Selection":
        """Return what is left of it in one row of a report by `rows`."""
        if rows == "none":
            return self
        if key is None or key == "":
            return replace(self, without=self.without | {rows})
        if rows == "tag":
            return replace(self, tags=tuple(dict.fromkeys((*self.tags, str(key)))))
        return replace(self, **{rows: key})

    def of_days(self, bucket: Bucket) -> "Selection":
        """Return what is left of it in one column."""
        return replace(self, first=bucket.first, last=bucket.last)

    def address(self, days: bool = True) -> dict[str, str | list[str]]:
        """Return it as the parameters of an address; without `days` only what is asked of the entries."""
        parameters = {
            "from": self.first.isoformat() if days else None,
            "to": self.last.isoformat() if days else None,
            "user": self.user,
            "project": self.project,
            "client": self.client,
            "task": self.task,
            "tag": ",".join(self.tags) or None,
            "without": sorted(self.without) or None,
            "billable": None if self.billable is None else "yes" if self.billable else "no",
        }
        return {
            name: value if isinstance(value, list) else str(value)
            for name, value in parameters.items()
            if value is not None
        }


@dataclass
class Row:
    """A row of a report, or its total. `key` says whose it is: an id, a name, or None for entries that have none."""

    key: int | str | None
    cells: dict[int, Figure]
    billable: Figure
    not_billable: Figure
    amount: Decimal

    @property
    def total(self) -> Figure:
        """All of it, billable or not."""
        return self.billable + self.not_billable


def days_of(period: str, today: date) -> Bucket:
    """Return the days of a period, such as `last-month`, as seen from `today`. Raises KeyError, for `all` too."""
    monday, month = monday_of(today), today.replace(day=1)
    quarter = first_of_month(today.year, (today.month - 1) // 3 * 3 + 1)
    return {
        "today": lambda: Bucket(today, today),
        "yesterday": lambda: Bucket(today - timedelta(days=1), today - timedelta(days=1)),
        "this-week": lambda: Bucket(monday, monday + timedelta(days=6)),
        "last-week": lambda: Bucket(monday - timedelta(days=7), monday - timedelta(days=1)),
        "this-month": lambda: _months(month, 1),
        "last-month": lambda: _months(first_of_month(month.year, month.month - 1), 1),
        "this-quarter": lambda: _months(quarter, 3),
        "last-quarter": lambda: _months(first_of_month(quarter.year, quarter.month - 3), 3),
        "this-year": lambda: _months(date(today.year, 1, 1), 12),
        "last-year": lambda: _months(date(today.year - 1, 1, 1), 12),
    }[period]()


def buckets(days: Bucket, unit: str) -> list[Bucket]:
    """Return the columns: `days` cut where a `unit` (day, week, month, year) begins; `none` leaves it whole.

    Weeks begin on Monday. The first and the last column may be shorter than a unit.
    """
    found, first = [], days.first
    while first <= days.last:
        last = min(_last_of(unit, first), days.last) if unit != "none" else days.last
        found.append(Bucket(first, last))
        first = last + timedelta(days=1)
    return found


def columns_for(days: Bucket, wanted: str | None) -> str:
    """Return the unit of the columns: the wanted one, or a longer one where that gives too many."""
    length = (days.last - days.first).days + 1
    if wanted is None:
        wanted = "day" if length <= 31 else "week" if length <= 100 else "month"
    if wanted == "day" and length > MOST_COLUMNS:
        wanted = "week"
    if wanted == "week" and length > 7 * MOST_COLUMNS - 6:
        wanted = "month"
    if wanted == "month" and length > 28 * MOST_COLUMNS and len(buckets(days, "month")) > MOST_COLUMNS:
        wanted = "year"
    return wanted


def bounds(columns: list[Bucket], zone: ZoneInfo) -> list[datetime]:
    """Return the instants (UTC, no zone) at which each column begins and the last one ends: one more than columns."""
    starts = [*(column.first for column in columns), columns[-1].last + timedelta(days=1)]
    return [days_from(start, 0, zone).bounds[0] for start in starts]


def rows_of(cells: Iterable[Cell], lines: Iterable[Line], coin: Decimal) -> list[Row]:
    """Return a row for each key, the most time first, and what has no key last; each line is rounded to the coin."""
    rows: dict[int | str | None, Row] = {}
    lines_of = defaultdict(list)
    for line in lines:
        lines_of[line.key].append((line.minutes, line.rate))
    for cell in cells:
        if cell.key not in rows:
            rows[cell.key] = Row(cell.key, {}, Figure(), Figure(), billing.total(lines_of[cell.key], coin))
        row = rows[cell.key]
        row.cells[cell.bucket] = row.cells.get(cell.bucket, Figure()) + cell.figure
        if cell.billable:
            row.billable += cell.figure
        else:
            row.not_billable += cell.figure
    return sorted(rows.values(), key=lambda row: (row.key is None or row.key == "", -row.total.minutes, str(row.key)))


def total_of(rows: Iterable[Row]) -> Row:
    """Return the sum of rows that share no entry."""
    total = Row(None, {}, Figure(), Figure(), Decimal("0.00"))
    for row in rows:
        for bucket, figure in row.cells.items():
            total.cells[bucket] = total.cells.get(bucket, Figure()) + figure
        total.billable += row.billable
        total.not_billable += row.not_billable
        total.amount += row.amount
    return total


def _last_of(unit: str, day: date) -> date:
    if unit == "day":
        return day
    if unit == "week":
        return monday_of(day) + timedelta(days=6)
    following = first_of_month(day.year, day.month + 1) if unit == "month" else date(day.year + 1, 1, 1)
    return following - timedelta(days=1)


def _months(first: date, count: int) -> Bucket:
    return Bucket(first, first_of_month(first.year, first.month + count) - timedelta(days=1))
