"""The timer bar: starting, switching, stopping, continuing, editing, and the timer that was forgotten."""

import re
import uuid
from datetime import datetime, timedelta

import pytest
import time_machine

from app import db, timers
from app.queries import projects, tasks, timer

pytestmark = pytest.mark.only_pg("pg18")


@pytest.fixture
def work(migrated) -> dict[str, int]:
    """The ids of three projects and three tasks, by name."""
    migrated.execute(
        """
        INSERT INTO projects (name, client, billable, status)
        VALUES ('Relaunch', 'Acme', true, 'active'), ('Office', 'Ourselves', false, 'active'),
            ('Old', 'Acme', true, 'archived');
        INSERT INTO tasks (project_id, name, created_by)
        SELECT id, task, (SELECT min(id) FROM users)
        FROM projects
        JOIN (VALUES ('Relaunch', 'Layout'), ('Relaunch', 'Texts'), ('Office', 'Post')) AS named (project, task)
            ON name = project
        """
    )
    return dict(migrated.query("SELECT name, id FROM projects")) | dict(migrated.query("SELECT name, id FROM tasks"))


@pytest.fixture
def entry(migrated, cast):
    """Return a function that makes an entry and gives its id."""

    def make(user, start, end=None, **columns):
        columns = {"user_id": cast[user], "start_time": start, "end_time": end, **columns}
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        migrated.execute(f"INSERT INTO time_entries ({names}) VALUES ({marks})", *columns.values())
        return migrated.query("SELECT max(id) FROM time_entries")[0][0]

    return make


@pytest.fixture
def rows(migrated):
    """Return a function that gives columns of the entries, the oldest first."""
    return lambda columns: migrated.query(f"SELECT {columns} FROM time_entries ORDER BY id")


def once(**fields):
    """A form as a page carries it, with a token of its own."""
    return {"token": str(uuid.uuid4()), **fields}


def at(moment, tick=False):
    """Let it be that moment in UTC."""
    return time_machine.travel(datetime.fromisoformat(f"{moment}+00:00"), tick=tick)


def bar_of(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[0].partition('aria-label="Timer"')[2]).split())


# --- Start, switch, stop, continue ---


def test_a_timer_starts_with_all_that_was_typed_and_leads_back_to_the_page(as_user, work, rows):
    with at("2026-03-09 08:05"):
        alice = as_user("alice")
        assert "Start" in bar_of(alice.get("/week"))
        form = once(notes=" Sketch ", project=work["Relaunch"], task=work["Layout"], tags="b,a, B", billable="y")
        answer = alice.submit("/timer/start", form | {"next": "/week?x=1"})
        assert (answer.status_code, answer.location) == (303, "/week?x=1")
        assert "Sketch Relaunch \u2013 Acme Layout b, a since 09:05 0:00 Edit" in bar_of(alice.get("/week"))
    with at("2026-03-09 09:47"):
        assert rows("notes, project_id, task_id, tags, billable, source, start_time, end_time, duration_seconds") == [
            ("Sketch", work["Relaunch"], work["Layout"], "b, a", True, "timer", datetime(2026, 3, 9, 8, 5), None, None)
        ]


def test_the_ends_of_lines_are_kept_as_one_character_and_count_as_one(as_user, rows):
    notes = "\r\n".join(["x"] * 5_000)
    assert as_user("alice").submit("/timer/start", once(notes=notes)).status_code == 303
    assert rows("notes") == [(notes.replace("\r", ""),)]


def test_starting_another_stops_what_runs_in_the_same_moment(as_user, work, rows, migrated):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    with at("2026-03-09 08:00"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="One"))
    with at("2026-03-09 08:22:30"):
        alice.submit("/timer/start", once(notes="Two"))
    end = datetime(2026, 3, 9, 8, 22, 30)
    assert rows("notes, start_time, end_time, duration_seconds") == [
        ("One", datetime(2026, 3, 9, 8), end, 30 * 60),  # 22.5 minutes, half up
        ("Two", end, None, None),
    ]


def test_without_the_single_timer_each_runs_and_has_a_stop_of_its_own(as_user, rows, migrated):
    migrated.execute("UPDATE settings SET single_active_timer = false")
    alice = as_user("alice")
    for notes in ("One", "Two", "Three"):
        alice.submit("/timer/start", once(notes=notes))
    page = alice.get("/")
    assert page.text.count('action="/timer/stop"') == 3
    assert "Start another" in bar_of(page)
    [(second,)] = migrated.query("SELECT id FROM time_entries WHERE notes = 'Two'")
    alice.submit("/timer/stop", once(entry=second))
    assert rows("notes, end_time IS NULL") == [("One", True), ("Two", False), ("Three", True)]


