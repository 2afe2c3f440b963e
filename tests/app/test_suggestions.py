"""What the timer bar suggests while one types: work that this person did before, and can go on with."""

import contextlib
import re
from datetime import datetime, timedelta
from html import unescape

import pytest

from app.queries import timer

pytestmark = pytest.mark.only_pg("pg18")

NOW = datetime(2026, 3, 11, 12)


@pytest.fixture
def cursor(migrated):
    """A cursor whose statements are committed one by one."""
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def work(migrated, cast) -> dict[str, int]:
    """The ids of an active and an archived project, and of an open and a closed task of the first."""
    migrated.execute(
        """
        INSERT INTO projects (name, client, status)
        VALUES ('Relaunch', 'Acme', 'active'), ('Office', 'Acme', 'active'), ('Old', 'Acme', 'archived');
        INSERT INTO tasks (project_id, name, status, created_by)
        SELECT projects.id, task, task_status, users.id
        FROM projects
        CROSS JOIN (VALUES ('Layout', 'todo'), ('Texts', 'done'), ('Tests', 'completed')) AS named (task, task_status)
        CROSS JOIN (SELECT min(id) AS id FROM users) AS users
        WHERE projects.name = 'Relaunch'
        """
    )
    return dict(migrated.query("SELECT name, id FROM projects")) | dict(migrated.query("SELECT name, id FROM tasks"))


@pytest.fixture
def did(migrated, cast):
    """Return a function that adds an entry of an hour, which began so many hours before NOW."""

    def added(hours: int, notes: str | None, user: str = "alice", **columns: object) -> None:
        start = NOW - timedelta(hours=hours)
        columns = {"end_time": start + timedelta(hours=1), "duration_seconds": 3600, **columns}
        columns |= {"user_id": cast[user], "start_time": start, "notes": notes}
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        migrated.execute(f"INSERT INTO time_entries ({names}) VALUES ({marks})", *columns.values())

    return added


@pytest.fixture
def suggested(cursor, cast):
    """Return a function that gives the descriptions suggested to somebody."""
    return lambda user="alice": [entry.notes for entry in timer.running_and_recent(cursor, cast[user], NOW).suggestions]


def options_of(page) -> list[dict[str, str]]:
    """Return the attributes of each suggestion in the page."""
    [found] = re.findall(r'<datalist id="timer-suggestions">(.*?)</datalist>', page.text, re.DOTALL)
    return [
        {name: unescape(value) for name, value in re.findall(r'([\w-]+)(?:="([^"]*)")?', option)}
        for option in re.findall(r"<option ([^>]*)>", found)
    ]


def test_each_description_is_suggested_as_it_was_used_last(did, work, cursor, cast):
    did(9, "Sketch", project_id=work["Office"], tags="a")
    did(8, "Call")
    did(7, "sketch ", project_id=work["Relaunch"], task_id=work["Layout"], tags="b, c", billable=False)
    found = timer.running_and_recent(cursor, cast["alice"], NOW).suggestions
    assert [(one.notes, one.project_id, one.task_id, one.tags, one.billable) for one in found] == [
        ("sketch ", work["Relaunch"], work["Layout"], "b, c", False),
        ("Call", None, None, "", True),
    ]


def test_nobody_is_suggested_what_another_person_did(did, suggested, as_user):
    did(3, "Of alice")
    did(2, "Of bob", "bob")
    assert (suggested("alice"), suggested("bob"), suggested("carol")) == (["Of alice"], ["Of bob"], [])
    for path in ("/week", "/timer/bar"):
        assert "Of bob" not in as_user("alice").get(path).text
    assert "Of " not in as_user("carol").get("/week").text


def test_only_work_that_can_go_on_is_suggested(did, work, suggested):
    did(9, "Both", project_id=work["Office"])
    did(8, "Both", project_id=work["Old"])
    did(7, "Archived", project_id=work["Old"])
    did(6, "Done", project_id=work["Relaunch"], task_id=work["Texts"])
    did(5, "Done in an old database", project_id=work["Relaunch"], task_id=work["Tests"])
    did(4, "A task of another project", project_id=work["Office"], task_id=work["Layout"])
    did(3, "Open", project_id=work["Relaunch"], task_id=work["Layout"])
    did(2, "Runs", end_time=None, duration_seconds=None)
    did(-24, "Time off to come")
    assert suggested() == ["Open", "Both"]


def test_what_the_field_would_not_take_or_not_show_whole_is_not_suggested(did, suggested):
    for number, notes in enumerate([None, "", "  ", "Two\nlines", "A\ttab", "A \x01", "x" * 251, "x " * 5000]):
        did(40 + number, notes)
    did(30, "Tags", tags="x" * 250)
    did(29, "x" * 250)
    did(28, "ж" * 125)
    assert suggested() == ["ж" * 125, "x" * 250]


def test_the_last_twenty_are_suggested_of_as_many_entries_as_are_looked_through(did, suggested):
    did(timer.LOOKED_THROUGH + 2, "Long ago")
    did(timer.LOOKED_THROUGH + 1, "Just in time")
    for hours in range(timer.LOOKED_THROUGH, 1, -1):
        did(hours, "Again")
    assert suggested() == ["Again", "Just in time"]
    for number in range(timer.MOST_SUGGESTIONS):
        did(1, f"Number {number}")
    assert suggested() == [f"Number {number}" for number in reversed(range(timer.MOST_SUGGESTIONS))]


def test_the_bar_carries_the_suggestions_on_every_page_whatever_is_written_in_them(did, work, as_user, migrated):
    hostile = """</datalist><script>alert("it's")</script> & "so on" """.strip()
    did(3, hostile, tags="\"><b>, it's", billable=False)
    did(2, " Sketch", project_id=work["Relaunch"], task_id=work["Layout"])
    alice = as_user("alice")
    expected = [
        {"value": "Sketch", "data-project": str(work["Relaunch"]), "data-task": str(work["Layout"])},
        {"value": hostile, "data-tags": "\"><b>, it's", "data-unbilled": ""},
    ]
    for path in ("/", "/week", "/projects", "/timer/bar"):
        page = alice.get(path)
        assert options_of(page) == expected
        assert page.text.count('list="timer-suggestions"') == 1
        assert "<script>alert" not in page.text
    for single in (True, False):
        migrated.execute("UPDATE settings SET single_active_timer = %s", single)
        did(1, "Runs", end_time=None, duration_seconds=None)
        migrated.execute("UPDATE time_entries SET start_time = timezone('utc', now()) WHERE end_time IS NULL")
        assert options_of(alice.get("/week")) == expected


def test_a_person_without_entries_has_a_plain_field(as_user):
    page = as_user("bob").get("/week").text
    assert "What are you working on?" in page
    assert "datalist" not in page and "timer-suggestions" not in page


def test_twenty_suggestions_of_the_greatest_length_weigh_little(did, as_user):
    alice = as_user("alice")
    without = len(alice.get("/week").data)
    for number in range(timer.MOST_SUGGESTIONS + 5):
        did(number + 1, f"{number:03}" + "x" * 147, tags="y" * 100)
    assert len(alice.get("/week").data) - without < 8_000
