"""Totals are the sum of their parts in every grouping, and what an independent computation gives."""

import contextlib
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app import billing, reporting
from app.queries import reports
from app.reporting import Bucket, Selection

pytestmark = pytest.mark.only_pg("pg18")

CENT = billing.coin_of("EUR")

# Days on which the clocks change, at night and (in Cairo) at midnight, with a day around each.
CHANGES = {
    "Europe/Rome": [date(2026, 3, 29), date(2026, 10, 25)],
    "Africa/Cairo": [date(2026, 4, 24), date(2026, 10, 30)],
}
TAGS = ["", None, "a", "a, b", " b ,A,,a", "c", ",", "é b", "É B,C"]
RATES = {1: Decimal("80"), 2: Decimal("33.33"), 3: None, 4: Decimal("0.30")}
CLIENTS = {1: "Acme", 2: "ACME ", 3: "", 4: "Bloom"}
AT = datetime(2026, 11, 1, 12)

entries = st.fixed_dictionaries(
    {
        "user": st.sampled_from([None, 1, 2]),
        "project": st.sampled_from([None, 1, 2, 3, 4]),
        "change": st.integers(0, 1),
        "start": st.integers(-40 * 60, 40 * 60),  # minutes from the midnight of the change
        "seconds": st.integers(0, 59),
        "length": st.one_of(st.none(), st.integers(-60, 10 * 3600)),  # None: it runs
        "credited": st.one_of(st.none(), st.integers(0, 10 * 3600)),
        "tags": st.sampled_from(TAGS),
        "billable": st.booleans(),
    }
)


def stored(zone: ZoneInfo, entry: dict) -> dict:
    """The entry as it is in the table, by its local start and in UTC."""
    midnight = datetime.combine(CHANGES[zone.key][entry["change"]], datetime.min.time(), UTC)
    start = (midnight + timedelta(minutes=entry["start"], seconds=entry["seconds"])).replace(tzinfo=None)
    end = None if entry["length"] is None else start + timedelta(seconds=entry["length"])
    local = start.replace(tzinfo=UTC).astimezone(zone).date()
    if end is None:
        seconds = max(0, int((AT - start).total_seconds()))
    else:
        seconds = max(0, entry["length"] if entry["credited"] is None else entry["credited"])
    return {**entry, "start": start, "end": end, "day": local, "minutes": (seconds + 30) // 60}


def keys(entry: dict, rows: str) -> list:
    """The rows in which the entry counts, as they are told apart."""
    if rows == "tag":
        return sorted({folded(tag) for tag in (entry["tags"] or "").split(",")} - {""}) or [None]
    if rows == "client":
        return [folded(CLIENTS.get(entry["project"], ""))]
    return [{"user": entry["user"], "project": entry["project"], "task": None, "none": None}[rows]]


def folded(key: object) -> object:
    return key.strip().lower() if isinstance(key, str) else key


def unit_of(day: date, unit: str, first: date) -> object:
    return {
        "day": day,
        "week": max(first, day - timedelta(days=day.weekday())),
        "month": (day.year, day.month),
        "year": day.year,
        "none": None,
    }[unit]


def earned(entries: list[dict]) -> Decimal:
    minutes: dict[int, int] = defaultdict(int)
    for entry in entries:
        if entry["billable"] and RATES.get(entry["project"]) is not None:
            minutes[entry["project"]] += entry["minutes"]
    cents = [
        (RATES[project] * count / 60).quantize(Decimal("0.01"), ROUND_HALF_UP) for project, count in minutes.items()
    ]
    return sum(cents, Decimal("0.00"))


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    drawn=st.lists(entries, min_size=10, max_size=60),
    name=st.sampled_from(list(CHANGES)),
    change=st.integers(0, 1),
    before=st.integers(0, 3),
    after=st.integers(0, 40),
)
def test_totals_are_the_sums_of_their_parts_by_day_week_and_month(totals_database, drawn, name, change, before, after):
    zone, cursor = ZoneInfo(name), totals_database
    rows = [stored(zone, entry) for entry in drawn]
    cursor.execute("TRUNCATE time_entries")
    cursor.executemany(
        """
        INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds, tags, billable)
        VALUES (%(user)s, %(project)s, %(start)s, %(end)s, %(credited)s, %(tags)s, %(billable)s)
        """,
        rows,
    )
    day = CHANGES[name][change]
    days = Bucket(day - timedelta(days=before), day + timedelta(days=after))
    within = [entry for entry in rows if days.first <= entry["day"] <= days.last]
    for by in reporting.ROWS:
        for unit in reporting.COLUMNS:
            columns = reporting.buckets(days, unit)
            assert columns[0].first == days.first and columns[-1].last == days.last
            bounds = reporting.bounds(columns, zone)
            found = reporting.rows_of(*reports.sums(cursor, Selection(*days), bounds, by, AT), CENT)

            expected: dict[tuple, int] = defaultdict(int)
            for entry in within:
                for key in keys(entry, by):
                    expected[key, unit_of(entry["day"], unit, days.first), entry["billable"]] += entry["minutes"]
            assert len({folded(row.key) for row in found}) == len(found)
            for row in found:
                key = folded(row.key)
                mine = [entry for entry in within if key in keys(entry, by)]
                assert row.total.minutes == sum(figure.minutes for figure in row.cells.values())
                assert row.total.entries == len(mine)
                assert row.amount == earned(mine)
                for number, figure in row.cells.items():
                    where = unit_of(columns[number - 1].first, unit, days.first)
                    assert figure.minutes == expected[key, where, True] + expected[key, where, False]
            assert sum(row.total.minutes for row in found) == sum(expected.values())
            if by != "tag":
                assert reporting.total_of(found).total == (sum(entry["minutes"] for entry in within), len(within))