def test_stopping_records_the_raw_and_the_credited_time(as_user, rows, migrated, read):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    with at("2026-03-09 08:00"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="Call"))
    with at("2026-03-09 08:07:30"):
        answer = alice.submit("/timer/stop", once(entry=rows("id")[0][0], next="/week"))
        assert (answer.status_code, answer.location) == (303, "/week")
        assert "Stopped “Call” after 0:15." in read(alice.get("/week").text)
    assert rows("end_time, duration_seconds") == [(datetime(2026, 3, 9, 8, 7, 30), 900)]


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("2026-03-29 00:30", "2026-03-29 01:30", 3600),  # 01:30 to 03:30 in Rome, where 02:00 is skipped
        ("2026-10-24 23:30", "2026-10-25 02:30", 10800),  # 01:30 to 03:30 in Rome, where 02:00 comes twice
    ],
)
def test_a_timer_over_the_change_of_the_clocks_counts_the_time_that_passed(
    as_user, rows, migrated, start, end, seconds
):
    migrated.execute("UPDATE settings SET idle_timeout_minutes = 600")
    with at(start):
        alice = as_user("alice")
        alice.submit("/timer/start", once())
        assert "since 01:30" in bar_of(alice.get("/"))
    with at(end):
        assert f"since 01:30 {seconds // 3600}:00" in bar_of(alice.get("/")).replace("on Sun 29 Mar ", "")
        alice.submit("/timer/stop", once(entry=rows("id")[0][0]))
    assert rows("duration_seconds, extract(epoch FROM end_time - start_time)::int") == [(seconds, seconds)]


def test_a_stale_tab_stops_nothing_newer(as_user, rows):
    with at("2026-03-09 09:05"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="One"))
    with at("2026-03-09 09:32"):
        alice.submit("/timer/start", once(notes="Two"))
    with at("2026-03-09 09:40"):
        answer = alice.submit("/timer/stop", once(entry=rows("id")[0][0], next="/week"))
    assert answer.status_code == 409
    assert "This timer was stopped already at 10:32." in answer.text
    assert 'href="/week"' in answer.text
    assert rows("notes, end_time") == [("One", datetime(2026, 3, 9, 9, 32)), ("Two", None)]


def test_a_form_that_is_sent_twice_does_it_once(as_user, rows):
    alice = as_user("alice")
    form = once(notes="One")
    assert [alice.submit("/timer/start", form).status_code for _ in range(2)] == [303, 303]
    assert rows("notes, end_time") == [("One", None)]
    form = once(entry=rows("id")[0][0])
    assert [alice.submit("/timer/stop", form).status_code for _ in range(2)] == [303, 303]
    form = once()
    path = f"/timer/continue/{rows('id')[0][0]}"
    assert [alice.submit(path, form).status_code for _ in range(2)] == [303, 303]
    assert rows("notes, end_time IS NULL") == [("One", False), ("One", True)]


def test_continuing_copies_an_earlier_entry(as_user, work, rows, entry):
    columns = {"project_id": work["Office"], "task_id": work["Post"], "notes": "Letters\nand parcels", "tags": "a, b"}
    earlier = entry("alice", "2026-03-06 08:00", "2026-03-06 09:00", billable=True, **columns)
    alice = as_user("alice")
    assert "Continue “Letters and parcels”, Office" in bar_of(alice.get("/"))
    assert alice.submit(f"/timer/continue/{earlier}", once(next="/week")).location == "/week"
    copied = rows("project_id, task_id, notes, tags, billable")
    assert copied[0] == copied[1]
    assert rows("end_time IS NULL, source")[1] == (True, "timer")


def test_what_lies_ahead_is_not_offered_to_be_continued(as_user, entry):
    entry("alice", "2026-03-06 08:00", "2026-03-06 09:00", notes="Worked")
    entry("alice", "2026-03-12 08:00", "2026-03-12 16:00", notes="Holiday")
    with at("2026-03-09 08:00"):
        assert "Continue “Worked”" in bar_of(as_user("alice").get("/"))


def test_an_entry_of_an_archived_project_is_not_continued_but_can_be_chosen_anew(as_user, work, rows, entry):
    earlier = entry("alice", "2026-03-06 08:00", "2026-03-06 09:00", project_id=work["Old"], notes="Again")
    answer = as_user("alice").submit(f"/timer/continue/{earlier}", once())
    assert answer.status_code == 422
    assert "“Old” is archived: choose another project." in answer.text
    assert 'value="Again"' in answer.text
    assert len(rows("id")) == 1


def test_what_belongs_to_somebody_else_is_not_there(as_user, entry, rows):
    running = entry("bob", datetime(2026, 3, 9, 8), notes="A secret of bob")
    alice = as_user("alice")
    assert "A secret of bob" not in alice.get("/").text
    assert alice.get(f"/timer/edit/{running}").status_code == 404
    for path in (f"/timer/continue/{running}", f"/timer/edit/{running}"):
        assert alice.submit(path, once()).status_code == 404
    for number in (running, 999, 2**40, "x", ""):
        assert alice.submit("/timer/stop", once(entry=number)).status_code == 404
        assert alice.submit("/timer/forgotten", once(entry=number, answer="now")).status_code == 404
    assert alice.submit(f"/timer/continue/{2**40}", once()).status_code == 404
    assert rows("end_time") == [(None,)]


