"""The queries of entries: what overlaps, and what a change leaves behind."""

import contextlib
import re
from datetime import datetime, timedelta
from html import unescape

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
    assert time_entries.deleted(cursor, entry) == (cast["alice"], cast["carol"], True)
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


def shown_on(html: str) -> dict[str, str]:
    """What an error page lists as typed."""
    listed = html.partition('<dl class="typed">')[2].partition("</dl>")[0]
    return dict(re.findall(r"<dt>(.*)</dt>\s*<dd>(.*)</dd>", listed))


def fields_of(html: str) -> dict[str, str]:
    """What the form of an error page would send."""
    form = html.partition('class="stacked"')[2].partition("</form>")[0]
    hidden = re.findall(r'name="([^"]*)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in [*hidden, *re.findall(r'name="([^"]*)">([^<]*)</textarea>', form)]}


@pytest.mark.parametrize(
    ("path", "sent", "shown"),
    [
        (
            "/entries",
            {"notes": "typed", "start": "10:00", "billable_default": "project", "token": "t", "version": "v"},
            {"Notes": "typed", "Start": "10:00"},
        ),
        ("/timer/forgotten", {"entry": "7", "activity": "2026-03-11T09:00:00", "end": "11:00"}, {"End": "11:00"}),
        ("/week/2026-03-09", {"cell-1--0": "1:30", "was-cell-1--0": "45", "then": "row"}, {"Cell 1  0": "1:30"}),
    ],
)
def test_what_nobody_typed_is_kept_but_not_shown_while_the_database_is_away(
    as_user, migrated, close_database, path, sent, shown
):
    alice = as_user("alice")
    sent |= {"next": "/", "zone": "Europe/Rome"}
    with close_database(migrated):
        html = alice.submit(path, sent).text
    assert shown_on(html) == shown
    assert fields_of(html).items() >= sent.items()


def test_what_has_a_character_that_the_database_lacks_is_not_lost(as_user, migrated):
    migrated.execute(
        """
        CREATE FUNCTION of_latin1() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM convert_to(NEW.notes, ''LATIN1''); RETURN NEW; END';
        CREATE TRIGGER of_latin1 BEFORE INSERT ON time_entries FOR EACH ROW EXECUTE FUNCTION of_latin1()
        """
    )
    alice = as_user("alice")
    sent = {"day": "2026-03-11", "start": "10:00", "end": "11:00", "notes": "Tea \N{HOT BEVERAGE}", "tags": "tea"}
    answer = alice.submit("/entries", sent)
    assert answer.status_code == 422
    assert shown_on(answer.text) == {
        "Day": "2026-03-11",
        "Start": "10:00",
        "End": "11:00",
        "Tags": "tea",
    }
    again = fields_of(answer.text)
    assert again.items() >= sent.items()
    assert re.search(r'<label for="[^"]*">Notes</label>\s*<textarea', answer.text)
    assert alice.submit("/entries", again | {"notes": "Tea"}).status_code == 303
    assert migrated.query("SELECT notes, tags FROM time_entries") == [("Tea", "tea")]