@pytest.fixture
def totals_database(migrated):
    """A cursor on a database with two users and four projects."""
    migrated.execute("DELETE FROM projects")
    migrated.execute("INSERT INTO users (id, username) VALUES (2, 'second') ON CONFLICT DO NOTHING")
    for number in CLIENTS:
        migrated.execute(
            "INSERT INTO projects (id, name, client, hourly_rate) VALUES (%s, 'P', %s, %s)",
            number, CLIENTS[number], RATES[number],
        )  # fmt: skip
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize("unit", ["day", "week", "month", "year", "none"])
def test_columns_follow_one_another_without_a_gap(unit):
    columns = reporting.buckets(Bucket(date(2025, 12, 3), date(2027, 2, 20)), unit)
    for column, following in pairwise(columns):
        assert following.first == column.last + timedelta(days=1)
    if unit == "week":
        assert {column.first.weekday() for column in columns[1:]} == {0}


def test_days_of_23_and_25_hours_add_up_to_their_week():
    for first, hours in ((date(2026, 3, 23), 167), (date(2026, 10, 19), 169)):
        days = Bucket(first, first + timedelta(days=6))
        bounds = reporting.bounds(reporting.buckets(days, "day"), ZoneInfo("Europe/Rome"))
        assert bounds[-1] - bounds[0] == timedelta(hours=hours)
        assert len(bounds) == 8


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("today", "2026-01-01", "2026-01-01"),
        ("yesterday", "2025-12-31", "2025-12-31"),
        ("this-week", "2025-12-29", "2026-01-04"),
        ("last-week", "2025-12-22", "2025-12-28"),
        ("this-month", "2026-01-01", "2026-01-31"),
        ("last-month", "2025-12-01", "2025-12-31"),
        ("this-quarter", "2026-01-01", "2026-03-31"),
        ("last-quarter", "2025-10-01", "2025-12-31"),
        ("this-year", "2026-01-01", "2026-12-31"),
        ("last-year", "2025-01-01", "2025-12-31"),
    ],
)
def test_periods_as_seen_from_new_year(period, first, last):
    found = reporting.days_of(period, date(2026, 1, 1))
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


def test_last_month_of_the_31st_and_of_a_leap_day():
    assert reporting.days_of("last-month", date(2026, 3, 31)) == (date(2026, 2, 1), date(2026, 2, 28))
    assert reporting.days_of("last-year", date(2028, 2, 29)) == (date(2027, 1, 1), date(2027, 12, 31))