def test_billable_follows_the_project_where_no_script_sets_the_box(as_user, work, rows, migrated):
    migrated.execute("UPDATE settings SET single_active_timer = false")
    alice = as_user("alice")
    for fields in (
        {"project": work["Office"], "billable": "y", "billable_default": "project"},
        {"project": work["Relaunch"], "billable": "y", "billable_default": "project"},
        {"project": work["Relaunch"], "billable_default": "project"},
        {"project": work["Office"], "billable": "y"},
    ):
        alice.submit("/timer/start", once(**fields))
    assert rows("billable") == [(False,), (True,), (False,), (True,)]


def test_a_start_that_was_refused_stays_billable_only_as_the_project_is(as_user, work, rows):
    alice = as_user("alice")
    typed = {"notes": "Post", "project": work["Office"], "billable": "y", "billable_default": "project"}
    refused = alice.submit("/timer/start", once(**typed | {"tags": "y" * 501}))
    sent = hidden_in(refused, "/timer/start")
    assert alice.submit("/timer/start", sent | {"project": work["Office"], "billable": "y"}).status_code == 303
    assert rows("billable") == [(False,)]
    assert "billable_default" not in hidden_in(alice.get(f"/timer/edit/{rows('id')[0][0]}"), "/timer/edit")


def test_a_task_brings_its_project_along(as_user, work, rows):
    as_user("alice").submit("/timer/start", once(task=work["Post"]))
    assert rows("project_id, task_id") == [(work["Office"], work["Post"])]


# --- What is refused ---


@pytest.mark.parametrize("deleted", [False, True])
def test_what_was_typed_into_a_timer_that_was_stopped_or_deleted_meanwhile_can_be_copied(as_user, entry, rows, deleted):
    with at("2026-03-09 09:40"):
        alice = as_user("alice")
        running = entry("alice", "2026-03-09 09:00")
        alice.submit("/timer/stop", {"entry": running})
        if deleted:
            alice.submit(f"/entries/{running}/delete")
        typed = {"notes": "A long <story>", "start": "2026-03-09T10:00", "project": "1"}
        answer = alice.submit(f"/timer/edit/{running}", typed)
    assert answer.status_code == (404 if deleted else 409)
    assert "<dd>A long &lt;story&gt;</dd>" in answer.text and "Send it again" not in answer.text
    assert rows("notes") == ([] if deleted else [(None,)])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"notes": "x" * 10_001}, "That is too long: 10000 characters fit."),
        ({"tags": "y" * 501}, "That is too long: 500 characters fit."),
        ({"notes": "nul\0"}, "There are characters in it that cannot be seen."),
        ({"tags": "nul\0"}, "There are characters in it that cannot be seen."),
        ({"project": "999"}, "There is no such project any more: choose another."),
        ({"project": "rubbish"}, "There is no such project any more: choose another."),
        ({"project": "99999999999999999999"}, "There is no such project any more: choose another."),
        ({"project": "Old"}, "“Old” is archived: choose another project."),
        ({"task": "999"}, "There is no such task any more: choose another."),
        ({"task": "rubbish"}, "There is no such task any more: choose another."),
        ({"project": "Relaunch", "task": "Post"}, "That task is one of another project"),
    ],
)
def test_what_does_not_fit_is_told_beside_the_field_and_kept(as_user, work, rows, fields, sentence):
    alice = as_user("alice")
    alice.submit("/timer/start", once(notes="Running"))
    typed = {name: work.get(value, value) for name, value in fields.items()}
    answer = alice.submit("/timer/start", once(**{"notes": "Kept", "tags": "also", "next": "/week"} | typed))
    assert answer.status_code == 422
    [field] = fields.keys() - {"project"} or fields.keys()
    assert re.search(rf'id="work-{field}-error" role="alert">{re.escape(sentence)}', answer.text)
    assert 'name="next" value="/week"' in answer.text
    if "notes" not in fields:
        assert 'value="Kept"' in answer.text
    if typed.get("task") == work["Post"]:
        assert f'<option value="{work["Post"]}" selected' in answer.text
    assert rows("notes, end_time") == [("Running", None)]


def test_markup_in_what_was_typed_stays_text(as_user):
    alice = as_user("alice")
    alice.submit("/timer/start", once(notes='"><script>alert(1)</script>', tags="<b>"))
    page = alice.get("/profile")
    assert "&lt;b&gt;" in page.text
    assert "<script>alert" not in page.text and "<b>" not in page.text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_it_leads_back_to_this_site_only(as_user, target):
    assert as_user("alice").submit("/timer/start", once(next=target)).location == "/"


# --- Editing what runs ---


