"""The figures of the front page, asked of a real database at a fixed time."""

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.queries import overview
from app.timekeeping import week_around

ROME = ZoneInfo("Europe/Rome")
BEGIN_OF_SUMMER_TIME = datetime(2026, 3, 29, 12, tzinfo=UTC)
END_OF_SUMMER_TIME = datetime(2026, 10, 25, 12, tzinfo=UTC)


@pytest.fixture
def cursor(migrated):
    with closing(migrated.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO users (username) VALUES ('alice'), ('bob')")
        yield cursor


@pytest.fixture
def add(cursor):
    """Return a function that inserts an entry of alice by its local times, such as '2026-03-29 01:30'."""

    def insert(start: str, end: str | None, credited: int | None = None, project: int | None = 1) -> None:
        cursor.execute(
            """
            INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds)
            SELECT id, %s, %s, %s, %s FROM users WHERE username = 'alice'
            """,
            (project, in_utc(start), end and in_utc(end), credited),
        )

    return insert


def in_utc(local: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=ROME).astimezone(UTC).replace(tzinfo=None)


def minutes_by_day(cursor, now) -> dict[int, int]:
    minutes = Counter()
    for worked in overview.worked_days(cursor, week_around(now, ROME).bounds, now):
        minutes[worked.day] += worked.minutes
    return dict(minutes)


def fill(add, days):
    """Work from each local midnight to the next."""
    for begin, end in pairwise(days):
        add(f"{begin} 00:00", f"{end} 00:00")


def test_a_full_week_in_which_summer_time_begins_adds_up_to_167_hours(cursor, add):
    fill(add, [f"2026-03-{day}" for day in range(23, 31)])
    found = minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME)
    assert found == {0: 1440, 1: 1440, 2: 1440, 3: 1440, 4: 1440, 5: 1440, 6: 1380}
    assert sum(found.values()) == 167 * 60


def test_a_full_week_in_which_summer_time_ends_adds_up_to_169_hours(cursor, add):
    fill(add, [f"2026-10-{day}" for day in range(19, 27)])
    found = minutes_by_day(cursor, END_OF_SUMMER_TIME)
    assert found[6] == 25 * 60
    assert sum(found.values()) == 169 * 60


def test_an_entry_over_the_change_of_the_clocks_counts_the_time_that_passed(cursor, add):
    add("2026-03-29 01:30", "2026-03-29 03:30")
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {6: 60}
    add("2026-10-25 01:30", "2026-10-25 03:30")
    assert minutes_by_day(cursor, END_OF_SUMMER_TIME) == {6: 180}


def test_an_entry_over_midnight_belongs_whole_to_the_day_in_which_it_starts(cursor, add):
    add("2026-03-24 23:30", "2026-03-25 01:00")
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {1: 90}


def test_the_week_begins_with_its_first_midnight_and_ends_before_the_next(cursor, add):
    add("2026-03-22 23:59", "2026-03-23 08:00")
    add("2026-03-23 00:00", "2026-03-23 00:01")
    add("2026-03-29 23:59", "2026-03-30 00:01")
    add("2026-03-30 00:00", "2026-03-30 08:00")
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {0: 1, 6: 2}


def test_a_stopped_entry_counts_its_credited_time(cursor, add):
    add("2026-03-24 09:00", "2026-03-24 09:07", credited=15 * 60)
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {1: 15}


def test_a_stopped_entry_without_credited_time_counts_from_start_to_end(cursor, add):
    add("2026-03-24 09:00", "2026-03-24 09:07")
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {1: 7}


def test_a_running_timer_counts_until_now(cursor, add):
    add("2026-03-29 13:00", None)  # one hour before now, which is 14:00 in Rome
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {6: 60}


def test_a_running_timer_counts_the_time_that_passed_even_with_a_duration_from_an_old_database(cursor, add):
    add("2026-03-29 13:00", None, credited=7)
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {6: 60}


def test_nothing_counts_less_than_zero(cursor, add):
    add("2026-03-24 09:00", "2026-03-24 08:00")
    add("2026-03-24 09:00", "2026-03-24 10:00", credited=-60)
    add("2026-03-29 18:00", None)
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {1: 0, 6: 0}


def test_each_entry_is_rounded_to_the_minute_once_and_half_up(cursor, add):
    for credited in (29, 30, 89, 90):
        add("2026-03-24 09:00", "2026-03-24 09:01", credited=credited)
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {1: 0 + 1 + 1 + 2}


def test_three_entries_of_twenty_minutes_are_an_hour(cursor, add):
    for _ in range(3):
        add("2026-03-24 09:00", "2026-03-24 09:20", credited=20 * 60)
    assert minutes_by_day(cursor, BEGIN_OF_SUMMER_TIME) == {1: 60}


def test_entries_without_a_project_are_counted_by_themselves(cursor, add):
    add("2026-03-24 09:00", "2026-03-24 10:00")
    add("2026-03-24 09:00", "2026-03-24 10:30", project=None)
    found = overview.worked_days(cursor, week_around(BEGIN_OF_SUMMER_TIME, ROME).bounds, BEGIN_OF_SUMMER_TIME)
    assert sorted(found, key=str) == [(1, 1, 60), (None, 1, 90)]


def test_running_timers_come_with_their_start_in_utc_the_longest_first(cursor, add):
    add("2026-03-29 13:30", None)
    add("2026-03-29 13:00", None)
    add("2026-03-29 12:00", "2026-03-29 13:00")
    timers, count = overview.running_timers(cursor, BEGIN_OF_SUMMER_TIME, limit=50)
    assert timers == [
        ("alice", "General", "Default Client", datetime(2026, 3, 29, 11, tzinfo=UTC), 60),
        ("alice", "General", "Default Client", datetime(2026, 3, 29, 11, 30, tzinfo=UTC), 30),
    ]
    assert count == 2


def test_lists_end_at_the_limit_and_tell_how_many_there_are(cursor, add):
    for minute in range(3):
        add(f"2026-03-29 13:0{minute}", None)
    timers, count = overview.running_timers(cursor, BEGIN_OF_SUMMER_TIME, limit=2)
    assert (len(timers), count) == (2, 3)
    cursor.execute("INSERT INTO projects (name, client) VALUES ('Garden', 'Acme'), ('Relaunch', 'Acme')")
    projects, count = overview.projects(cursor, worked=[3], limit=2)
    assert ([project.name for project in projects], count) == (["Relaunch", "Garden"], 3)


def test_projects_are_the_active_ones_and_those_worked_on(cursor):
    cursor.execute(
        """
        INSERT INTO projects (name, client, status)
        VALUES ('Done', 'Acme', 'archived'), ('Forgotten', 'Acme', 'archived')
        """
    )
    projects, _ = overview.projects(cursor, worked=[2], limit=50)
    assert [(project.name, project.is_active) for project in projects] == [("Done", False), ("General", True)]
