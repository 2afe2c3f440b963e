"""The week as a grid."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html import unescape

import pytest
import time_machine

pytestmark = pytest.mark.only_pg("pg18")

NOW = datetime(2026, 3, 25, 13, tzinfo=UTC)  # a Wednesday; 14:00 in Rome


@pytest.fixture(autouse=True)
def stop_the_clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def work(migrated, cast) -> None:
    """A project with two tasks, and one that is archived."""
    migrated.execute(
        """
        INSERT INTO projects (id, name, client, status, billable)
        VALUES (11, 'Relaunch', 'Acme', 'active', false), (12, 'Old', 'Acme', 'archived', true);
        INSERT INTO tasks (id, project_id, name, created_by) VALUES (21, 11, 'Design', 1), (22, 12, 'Leftovers', 1)
        """
    )


def add(migrated, user_id, start, end, project_id=11, task_id=None) -> int:
    (row,) = migrated.query(
        """
        INSERT INTO time_entries (user_id, project_id, task_id, start_time, end_time, duration_seconds)
        VALUES (%s, %s, %s, %s, %s, extract(epoch FROM %s::timestamp - %s::timestamp)) RETURNING id
        """,
        user_id, project_id, task_id, start, end, end, start,
    )  # fmt: skip
    return row[0]


def entries(migrated) -> list[tuple]:
    return migrated.query(
        """
        SELECT project_id, task_id, start_time::text, end_time::text, duration_seconds, billable, source
        FROM time_entries
        ORDER BY start_time, id
        """
    )


def test_the_rows_are_what_was_worked_on_and_the_totals_add_up(as_user, read, migrated, cast, work):
    add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:30")
    add(migrated, cast["alice"], "2026-03-23 10:00", "2026-03-23 10:20", task_id=21)
    add(migrated, cast["alice"], "2026-03-24 10:00", "2026-03-24 10:20", task_id=21)
    add(migrated, cast["alice"], "2026-03-25 08:00", "2026-03-25 09:00", project_id=None)
    add(migrated, cast["alice"], "2026-03-22 08:00", "2026-03-22 09:00")
    add(migrated, cast["bob"], "2026-03-23 08:00", "2026-03-23 09:00")
    html = as_user("alice").get("/week").text
    lines = read(html)
    assert any(line.startswith("Mon 23 Mar \N{EN DASH} Sun 29 Mar") for line in lines)
    assert any(line.startswith("Total | 1:50 | 0:20 | 1:00 | 0:00 | 0:00 | 0:00 | 0:00 | 3:10") for line in lines)
    assert 'name="cell-11-0-0" value="1:30"' in html
    assert 'name="cell-11-21-1" value="0:20"' in html
    assert 'name="cell-0-0-2" value="1:00"' in html


def test_a_cell_with_several_entries_opens_the_day(as_user, migrated, cast, work):
    add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
    add(migrated, cast["alice"], "2026-03-23 10:00", "2026-03-23 11:00")
    html = as_user("alice").get("/week").text
    assert 'name="cell-11-0-0"' not in html
    assert 'href="/?day=2026-03-23"' in html


def test_typed_hours_become_an_entry_in_the_morning_of_the_day_or_after_the_last_one(as_user, migrated, cast, work):
    alice = as_user("alice")
    answer = alice.submit("/week/2026-03-23", {"cell-11-21-1": "1,5", "was-cell-11-21-1": ""})
    assert (answer.status_code, answer.location) == (303, "/week/2026-03-23?row=11-21")
    answer = alice.submit("/week/2026-03-23", {"cell-11-0-1": "90m", "was-cell-11-0-1": ""})
    assert entries(migrated) == [
        (11, 21, "2026-03-24 08:00:00", "2026-03-24 09:30:00", 5400, False, "manual"),
        (11, None, "2026-03-24 09:30:00", "2026-03-24 11:00:00", 5400, False, "manual"),
    ]


def test_what_ended_before_the_morning_leaves_it_to_what_is_typed(as_user, migrated, cast, work):
    add(migrated, cast["alice"], "2026-03-24 04:00", "2026-03-24 05:00")
    as_user("alice").submit("/week/2026-03-23", {"cell-11-21-1": "1:00", "was-cell-11-21-1": ""})
    assert entries(migrated)[1][2:4] == ("2026-03-24 08:00:00", "2026-03-24 09:00:00")


def test_an_entry_is_made_longer_or_shorter_and_keeps_its_start(as_user, migrated, cast, work):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    add(migrated, cast["alice"], "2026-03-23 08:10", "2026-03-23 09:10")
    as_user("alice").submit("/week/2026-03-23", {"cell-11-0-0": "2:20", "was-cell-11-0-0": "60"})
    assert entries(migrated) == [(11, None, "2026-03-23 08:10:00", "2026-03-23 10:30:00", 8100, True, "manual")]


class TestOverlaps:
    def test_what_grows_into_another_entry_says_so(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        add(migrated, cast["alice"], "2026-03-23 10:00", "2026-03-23 11:00", task_id=21)
        alice = as_user("alice")
        alice.submit("/week/2026-03-23", {"cell-11-0-0": "3", "was-cell-11-0-0": "60"})
        html = alice.get("/week/2026-03-23").text
        assert "It was saved, but takes time that is also in “Relaunch” 11:00 to 12:00" in html

    def test_each_other_entry_is_named_once(self, as_user, migrated, cast, work):
        migrated.execute(
            "INSERT INTO time_entries (user_id, start_time, notes) VALUES (%s, '2026-03-25 06:00', 'Talk')",
            cast["alice"],
        )
        alice = as_user("alice")
        fields = {"cell-11-0-2": "1", "was-cell-11-0-2": "", "cell-11-21-2": "1", "was-cell-11-21-2": ""}
        alice.submit("/week/2026-03-23", fields)
        html = alice.get("/week/2026-03-23").text
        assert html.count("takes time that is also in “Talk” 07:00 to now") == 1
        assert html.count("“Talk”") == 1

    def test_what_follows_the_last_entry_overlaps_with_none(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        alice = as_user("alice")
        alice.submit("/week/2026-03-23", {"cell-11-21-0": "3", "was-cell-11-21-0": ""})
        assert "It was saved, but" not in alice.get("/week/2026-03-23").text


class TestEmptiedCells:
    def undo(self, html) -> dict[str, object]:
        """Return what the button Undo of a page sends; there is one of them at most."""
        (form,) = re.findall(r'<form class="undo" method="post" action="/week/restore">(.*?)</form>', html, flags=re.S)
        (target,) = re.findall(r'name="next" value="([^"]*)"', form)
        return {"next": unescape(target), "entry": re.findall(r'name="entry" value="([^"]*)"', form)}

    def test_one_deletes_its_entry_which_can_be_brought_back(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00", task_id=21)
        before, alice = entries(migrated), as_user("alice")
        alice.submit("/week/2026-03-23", {"cell-11-21-0": "", "was-cell-11-21-0": "60"})
        assert entries(migrated) == []
        html = alice.get("/week/2026-03-23").text
        assert "Deleted: Relaunch, Design, Mon 23 Mar" in html
        answer = alice.submit("/week/restore", self.undo(html))
        assert (answer.status_code, answer.location) == (303, "/week/2026-03-23")
        assert entries(migrated) == before

    def test_several_come_back_together(self, as_user, migrated, cast, work):
        fields = {}
        for day in range(5):
            add(migrated, cast["alice"], f"2026-03-{23 + day} 08:00", f"2026-03-{23 + day} 09:00")
            fields |= {f"cell-11-0-{day}": "", f"was-cell-11-0-{day}": "60"}
        before, alice = entries(migrated), as_user("alice")
        alice.submit("/week/2026-03-23", fields)
        assert entries(migrated) == []
        html = alice.get("/week/2026-03-23").text
        assert "Deleted: Relaunch, Mon 23 Mar; Relaunch, Tue 24 Mar; Relaunch, Wed 25 Mar and 2 more" in html
        for _ in range(2):
            assert alice.submit("/week/restore", self.undo(html)).status_code == 303
        assert entries(migrated) == before

    def test_what_has_lost_its_project_stays_deleted_and_the_others_come_back(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00", project_id=12)
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        alice = as_user("alice")
        alice.submit(
            "/week/2026-03-23",
            {"cell-11-0-0": "", "was-cell-11-0-0": "60", "cell-12-0-0": "", "was-cell-12-0-0": "60"},
        )
        html = alice.get("/week/2026-03-23").text
        migrated.execute("DELETE FROM tasks WHERE project_id = 12; DELETE FROM projects WHERE id = 12")
        alice.submit("/week/restore", self.undo(html))
        assert [entry[0] for entry in entries(migrated)] == [11]
        told = alice.get("/week/2026-03-23").text
        assert "One entry cannot come back: its project was deleted since." in told

    def test_nobody_brings_back_what_is_of_somebody_else(self, as_user, migrated, cast, work):
        entry = add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        as_user("alice").submit("/week/2026-03-23", {"cell-11-0-0": "", "was-cell-11-0-0": "60"})
        assert as_user("bob").submit("/week/restore", {"entry": entry}).status_code == 404
        assert as_user("alice").submit("/week/restore", {"entry": ["x", "9" * 30]}).status_code == 303
        assert entries(migrated) == []


def test_what_was_left_as_it_was_writes_nothing(as_user, migrated, cast, work):
    add(migrated, cast["alice"], "2026-03-23 08:00:00", "2026-03-23 09:00:20")
    before = migrated.query("SELECT xmin::text, * FROM time_entries")
    as_user("alice").submit(
        "/week/2026-03-23", {"cell-11-0-0": "1:00", "was-cell-11-0-0": "60", "cell-11-0-1": "", "was-cell-11-0-1": ""}
    )
    assert migrated.query("SELECT xmin::text, * FROM time_entries") == before


@pytest.mark.parametrize("typed", ["soon", "-1", "1:75", "25", "\x00", "9" * 30, "<b>1</b>"])
def test_what_is_no_duration_is_told_beside_the_cell_and_nothing_is_saved(as_user, migrated, work, typed):
    answer = as_user("alice").submit(
        "/week/2026-03-23", {"cell-11-0-0": "1", "was-cell-11-0-0": "", "cell-11-0-1": typed, "was-cell-11-0-1": ""}
    )
    assert answer.status_code == 422
    assert 'id="cell-11-0-1-error"' in answer.text
    assert 'name="cell-11-0-0" value="1"' in answer.text
    assert "<b>1</b>" not in answer.text
    assert entries(migrated) == []


class TestConflicts:
    def refused(self, as_user, migrated, fields) -> str:
        before = entries(migrated)
        answer = as_user("alice").submit("/week/2026-03-23", fields)
        assert answer.status_code == 409
        assert entries(migrated) == before
        return answer.text

    def test_what_was_changed_meanwhile_is_not_written_over(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        html = self.refused(as_user, migrated, {"cell-11-0-0": "2", "was-cell-11-0-0": "30"})
        assert "It was changed to 1:00 meanwhile." in html
        assert 'name="cell-11-0-0" value="2"' in html

    def test_time_that_is_on_an_invoice_stays(self, as_user, migrated, cast, work):
        entry = add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        migrated.execute(
            """
            INSERT INTO invoices (id, invoice_number, client_name, issue_date, due_date)
            VALUES (1, '1', 'Acme', '2026-03-24', '2026-04-24');
            INSERT INTO invoice_items (invoice_id, description, unit_price, total_amount, time_entry_ids)
            VALUES (1, 'Work', 80, 80, '7777, %s')
            """,
            entry,
        )
        html = self.refused(as_user, migrated, {"cell-11-0-0": "2", "was-cell-11-0-0": "60"})
        assert "It is on an invoice" in html

    def test_a_running_timer_is_stopped_elsewhere(self, as_user, migrated, cast, work):
        migrated.execute(
            "INSERT INTO time_entries (user_id, project_id, start_time) VALUES (%s, 11, '2026-03-25 12:00')",
            cast["alice"],
        )
        html = self.refused(as_user, migrated, {"cell-11-0-2": "2", "was-cell-11-0-2": "60"})
        assert "A timer runs in this cell. Stop it first." in html

    def test_a_cell_with_several_entries_is_not_written_into(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        add(migrated, cast["alice"], "2026-03-23 10:00", "2026-03-23 10:30")
        html = self.refused(as_user, migrated, {"cell-11-0-0": "2", "was-cell-11-0-0": "90"})
        assert "There are several entries in this cell. Open the day to change them." in html

    @pytest.mark.parametrize("cell", ["cell-12-0-0", "cell-99-0-0", "cell-11-22-0", "cell-0-21-0"])
    def test_no_time_goes_to_what_is_archived_or_not_there(self, as_user, migrated, work, cell):
        self.refused(as_user, migrated, {cell: "2", f"was-{cell}": ""})

    def test_all_or_nothing(self, as_user, migrated, work):
        self.refused(
            as_user,
            migrated,
            {"cell-11-0-0": "2", "was-cell-11-0-0": "", "cell-12-0-0": "2", "was-cell-12-0-0": ""},
        )


def test_a_double_click_makes_one_entry(as_user, migrated, work):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    browsers = [as_user("alice") for _ in range(4)]
    fields = {"cell-11-0-0": "1:20", "was-cell-11-0-0": ""}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda browser: browser.submit("/week/2026-03-23", fields).status_code, browsers))
    assert answers == [303] * 4
    assert len(entries(migrated)) == 1


def test_what_is_rounded_to_nothing_is_written_all_the_same(as_user, migrated, work):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    for _ in range(2):
        as_user("alice").submit("/week/2026-03-23", {"cell-11-0-0": "0:05", "was-cell-11-0-0": ""})
    assert migrated.query(
        "SELECT extract(epoch FROM end_time - start_time)::int, duration_seconds FROM time_entries"
    ) == [(300, 0)]


class TestAnEntryOfNoTime:
    """An entry that was rounded to nothing, or stopped in the minute in which it was started."""

    @pytest.fixture(autouse=True)
    def entry(self, migrated, cast, work) -> int:
        return add(migrated, cast["alice"], "2026-03-23 08:00:00", "2026-03-23 08:00:05")

    def test_it_is_told_from_an_empty_cell_and_deleted_by_emptying_it(self, as_user, migrated):
        alice = as_user("alice")
        html = alice.get("/week/2026-03-23").text
        assert 'name="was-cell-11-0-0" value="0"' in html
        assert 'name="was-cell-11-0-1" value=""' in html
        alice.submit("/week/2026-03-23", {"cell-11-0-0": "", "was-cell-11-0-0": "0"})
        assert entries(migrated) == []
        assert "Deleted: Relaunch, Mon 23 Mar" in alice.get("/week/2026-03-23").text

    @pytest.mark.parametrize("typed", ["0:00", "0", "0m"])
    def test_it_stays_where_it_is_left(self, as_user, migrated, typed):
        before = entries(migrated)
        as_user("alice").submit("/week/2026-03-23", {"cell-11-0-0": typed, "was-cell-11-0-0": "0"})
        assert entries(migrated) == before

    def test_it_is_no_empty_cell_to_write_into(self, as_user, migrated):
        answer = as_user("alice").submit("/week/2026-03-23", {"cell-11-0-0": "2", "was-cell-11-0-0": ""})
        assert answer.status_code == 409
        assert "It was changed to 0:00 meanwhile." in answer.text

    def test_once_deleted_it_is_not_made_anew(self, as_user, migrated):
        migrated.execute("DELETE FROM time_entries")
        answer = as_user("alice").submit("/week/2026-03-23", {"cell-11-0-0": "2", "was-cell-11-0-0": "0"})
        assert answer.status_code == 409
        assert "It was emptied meanwhile." in answer.text
        as_user("alice").submit("/week/2026-03-23", {"cell-11-0-1": "0", "was-cell-11-0-1": ""})
        assert entries(migrated) == []


class TestATaskOfAnotherProject:
    """Old entries may have one: their hours are in the week, and no more of them come."""

    def test_its_hours_are_shown_and_changed(self, as_user, read, migrated, cast, work):
        entry = add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00", task_id=22)
        add(migrated, cast["alice"], "2026-03-24 08:00", "2026-03-24 09:00", project_id=None, task_id=21)
        alice = as_user("alice")
        lines = read(alice.get("/week/2026-03-23").text)
        assert any(line.startswith("Relaunch Acme · Leftovers") for line in lines)
        assert any(line.startswith("Total | 1:00 | 1:00 | 0:00") for line in lines)
        alice.submit("/week/2026-03-23", {"cell-11-22-0": "2", "was-cell-11-22-0": "60"})
        assert (entry, 7200) in migrated.query("SELECT id, duration_seconds FROM time_entries")
        alice.submit(
            "/week/2026-03-23",
            {"cell-11-22-0": "", "was-cell-11-22-0": "120", "cell-0-21-1": "", "was-cell-0-21-1": "60"},
        )
        assert entries(migrated) == []
        html = alice.get("/week/2026-03-23?row=11-22").text
        assert "Relaunch, Leftovers, Mon 23 Mar" in html
        assert 'name="cell-11-22-0"' not in html

    def test_it_takes_no_new_time(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00", task_id=22)
        answer = as_user("alice").submit("/week/2026-03-23", {"cell-11-22-1": "2", "was-cell-11-22-1": ""})
        assert answer.status_code == 409
        assert "That task belongs to another project." in answer.text
        assert len(entries(migrated)) == 1


def test_the_rows_of_the_week_before_come_empty(as_user, migrated, cast, work):
    add(migrated, cast["alice"], "2026-03-17 08:00", "2026-03-17 09:00", task_id=21)
    alice = as_user("alice")
    assert 'name="cell-11-21-0"' not in alice.get("/week/2026-03-23").text
    assert 'name="cell-11-21-0" value=""' in alice.get("/week/2026-03-23?rows=last").text


def test_nothing_is_offered_where_no_new_entry_may_go(as_user, migrated, cast, work):
    add(migrated, cast["alice"], "2026-03-17 08:00", "2026-03-17 09:00", project_id=12)
    alice = as_user("alice")
    assert "cell-12-0" not in alice.get("/week/2026-03-23?rows=last&row=12-0").text
    shown = alice.get("/week/2026-03-16").text
    assert [day for day in range(7) if f'name="cell-12-0-{day}"' in shown] == [1], "what is there can be changed"


class TestAddedRows:
    """The buttons that bring rows save what was typed first: without JavaScript nothing asks before it is lost."""

    def page(self, browser, fields) -> str:
        answer = browser.submit("/week/2026-03-23", fields)
        assert answer.status_code == 303
        return browser.get(answer.location).text

    def test_one_is_added_by_choosing_and_a_task_brings_its_project(self, as_user, work):
        alice = as_user("alice")
        assert 'name="cell-11-0-0" value=""' in self.page(alice, {"then": "row", "project": "11", "task": ""})
        fields = {"cell-11-0-0": "", "was-cell-11-0-0": "", "then": "row", "project": "", "task": "21"}
        html = self.page(alice, fields)
        assert 'name="cell-11-21-0"' in html and 'name="cell-11-0-0"' in html

    @pytest.mark.parametrize("then", ["row", "last"])
    def test_what_was_typed_is_saved_first(self, as_user, migrated, cast, work, then):
        add(migrated, cast["alice"], "2026-03-17 08:00", "2026-03-17 09:00", task_id=21)
        fields = {"cell-11-0-0": "2", "was-cell-11-0-0": "", "then": then, "project": "11", "task": "21"}
        html = self.page(as_user("alice"), fields)
        assert 'name="cell-11-21-0" value=""' in html
        assert 'name="cell-11-0-0" value="2:00"' in html
        assert "Saved 2:00 in one cell." in html

    def test_what_cannot_be_saved_is_told_beside_the_new_row(self, as_user, work):
        fields = {"cell-11-0-0": "abc", "was-cell-11-0-0": "", "then": "row", "project": "", "task": "21"}
        answer = as_user("alice").submit("/week/2026-03-23", fields)
        assert answer.status_code == 422
        assert 'name="cell-11-0-0" value="abc"' in answer.text
        assert 'name="cell-11-21-0"' in answer.text

    @pytest.mark.parametrize("chosen", [{}, {"project": "x"}, {"project": "99"}, {"task": "99"}, {"task": "9" * 30}])
    def test_nothing_comes_of_what_is_not_there(self, as_user, work, chosen):
        assert 'name="cell-' not in self.page(as_user("alice"), {"then": "row", **chosen})

    def test_choosing_alone_adds_nothing(self, as_user, work):
        assert 'name="cell-' not in self.page(as_user("alice"), {"project": "11", "task": ""})


def test_the_day_of_23_hours_takes_time_in_its_morning(as_user, migrated, cast, work):
    as_user("alice").submit("/week/2026-03-23", {"cell-11-0-6": "2", "was-cell-11-0-6": ""})
    assert entries(migrated)[0][2:4] == ("2026-03-29 07:00:00", "2026-03-29 09:00:00")


@pytest.mark.parametrize("address", ["2026-13-01", "soon", "0001-01-01", "9999-12-31", "20260323", "2026-W12-1"])
def test_a_week_that_is_none_is_not_found(as_user, address):
    assert as_user("alice").get(f"/week/{address}").status_code == 404


def test_any_day_leads_to_its_week(as_user, read):
    assert any(line.startswith("Mon 23 Mar") for line in read(as_user("alice").get("/week/2026-03-26").text))


@pytest.mark.parametrize("row", ["99-0", "x", "11", "0-99", "99999999999-1"])
def test_rows_that_somebody_makes_up_are_left_out(as_user, work, row):
    answer = as_user("alice").get(f"/week/2026-03-23?row={row}")
    assert answer.status_code == 200
    assert 'name="cell-' not in answer.text


def test_an_empty_week_says_what_to_do(as_user, read):
    assert any("Choose what you worked on" in line for line in read(as_user("alice").get("/week").text))


class TestTheAnswerToARefusedSave:
    """What is sent from the answered page changes only what the person typed."""

    def fields(self, html) -> dict[str, str]:
        return {
            name: unescape(value) for name, value in re.findall(r'name="((?:was-)?cell-[^"]+)" value="([^"]*)"', html)
        }

    def test_it_keeps_time_that_was_added_elsewhere(self, as_user, migrated, cast, work):
        alice = as_user("alice")
        fields = self.fields(alice.get("/week/2026-03-23?row=11-0").text)
        add(migrated, cast["alice"], "2026-03-25 08:00", "2026-03-25 09:00")
        refused = alice.submit("/week/2026-03-23", fields | {"cell-11-0-0": "abc"})
        assert refused.status_code == 422
        again = self.fields(refused.text)
        assert (again["cell-11-0-0"], again["cell-11-0-2"]) == ("abc", "1:00")
        assert alice.submit("/week/2026-03-23", again | {"cell-11-0-0": "2"}).status_code == 303
        assert [entry[2:4] for entry in entries(migrated)] == [
            ("2026-03-23 08:00:00", "2026-03-23 10:00:00"),
            ("2026-03-25 08:00:00", "2026-03-25 09:00:00"),
        ]

    def test_it_keeps_time_that_was_changed_elsewhere(self, as_user, migrated, cast, work):
        entry = add(migrated, cast["alice"], "2026-03-25 08:00", "2026-03-25 09:00")
        alice = as_user("alice")
        fields = self.fields(alice.get("/week/2026-03-23").text)
        migrated.execute("UPDATE time_entries SET end_time = '2026-03-25 10:00', duration_seconds = 7200")
        again = self.fields(alice.submit("/week/2026-03-23", fields | {"cell-11-0-0": "abc"}).text)
        assert alice.submit("/week/2026-03-23", again | {"cell-11-0-0": ""}).status_code == 303
        assert migrated.query("SELECT id, duration_seconds FROM time_entries") == [(entry, 7200)]

    def test_neither_does_a_conflict_let_an_untouched_cell_write(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        add(migrated, cast["alice"], "2026-03-25 08:00", "2026-03-25 09:00")
        alice = as_user("alice")
        fields = self.fields(alice.get("/week/2026-03-23").text)
        migrated.execute("UPDATE time_entries SET end_time = end_time + '1h'::interval, duration_seconds = 7200")
        add(migrated, cast["alice"], "2026-03-26 08:00", "2026-03-26 09:00")
        refused = alice.submit("/week/2026-03-23", fields | {"cell-11-0-0": "3"})
        assert refused.status_code == 409
        assert alice.submit("/week/2026-03-23", self.fields(refused.text)).status_code == 303
        assert [entry[4] for entry in entries(migrated)] == [10800, 7200, 3600]

    @pytest.mark.parametrize("typed", ["2", "abc"])
    def test_a_typed_cell_is_still_compared_with_what_was_shown(self, as_user, migrated, cast, work, typed):
        alice = as_user("alice")
        fields = self.fields(alice.get("/week/2026-03-23?row=11-0").text)
        add(migrated, cast["alice"], "2026-03-25 08:00", "2026-03-25 09:00")
        refused = alice.submit("/week/2026-03-23", fields | {"cell-11-0-0": "abc", "cell-11-0-2": typed})
        again = self.fields(refused.text) | {"cell-11-0-0": "", "cell-11-0-2": "2"}
        told = alice.submit("/week/2026-03-23", again)
        assert told.status_code == 409
        assert "It was changed to 1:00 meanwhile." in told.text
        assert alice.submit("/week/2026-03-23", self.fields(told.text)).status_code == 303
        assert [entry[4] for entry in entries(migrated)] == [7200]

    def test_what_needs_another_look_is_said_also_where_nothing_can_be_typed(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2026-03-23 08:00", "2026-03-23 09:00")
        add(migrated, cast["alice"], "2026-03-23 10:00", "2026-03-23 11:00")
        refused = as_user("alice").submit("/week/2026-03-23", {"cell-11-0-0": "5", "was-cell-11-0-0": "120"})
        assert "There are several entries in this cell." in refused.text


class TestDaysThatAreASlipInTheDate:
    @pytest.mark.parametrize(
        ("monday", "day", "sentence"),
        [
            ("2062-03-20", 0, "That is more than 31 days ahead. Look for a slip in the date."),
            ("2026-04-20", 6, "That is more than 31 days ahead. Look for a slip in the date."),
            ("1970-01-05", 0, "That is before 2000. Look for a slip in the date."),
            ("1999-12-27", 4, "That is before 2000. Look for a slip in the date."),
        ],
    )
    def test_no_time_goes_there(self, as_user, migrated, work, monday, day, sentence):
        answer = as_user("alice").submit(f"/week/{monday}", {f"cell-11-0-{day}": "8", f"was-cell-11-0-{day}": ""})
        assert answer.status_code == 409
        assert sentence in answer.text
        assert entries(migrated) == []

    @pytest.mark.parametrize(("monday", "day"), [("2026-04-20", 5), ("1999-12-27", 5)])
    def test_the_days_beside_them_take_it(self, as_user, migrated, work, monday, day):
        as_user("alice").submit(f"/week/{monday}", {f"cell-11-0-{day}": "8", f"was-cell-11-0-{day}": ""})
        assert len(entries(migrated)) == 1

    def test_what_is_there_can_be_changed(self, as_user, migrated, cast, work):
        add(migrated, cast["alice"], "2062-03-20 08:00", "2062-03-20 09:00")
        as_user("alice").submit("/week/2062-03-20", {"cell-11-0-0": "", "was-cell-11-0-0": "60"})
        assert entries(migrated) == []