def test_editing_what_somebody_changed_meanwhile_is_told_and_keeps_what_was_typed(as_user, migrated, rows):
    alice = as_user("alice")
    alice.submit("/timer/start", once(notes="Sketch"))
    [(number,)] = rows("id")

    def shown(page) -> dict[str, str]:
        return {name: re.search(rf'name="{name}"[^>]* value="([^"]+)"', page.text)[1] for name in ("version", "start")}

    fields = shown(alice.get(f"/timer/edit/{number}"))
    migrated.execute("UPDATE time_entries SET notes = 'Theirs'")
    answer = alice.submit(f"/timer/edit/{number}", fields | {"notes": "Mine"})
    assert answer.status_code == 409
    assert "it is now called “Theirs”" in answer.text and 'value="Mine"' in answer.text
    assert rows("notes") == [("Theirs",)]
    assert alice.submit(f"/timer/edit/{number}", shown(answer) | {"notes": "Mine"}).status_code == 303
    assert rows("notes") == [("Mine",)]


def test_a_second_click_on_save_finds_the_first_one_done(as_user, work, rows):
    with at("2026-03-09 09:00:20"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="Sketch"))
        [(number,)] = rows("id")
    with at("2026-03-09 09:10"):
        version = re.search(r'name="version"[^>]* value="([^"]+)"', alice.get(f"/timer/edit/{number}").text)[1]
        for start in ("2026-03-09T10:00", "2026-03-09T09:30"):
            form = {"version": version, "notes": "Design", "task": work["Post"], "tags": "b,a", "start": start}
            sent = [alice.submit(f"/timer/edit/{number}", form | {"next": "/week"}) for _ in range(2)]
            assert [answer.status_code for answer in sent] == ([303, 303] if start.endswith("10:00") else [409, 409])
    assert rows("notes, start_time") == [("Design", datetime(2026, 3, 9, 9, 0, 20))]


def test_editing_changes_what_runs_and_moves_its_start(as_user, work, rows):
    with at("2026-03-09 09:00:20"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="Sketch", project=work["Relaunch"]))
        [(number,)] = rows("id")
    with at("2026-03-09 09:10"):
        page = alice.get(f"/timer/edit/{number}?next=/week")
        assert 'value="2026-03-09T10:00"' in page.text and 'value="Sketch"' in page.text
        fields = {"notes": "Design", "project": work["Office"], "task": work["Post"], "tags": "x", "next": "/week"}
        answer = alice.submit(f"/timer/edit/{number}", fields | {"start": "2026-03-09T10:00"})
        assert (answer.status_code, answer.location) == (303, "/week")
        columns = "notes, project_id, task_id, tags, billable, start_time, end_time"
        kept = ("Design", work["Office"], work["Post"], "x", False)
        assert rows(columns) == [(*kept, datetime(2026, 3, 9, 9, 0, 20), None)], "the start was not touched"
        alice.submit(f"/timer/edit/{number}", fields | {"start": "2026-03-09T09:30"})
        assert rows(columns) == [(*kept, datetime(2026, 3, 9, 8, 30), None)]


def test_a_start_that_is_moved_over_other_entries_names_them(as_user, rows, entry, read):
    entry("alice", "2026-03-09 07:00", "2026-03-09 07:30", notes="Early")
    entry("alice", "2026-03-09 08:00", "2026-03-09 08:45", notes="Standup")
    with at("2026-03-09 09:00:20"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="Sketch"))
        number = rows("id")[-1][0]
    with at("2026-03-09 09:10"):
        for start, names in (("10:00", None), ("09:50", None), ("09:30", "“Standup” 09:00 to 09:45")):
            alice.submit(f"/timer/edit/{number}", {"notes": "Design", "start": f"2026-03-09T{start}"})
            told = [line for line in read(alice.get("/").text) if "takes time" in line]
            assert told == ([f"It was saved, but takes time that is also in {names}"] if names else [])


def test_another_time_zone_in_the_settings_moves_no_start_that_was_shown_before(as_user, rows, migrated):
    with at("2026-03-09 09:00:20"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="Sketch"))
        [(number,)] = rows("id")
        page = alice.get(f"/timer/edit/{number}").text
        form = {
            name: re.search(rf'name="{name}"[^>]* value="([^"]+)"', page)[1] for name in ("version", "start", "zone")
        }
        migrated.execute("UPDATE settings SET timezone = 'Asia/Tokyo'")
        refused = alice.submit(f"/timer/edit/{number}", form | {"tags": "x" * 501}).text
        assert 'value="2026-03-09T10:00"' in refused and 'value="Europe/Rome"' in refused
        assert alice.submit(f"/timer/edit/{number}", form | {"notes": "Other"}).status_code == 303
    assert rows("notes, start_time") == [("Other", datetime(2026, 3, 9, 9, 0, 20))]


