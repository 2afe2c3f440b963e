"""The queries of entries: what overlaps, and what a change leaves behind."""

import contextlib
from datetime import datetime, timedelta

import pytest

from app.queries import time_entries

pytestmark = pytest.mark.only_pg("pg18")

NINE = datetime(2026, 3, 11, 9)
HOUR = timedelta(hours=1)


@pytest.fixture
def cursor(migrated):
    """A cursor whose statements are committed one by one."""
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def add(cursor, cast):
    """Return a function that adds an entry of alice and gives its id."""

    def added(start: datetime, end: datetime | None, user: str = "alice") -> int:
        return time_entries.insert(cursor, cast[user], None, None, start, end, 3600, "notes", "a, b", True)

    return added


def test_entries_that_only_touch_do_not_overlap(cursor, cast, add):
    add(NINE - HOUR, NINE)
    add(NINE + HOUR, NINE + 2 * HOUR)
    add(NINE, NINE + HOUR, "bob")
    itself = add(NINE, NINE + HOUR)
    assert time_entries.overlapping(cursor, cast["alice"], NINE, NINE + HOUR, itself) == []


def test_entries_that_begin_end_surround_lie_within_or_run_overlap(cursor, cast, add):
    span = (NINE, NINE + 2 * HOUR)
    for start, end in (
        (NINE - HOUR, NINE + HOUR),
        (NINE + HOUR, NINE + 3 * HOUR),
        (NINE - timedelta(days=6), NINE + timedelta(hours=20)),
        (NINE + HOUR / 2, NINE + HOUR),
        (NINE - timedelta(days=1), None),
    ):
        entry = add(start, end)
        assert [other.id for other in time_entries.overlapping(cursor, cast["alice"], *span)] == [entry]
        assert time_entries.overlapping(cursor, cast["alice"], *span, except_id=entry) == []
        time_entries.delete(cursor, entry, cast["alice"])


def test_an_entry_keeps_all_through_deleting_and_restoring(cursor, cast, add):
    entry = add(NINE, None)
    before = time_entries.get(cursor, entry)
    time_entries.delete(cursor, entry, cast["carol"])
    assert time_entries.get(cursor, entry) is None
    assert time_entries.deleted(cursor, entry) == (cast["alice"], True)
    assert time_entries.restore(cursor, entry) is True
    assert time_entries.restore(cursor, entry) is False
    assert time_entries.get(cursor, entry) == before
    assert time_entries.deleted(cursor, entry) is None


def test_an_entry_that_is_deleted_again_is_kept_as_it_was_last(cursor, cast, add):
    entry = add(NINE, NINE + HOUR)
    for notes in ("first", "second"):
        time_entries.update(cursor, entry, None, None, NINE, NINE + HOUR, 3600, notes, None, False)
        time_entries.delete(cursor, entry, cast["alice"])
        time_entries.restore(cursor, entry)
    time_entries.delete(cursor, entry, cast["alice"])
    time_entries.restore(cursor, entry)
    assert time_entries.get(cursor, entry)[10:13] == ("second", None, False)


def test_each_change_makes_another_version(cursor, add):
    entry = add(NINE, NINE + HOUR)
    first = time_entries.get(cursor, entry)
    time_entries.update(cursor, entry, None, None, NINE, NINE + HOUR, 3600, "notes", "a, b", True)
    second = time_entries.get(cursor, entry)
    assert first.version and first.version != second.version
    assert first._replace(updated_at=second.updated_at) == second


def test_who_edits_at_the_same_moment_is_told_so(as_user, add, cursor, migrated, monkeypatch):
    entry = add(NINE, NINE + HOUR)
    alice = as_user("alice")
    version = time_entries.get(cursor, entry).version
    sent = {
        "day": "2026-03-11",
        "start": "10:00",
        "end": "11:00",
        "notes": "late",
        "version": version,
        "zone": "Europe/Rome",
    }
    lock = time_entries.lock

    def lock_too_late(changing, entry_id):
        monkeypatch.setattr(time_entries, "lock", lock)
        migrated.execute("UPDATE time_entries SET notes = 'just before' WHERE id = %s", entry_id)
        lock(changing, entry_id)

    monkeypatch.setattr(time_entries, "lock", lock_too_late)
    answer = alice.submit(f"/entries/{entry}/edit", sent)
    assert answer.status_code == 409
    assert "just before" in answer.text and "late" in answer.text
    assert time_entries.get(cursor, entry).notes == "just before"


def test_a_page_that_cannot_reach_the_database_while_saving_says_so_and_writes_nothing(
    as_user, add, cursor, migrated, close_database
):
    alice = as_user("alice")
    alice.get("/")
    sent = {"day": "2026-03-11", "start": "10:00", "end": "11:00", "notes": "typed"}
    with close_database(migrated):
        assert alice.submit("/entries", sent).status_code == 503
    assert alice.submit("/entries", sent).status_code == 303
    assert migrated.query("SELECT notes FROM time_entries") == [("typed",)]