@pytest.mark.parametrize(
    ("now", "start", "sentence"),
    [
        ("2026-03-09 09:10", "2026-03-09T10:11", "That is in the future."),
        ("2026-03-09 09:10", "2027-03-09T10:11", "That is in the future."),
        ("2026-03-09 09:10", "9999-12-31T23:59", "That is in the future."),
        ("2026-03-09 09:10", "0001-01-01T00:00", "That is before 2000."),
        ("2026-03-09 09:10", "2026-03-01T10:00", "One entry lasts at most 7 days."),
        ("2026-03-09 09:10", "", "Type a day and a time."),
        ("2026-03-09 09:10", "tomorrow", "Type a day and a time, such as 2026-03-09 17:42."),
        ("2026-03-29 08:00", "2026-03-29T02:30", "take 01:59 or 03:00."),
        ("2026-10-25 08:00", "2026-10-25T02:30", "02:30 came twice on that day, when the clocks were put back"),
    ],
)
def test_a_start_that_cannot_be_is_told_beside_the_field(as_user, rows, now, start, sentence):
    with at(now):
        alice = as_user("alice")
        alice.submit("/timer/start", once())
        [(number, began)] = rows("id, start_time")
        answer = alice.submit(f"/timer/edit/{number}", {"start": start, "notes": "Kept"})
        assert answer.status_code == 422
        assert sentence in answer.text
        assert f'value="{start}"' in answer.text and 'value="Kept"' in answer.text
        assert rows("start_time, notes") == [(began, None)]


def test_of_a_time_that_comes_twice_one_is_chosen(as_user, rows):
    with at("2026-10-25 08:00"):
        alice = as_user("alice")
        alice.submit("/timer/start", once())
        [(number,)] = rows("id")
        answer = alice.submit(f"/timer/edit/{number}", {"start": "2026-10-25T02:30"})
        assert "02:30 (first, summer time)" in answer.text and "02:30 (second, winter time)" in answer.text
        for which, hour in (("first", 0), ("second", 1)):
            alice.submit(f"/timer/edit/{number}", {"start": "2026-10-25T02:30", "which": which})
            assert rows("start_time") == [(datetime(2026, 10, 25, hour, 30),)]


def test_what_was_stopped_meanwhile_is_not_edited_as_if_it_ran(as_user, rows):
    alice = as_user("alice")
    alice.submit("/timer/start", once(notes="One"))
    [(number,)] = rows("id")
    alice.submit("/timer/stop", once(entry=number))
    assert alice.submit(f"/timer/edit/{number}", {"notes": "Two", "start": "2026-03-09T10:00"}).status_code == 409
    assert alice.get(f"/timer/edit/{number}").status_code == 409
    assert rows("notes") == [("One",)]


def test_a_running_entry_keeps_its_project_when_that_is_archived(as_user, work, rows, migrated, entry):
    number = entry("alice", datetime(2026, 3, 9, 8), project_id=work["Old"], task_id=None)
    with at("2026-03-09 08:01"):
        alice = as_user("alice")
        assert f'<option value="{work["Old"]}" selected>Old \u2013 Acme' in alice.get(f"/timer/edit/{number}").text
        alice.submit(f"/timer/edit/{number}", {"notes": "New", "project": work["Old"], "start": "2026-03-09T09:00"})
    assert rows("notes, project_id") == [("New", work["Old"])]


# --- Clocks that go wrong, and timers that nobody stopped ---


def test_every_entry_ends_after_it_starts():
    start = datetime(2026, 3, 9, 8)
    assert timers.end_of(start, start + timedelta(microseconds=1)) == start + timedelta(microseconds=1)
    for moment in (start, start - timedelta(hours=1)):
        assert timers.end_of(start, moment) == start + timedelta(seconds=1)


def test_a_timer_that_is_stopped_in_the_moment_of_its_start_counts_a_second(as_user, rows):
    with at("2026-03-09 09:00"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="One"))
        alice.submit("/timer/start", once(notes="Two"))
    assert rows("notes, end_time - start_time, duration_seconds") == [
        ("One", timedelta(seconds=1), 0),
        ("Two", None, None),
    ]


def test_a_timer_that_begins_in_the_future_can_be_stopped_and_its_page_says_why(as_user, rows, entry, read):
    number = entry("alice", datetime(2026, 3, 9, 10), notes="Ahead")
    with at("2026-03-09 09:00"):
        alice = as_user("alice")
        assert "0:00" in bar_of(alice.get("/"))
        alice.submit("/timer/stop", once(entry=number))
        [sentence] = [line for line in read(alice.get("/").text) if line.startswith("“Ahead”")]
    assert sentence == "“Ahead” had not begun yet by this clock. It was stopped after a second; edit its times."
    assert rows("start_time, end_time") == [(datetime(2026, 3, 9, 10), datetime(2026, 3, 9, 10, 0, 1))]


QUESTION = "It ran on while you were away: since 09:00, and nothing was done here after 09:42."


@pytest.fixture
def forgotten(as_user):
    """A browser of alice, who started a timer at 09:00 in Rome, was last seen at 09:42, and comes back at 13:00."""
    with at("2026-03-09 08:00"):
        alice = as_user("alice")
        alice.submit("/timer/start", once(notes="Sketch"))
    with at("2026-03-09 08:20"):
        alice.get("/")
    with at("2026-03-09 08:42"):
        alice.get("/week")
    with at("2026-03-09 12:00"):
        yield alice


def test_a_forgotten_timer_is_asked_about_on_every_page_until_it_is_answered(forgotten, as_user, migrated):
    for path in ("/", "/week", "/projects/99", "/"):
        page = forgotten.get(path)
        assert QUESTION in bar_of(page)
        assert "Stop at 09:42 Keep it running Stop now" in bar_of(page)
        assert "What are you working on?" not in bar_of(page), "answer first"
    assert QUESTION in bar_of(as_user("alice").get("/")), "signing in does not say what became of it"
    forgotten.submit("/sign-out")
    assert QUESTION in bar_of(as_user("alice").get("/")), "nor does signing out"
    migrated.execute("DELETE FROM sign_in_sessions")
    assert "since 09:00, and nothing was done here after 09:00" in bar_of(as_user("alice").get("/"))


def answer_to(alice, **fields):
    """Send one of the forms of the question, as the page has it."""
    page = alice.get("/").text
    names = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("entry", "activity")}
    return alice.submit("/timer/forgotten", once(**names) | fields)


def test_a_forgotten_timer_is_kept_running(forgotten, rows):
    assert answer_to(forgotten, answer="keep", next="/week").location == "/week"
    assert "since 09:00 4:00" in bar_of(forgotten.get("/")).replace(" Edit", "")
    assert QUESTION not in bar_of(forgotten.get("/"))
    assert rows("end_time") == [(None,)]


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"answer": "activity"}, datetime(2026, 3, 9, 8, 42)),
        ({"answer": "now"}, datetime(2026, 3, 9, 12)),
        ({"answer": "set", "end": "2026-03-09T11:30"}, datetime(2026, 3, 9, 10, 30)),
    ],
)
def test_a_forgotten_timer_ends_when_its_user_says(forgotten, rows, fields, end):
    assert answer_to(forgotten, **fields).status_code == 303
    assert rows("end_time, duration_seconds") == [(end, (end - datetime(2026, 3, 9, 8)).total_seconds())]
    assert "What are you working on?" in bar_of(forgotten.get("/"))


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("2026-03-09T09:00", "It began at 09:00: it ended after that."),
        ("2026-03-09T13:01", "That is in the future."),
        ("", "Type a day and a time."),
    ],
)
def test_an_end_that_cannot_be_is_told_beside_the_field(forgotten, rows, end, sentence):
    answer = answer_to(forgotten, answer="set", end=end)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert rows("end_time") == [(None,)]


def test_stop_and_start_of_a_tab_that_lay_open_ask_first_and_keep_what_was_typed(forgotten, rows):
    answer = forgotten.submit("/timer/stop", once(entry=rows("id")[0][0]))
    assert answer.status_code == 409 and QUESTION in answer.text
    answer = forgotten.submit("/timer/start", once(notes="Next"))
    assert answer.status_code == 409 and QUESTION in answer.text and 'value="Next"' in answer.text
    assert rows("end_time") == [(None,)]


def hidden_in(page, action):
    """What is hidden in the last form with that action, as its button sends it."""
    form = page.text.rpartition(f'action="{action}"')[2].partition("</form>")[0]
    tags = re.findall(r'<input type="hidden"[^>]*>', form)
    sent = (re.search(r'name="([^"]*)" value="([^"]*)"', tag, re.S) for tag in tags)
    return {each[1]: each[2].replace("&#34;", '"') for each in sent}


@pytest.mark.parametrize("mistaken", [False, True])
def test_what_was_typed_to_start_next_starts_when_the_question_is_answered(forgotten, work, rows, mistaken):
    typed = once(notes='Next "one"', task=work["Post"], tags="a, b", billable="y", billable_default="project")
    asked = forgotten.submit("/timer/start", typed | {"next": "/week"})
    assert "then “Next &#34;one&#34;” starts" in asked.text and "Keep it running" not in asked.text
    sent = hidden_in(asked, "/timer/forgotten")
    if mistaken:
        asked = forgotten.submit("/timer/forgotten", sent | {"answer": "set", "end": "2026-03-09T13:01"})
        assert asked.status_code == 422 and "That is in the future." in asked.text
        sent = hidden_in(asked, "/timer/forgotten")
    for _ in range(2):
        answer = forgotten.submit("/timer/forgotten", sent | {"answer": "set", "end": "2026-03-09T11:30"})
        assert (answer.status_code, answer.location) == (303, "/week")
    assert rows("notes, start_time, end_time, task_id, tags, billable") == [
        ("Sketch", datetime(2026, 3, 9, 8), datetime(2026, 3, 9, 10, 30), None, None, False),
        ('Next "one"', datetime(2026, 3, 9, 12), None, work["Post"], "a, b", False),
    ]


def test_what_is_continued_starts_when_the_question_is_answered(forgotten, rows, entry):
    earlier = entry("alice", "2026-03-06 08:00", "2026-03-06 09:00", notes="Letters\nand parcels")
    asked = forgotten.submit(f"/timer/continue/{earlier}", once())
    assert asked.status_code == 409 and QUESTION in asked.text
    forgotten.submit("/timer/forgotten", hidden_in(asked, "/timer/forgotten") | {"answer": "now"})
    assert rows("notes, end_time") == [
        ("Sketch", datetime(2026, 3, 9, 12)),
        ("Letters\nand parcels", datetime(2026, 3, 6, 9)),
        ("Letters\nand parcels", None),
    ]


def test_of_several_forgotten_timers_each_is_answered_before_what_was_typed_starts(forgotten, rows, entry):
    entry("alice", "2026-03-09 07:00", None, notes="Earlier")
    asked = forgotten.submit("/timer/start", once(notes="Next"))
    for status in (409, 303):
        asked = forgotten.submit("/timer/forgotten", hidden_in(asked, "/timer/forgotten") | {"answer": "now"})
        assert asked.status_code == status
    assert rows("notes, end_time IS NULL") == [("Sketch", False), ("Earlier", False), ("Next", True)]


def test_an_end_means_the_time_zone_in_which_it_was_asked_for(forgotten, rows, migrated):
    sent = hidden_in(forgotten.get("/"), "/timer/forgotten")
    migrated.execute("UPDATE settings SET timezone = 'Asia/Tokyo'")
    forgotten.submit("/timer/forgotten", sent | {"answer": "set", "end": "2026-03-09T11:30"})
    assert rows("end_time") == [(datetime(2026, 3, 9, 10, 30),)]


def test_an_answer_that_comes_too_late_changes_nothing(forgotten, rows):
    stale = once(entry=rows("id")[0][0], answer="activity", activity="2026-03-09T08:42:00")
    answer_to(forgotten, answer="keep")
    assert forgotten.submit("/timer/forgotten", stale).status_code == 409
    assert rows("end_time") == [(None,)]


def test_what_a_page_asks_by_itself_is_no_sign_of_life(as_user):
    with at("2026-03-09 08:00"):
        alice = as_user("alice")
        alice.submit("/timer/start", once())
        before = alice.get("/timer/state").json
    for minute in (10, 20, 29):
        with at(f"2026-03-09 08:{minute}"):
            assert alice.get("/timer/state").json["key"] == before["key"]
            assert "since 09:00" in alice.get("/timer/bar").text
    with at("2026-03-09 08:31"):
        state = alice.get("/timer/state").json
        assert state["key"] != before["key"], "now there is a question"
        assert state["now"] == 1773045060000
        assert "nothing was done here after 09:00" in alice.get("/").text


def test_a_timer_that_is_longer_than_an_entry_may_be_can_still_be_stopped(as_user, rows, entry, migrated):
    migrated.execute("UPDATE settings SET idle_timeout_minutes = 100000")
    number = entry("alice", datetime(2026, 3, 1, 8), notes="For 340 hours")
    with at("2026-03-15 12:00"):
        alice = as_user("alice")
        alice.get("/")
        assert "for 14 days: longer than an entry may be. When did it end?" in bar_of(alice.get("/"))
        answer = alice.submit("/timer/stop", once(entry=number))
        assert answer.status_code == 409 and "longer than an entry may be" in answer.text
        answer = alice.submit("/timer/forgotten", once(entry=number, answer="set", end="2026-03-12T09:00"))
        assert answer.status_code == 422 and "One entry lasts at most 7 days." in answer.text
        assert alice.submit("/timer/forgotten", once(entry=number, answer="keep")).status_code == 422
        alice.submit("/timer/forgotten", once(entry=number, answer="set", end="2026-03-02T09:00"))
    assert rows("end_time, duration_seconds") == [(datetime(2026, 3, 2, 8), 86400)]


@pytest.fixture
def several(as_user, migrated, rows):
    """A browser of alice, in which two timers ask, and their ids: she may run several, and was away for hours."""
    migrated.execute("UPDATE settings SET single_active_timer = false")
    with at("2026-03-09 08:00"):
        alice = as_user("alice")
        for notes in ("One", "Two"):
            alice.submit("/timer/start", once(notes=notes))
    with at("2026-03-09 12:00"):
        yield alice, *(number for (number,) in rows("id"))


def test_of_several_forgotten_timers_each_is_asked_about_before_another_starts(several, rows):
    alice, *_ = several
    assert bar_of(alice.get("/")).count("It ran on while you were away") == 2
    assert "What are you working on?" not in bar_of(alice.get("/")), "answer first"
    asked = alice.submit("/timer/start", once(notes="Three"))
    assert asked.status_code == 409 and "what became of it: then “Three” starts" in asked.text
    asked = alice.submit("/timer/forgotten", hidden_in(asked, "/timer/forgotten") | {"answer": "now"})
    assert asked.status_code == 409 and "then “Three” starts" in asked.text
    assert bar_of(alice.get("/")).count("It ran on while you were away") == 1
    sent = hidden_in(asked, "/timer/forgotten") | {"answer": "set", "end": "2026-03-09T12:00"}
    assert alice.submit("/timer/forgotten", sent).status_code == 303
    assert rows("notes, end_time IS NULL") == [("One", False), ("Two", False), ("Three", True)]
    assert "since 13:00" in bar_of(alice.get("/"))


def test_several_forgotten_timers_are_kept_running_together_or_not_at_all(several, rows):
    alice, one, _ = several
    page = bar_of(alice.get("/"))
    assert page.count("Keep all of them running") == 2 and "Keep it running" not in page
    answer = alice.submit("/timer/forgotten", once(entry=one, answer="keep"))
    assert answer.status_code == 409
    assert "It ran on while you were away" in answer.text and "Keep all of them running" in answer.text
    assert bar_of(alice.get("/")).count("It ran on while you were away") == 2
    assert alice.submit("/timer/forgotten", once(entry=one, answer="keep all")).status_code == 303
    assert "It ran on while you were away" not in bar_of(alice.get("/"))
    assert rows("end_time") == [(None,), (None,)]


def test_the_last_of_several_forgotten_timers_is_kept_alone(several, rows):
    alice, one, two = several
    alice.submit("/timer/forgotten", once(entry=two, answer="now"))
    assert "Keep it running" in bar_of(alice.get("/"))
    alice.submit("/timer/forgotten", once(entry=one, answer="keep"))
    assert "since 09:00 4:00" in bar_of(alice.get("/"))
    assert rows("end_time IS NULL") == [(True,), (False,)]


@pytest.mark.parametrize("answer", ["keep", "keep all"])
def test_what_was_typed_starts_beside_what_is_kept_where_several_may_run(several, rows, answer):
    alice, *_ = several
    asked = alice.submit("/timer/start", once(notes="Three"))
    if answer == "keep":
        asked = alice.submit("/timer/forgotten", hidden_in(asked, "/timer/forgotten") | {"answer": "now"})
    sent = hidden_in(asked, "/timer/forgotten") | {"answer": answer}
    assert f'value="{answer}"' in asked.text
    assert alice.submit("/timer/forgotten", sent).status_code == 303
    assert rows("notes, end_time IS NULL") == [("One", True), ("Two", answer == "keep all"), ("Three", True)]
    assert "It ran on while you were away" not in bar_of(alice.get("/"))


def test_where_one_may_run_nothing_is_kept_beside_what_was_typed(forgotten, rows):
    asked = forgotten.submit("/timer/start", once(notes="Next"))
    sent = hidden_in(asked, "/timer/forgotten") | {"answer": "keep"}
    again = forgotten.submit("/timer/forgotten", sent)
    assert again.status_code == 409 and 'name="notes" value="Next"' in again.text
    assert QUESTION in bar_of(forgotten.get("/"))
    assert rows("notes, end_time") == [("Sketch", None)]


def test_beside_a_timer_that_is_too_long_none_is_kept_before_that_has_ended(several, rows, entry):
    alice, one, _ = several
    long = entry("alice", "2026-03-01 08:00", None, notes="Long")
    page = bar_of(alice.get("/"))
    assert "longer than an entry may be" in page and "of them running" not in page
    assert page.count("To keep it running, answer for the others first.") == 2
    for answer in ("keep", "keep all"):
        assert alice.submit("/timer/forgotten", once(entry=one, answer=answer)).status_code == 409
    assert bar_of(alice.get("/")).count("Is it still right?") == 2
    alice.submit("/timer/forgotten", once(entry=long, answer="set", end="2026-03-01T17:00"))
    assert bar_of(alice.get("/")).count("Keep all of them running") == 2


# --- What it costs ---


def test_the_bar_costs_three_statements(as_user, app, work, monkeypatch):
    alice = as_user("alice")
    alice.submit("/timer/start", once(notes="One"))
    asked = []

    def counted(module, name):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: asked.append(name) or original(*given))

    for module, name in ((timer, "running_and_recent"), (projects, "choices"), (tasks, "choices")):
        counted(module, name)
    for path in ("/", "/entries/new"):  # the form of an entry offers what the bar has read
        asked.clear()
        alice.get(path)
        assert sorted(asked) == ["choices", "choices", "running_and_recent"]


def test_nobody_has_no_bar_and_pages_of_errors_do_without_where_they_must(client, app, as_user):
    @app.get("/broken")
    def broken():
        db.cursor().execute("SELECT 1 / 0")

    assert "data-timer" not in client.get("/sign-in").text
    answer = as_user("alice").get("/broken")
    assert answer.status_code == 500
    assert "Internal Server Error" in answer.text


def test_a_timer_that_an_old_database_left_running_can_end_years_ago(as_user, migrated, cast):
    migrated.execute("UPDATE settings SET timezone = 'UTC'")
    migrated.execute("INSERT INTO time_entries (user_id, start_time) VALUES (%s, '2020-03-09 08:00')", cast["alice"])
    [(number,)] = migrated.query("SELECT id FROM time_entries")
    answer = as_user("alice").submit(
        "/timer/forgotten", {"entry": number, "answer": "time", "end": "2020-03-09T17:00", "token": str(uuid.uuid4())}
    )
    assert answer.status_code == 303
    assert migrated.query("SELECT end_time, duration_seconds FROM time_entries") == [(datetime(2020, 3, 9, 17), 32400)]
