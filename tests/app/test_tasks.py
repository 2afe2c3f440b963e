"""Tasks and their board."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from uuid import uuid4

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from installation import wait_for

from app import board
from app.forms.tasks import EstimateField
from app.queries import tasks

pytestmark = pytest.mark.only_pg("pg18")


def asked(database, question, *arguments):
    """Return what a query of the app gives."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        return question(cursor, *arguments)


def test_open_tasks_of_active_projects_can_be_chosen(migrated, cast):
    migrated.execute(
        """
        INSERT INTO projects (id, name, client, status) VALUES
            (10, 'Shop', 'Acme', 'active'), (11, 'Old', 'Acme', 'archived');
        INSERT INTO tasks (id, project_id, name, status, created_by)
        SELECT number, project_id, name, status, (SELECT id FROM users WHERE username = 'alice')
        FROM (VALUES (1, 10, 'wireframes', 'pending'), (2, 10, 'Cart', 'in_progress'), (3, 10, 'Logo', 'done'),
            (4, 10, 'Later', 'todo'), (5, 10, 'Never', 'cancelled'), (6, 11, 'Buried', 'pending')
        ) AS made (number, project_id, name, status);
        """
    )
    assert asked(migrated, tasks.choices) == [(2, "Cart", 10), (4, "Later", 10), (1, "wireframes", 10)]
    for question in (tasks.belongs, tasks.hold):
        assert asked(migrated, question, 1, 10)
        assert not asked(migrated, question, 1, 11)
        assert not asked(migrated, question, 99, 10)


# --- The board ---


@pytest.fixture
def shop(migrated, cast):
    """Two projects, one of them archived."""
    migrated.execute(
        """
        INSERT INTO projects (id, name, client, status) VALUES
            (20, 'Shop', 'Acme', 'active'), (21, 'Site', 'Acme', 'active'), (22, 'Old', 'Acme', 'archived')
        """
    )
    return 20


def test_a_task_is_made_in_a_project_that_no_list_has_room_for(as_user, migrated, cast, shop):
    migrated.execute(
        "INSERT INTO projects (id, name, client) SELECT n, 'p' || n, 'Acme' FROM generate_series(1000, 1250) AS n"
    )
    migrated.execute("UPDATE projects SET updated_at = '2020-01-01' WHERE id = 20")
    html = as_user("alice").get("/tasks/new?project=20").text
    assert '<option selected value="20">Shop' in html.partition('id="project"')[2].partition("</select>")[0]
    as_user("alice").submit("/tasks/new", {"name": "Cart", "project": 20, "status": "pending", "priority": "low"})
    assert migrated.query("SELECT name, project_id FROM tasks") == [("Cart", 20)]
    assert '<option selected value="22"' not in as_user("alice").get("/tasks/new?project=22").text


@pytest.fixture
def add(migrated, cast, shop):
    """Return a function that adds a task of alice's and gives its id."""

    def added(name="Cart", created_by="alice", **values) -> int:
        values = {"project_id": 20, "created_by": cast[created_by], "name": name, **values}
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        [(task_id,)] = migrated.query(f"INSERT INTO tasks ({columns}) VALUES ({marks}) RETURNING id", *values.values())
        return task_id

    return added


def spend(database, user_id, task_id, minutes, project_id=20):
    """Add an entry of that length to a task."""
    database.execute(
        """
        INSERT INTO time_entries (user_id, project_id, task_id, start_time, end_time, duration_seconds)
        VALUES (%s, %s, %s, '2026-03-02 08:00', '2026-03-02 18:00', %s)
        """,
        user_id,
        project_id,
        task_id,
        minutes * 60,
    )


class Columns(HTMLParser):
    """Reads a board: the names of the cards of each column, and all that is written on a card."""

    def __init__(self, html):
        super().__init__()
        self.names, self.cards, self.column, self.card, self.is_name = {}, {}, None, None, False
        self.feed(html.partition('<main id="main">')[2])

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "section":
            self.column = attributes.get("data-status")
            self.names[self.column] = []
        elif attributes.get("class") == "card":
            self.card = attributes["id"].removeprefix("task-")
            self.cards[self.card] = ""
        elif tag == "a" and (attributes.get("id") or "").startswith("name-"):
            self.is_name = True
        elif tag == "section":
            self.card = None

    def handle_endtag(self, tag):
        self.is_name = False
        if tag == "li":
            self.card = None

    def handle_data(self, data):
        if self.is_name:
            self.names[self.column].append(data)
        if self.card:
            self.cards[self.card] += " " + data.strip()


def test_the_board_has_a_column_for_each_status_and_shows_those_of_old_databases_beside_them(as_user, add):
    for name, status in (("A", "pending"), ("B", "in_progress"), ("C", "done"), ("D", "todo"), ("E", "cancelled")):
        add(name, status=status)
    add("F", project_id=22)
    board = Columns(as_user("alice").get("/tasks").text)
    assert board.names == {"pending": ["A"], "in_progress": ["B"], "done": ["C"], "": ["D", "E"]}
    assert "todo" in "".join(board.cards.values()) and "cancelled" in "".join(board.cards.values())
    of_archived = Columns(as_user("alice").get("/tasks?project=22").text)
    assert of_archived.names["pending"] == ["F"]


def test_a_card_names_the_client_too_for_several_have_a_project_of_that_name(as_user, migrated, add):
    migrated.execute(
        "INSERT INTO projects (id, name, client) VALUES (40, 'Maintenance', 'Acme'), (41, 'Maintenance', 'Zeta')"
    )
    for project_id in (40, 41):
        add("Server", project_id=project_id)
    cards = Columns(as_user("alice").get("/tasks").text).cards.values()
    assert sorted(next(name for name in ("Acme", "Zeta") if name in card) for card in cards) == ["Acme", "Zeta"]


def test_cards_sort_by_priority_and_day_and_the_done_ones_by_when_they_were_done(as_user, add):
    add("low", priority="low", due_date="2026-01-01")
    add("foreign", priority="asap", due_date="2026-05-02")
    add("medium, no day", priority="medium")
    add("medium", priority="medium", due_date="2026-05-01")
    add("urgent", priority="urgent")
    add("before", status="done", completed_at="2026-03-01 08:00", priority="urgent")
    add("after", status="done", completed_at="2026-03-02 08:00", priority="low")
    add("unknown", status="done")
    board = Columns(as_user("alice").get("/tasks").text)
    assert board.names["pending"] == ["urgent", "medium", "foreign", "medium, no day", "low"]
    assert board.names["done"] == ["after", "before", "unknown"]


def test_a_card_tells_what_is_late_and_how_long_it_took_against_its_estimate(as_user, migrated, cast, add):
    late = add("Late", due_date="2026-03-19", estimated_hours="1.33", assigned_to=cast["bob"], priority="high")
    today = add("Today", due_date="2026-03-20", estimated_hours="0.5")
    done = add("Done", due_date="2026-03-01", status="done")
    next_year = add("Next year", due_date="2027-01-02")
    for name in ("alice", "bob"):
        spend(migrated, cast[name], late, 20)
        spend(migrated, cast[name], today, 16)
    with time_machine.travel("2026-03-20 12:00Z", tick=False):
        cards = Columns(as_user("alice").get("/tasks").text).cards
    assert "Overdue: Thu 19 Mar" in cards[str(late)] and "0:40 of 1:20" in cards[str(late)]
    assert "High" in cards[str(late)] and "bob" in cards[str(late)] and "over" not in cards[str(late)]
    assert "Due Fri 20 Mar" in cards[str(today)] and "0:32 of 0:30, over" in cards[str(today)]
    assert "2026" not in cards[str(done)] and "Overdue" not in cards[str(done)]
    assert "Due 2027-01-02" in cards[str(next_year)]


def test_the_day_on_which_a_task_is_late_begins_in_the_zone_of_the_settings(as_user, migrated, add):
    task = str(add(due_date="2026-03-19"))
    for zone, is_late in (("UTC", False), ("Europe/Rome", True)):
        migrated.execute("UPDATE settings SET timezone = %s", zone)
        with time_machine.travel("2026-03-19 23:30Z", tick=False):
            assert ("Overdue" in Columns(as_user("alice").get("/tasks").text).cards[task]) == is_late


def test_filters_narrow_the_board(as_user, cast, add):
    add("mine", assigned_to=cast["alice"])
    add("of bob", assigned_to=cast["bob"], priority="urgent")
    add("of nobody", project_id=21)
    alice = as_user("alice")
    for query, names in (
        ("", {"mine", "of bob", "of nobody"}),
        ("assigned=me", {"mine"}),
        ("assigned=nobody", {"of nobody"}),
        (f"assigned={cast['bob']}", {"of bob"}),
        ("priority=urgent", {"of bob"}),
        ("project=21", {"of nobody"}),
        ("q=NoBody", {"of nobody"}),
        ("q=%25", set()),
        ("project=4000000000", set()),  # an adopted database may have such ids
        ("q=%00&priority=%00&assigned=x&project=99999999999999999999", {"mine", "of bob", "of nobody"}),
    ):
        assert set(Columns(alice.get(f"/tasks?{query}").text).names["pending"]) == names, query


def test_a_big_board_shows_the_first_cards_of_each_column_and_weighs_little(as_user, migrated, cast, shop):
    migrated.execute(
        """
        INSERT INTO tasks (project_id, name, status, created_by, assigned_to, due_date, estimated_hours, priority)
        SELECT 20, 'A task with an ordinary name, ' || number, status, users.id, users.id, '2026-03-02', 8, 'high'
        FROM generate_series(1, 100) AS number, unnest('{pending, in_progress, done}'::text[]) AS status, users
        WHERE username = 'alice'
        """
    )
    answer = as_user("alice").get("/tasks")
    names = Columns(answer.text).names
    assert [len(names[status]) for status in ("pending", "in_progress", "done")] == [20, 20, 20]
    assert answer.text.count("The first 20 of 100.") == 3
    assert len(answer.data) < 64_000


# --- Moving ---


def version(database, task_id):
    """Return the version of a task that a page shows."""
    [(updated_at,)] = database.query("SELECT updated_at FROM tasks WHERE id = %s", task_id)
    return updated_at.isoformat()


def test_a_button_moves_a_card_and_comes_back_to_it_and_to_the_filters(as_user, migrated, add):
    task = add(name="Cart")
    with time_machine.travel("2026-03-02 08:00Z", tick=False):
        alice = as_user("alice")
        page = alice.get("/tasks?project=20&q=car").text
        address = unescape(re.search(r'formaction="([^"]+)" name="to" value="in_progress"', page)[1])
        answer = alice.submit(address, {"to": "in_progress"})
        assert answer.status_code == 303
        assert answer.location == f"/tasks?project=20&q=car#task-{task}"
        assert "Cart: In progress." in alice.get(answer.location).text
    assert migrated.query("SELECT status, started_at, completed_at FROM tasks") == [
        ("in_progress", datetime(2026, 3, 2, 8), None)
    ]


def test_moving_notes_when_a_task_was_started_and_completed(as_user, migrated, add):
    task = add()
    seen = []
    with time_machine.travel("2026-03-02 07:00Z", tick=False) as clock:
        alice = as_user("alice")
        for to in ("in_progress", "done", "done", "in_progress", "pending", "done"):
            clock.shift(60 * 60)
            assert alice.submit(f"/tasks/{task}/move", {"to": to}).status_code == 303
            [times] = migrated.query("SELECT started_at, completed_at FROM tasks")
            seen.append(tuple(at and at.hour for at in times))
    assert seen == [(8, None), (8, 9), (8, 9), (8, None), (8, None), (8, 13)]


def test_a_move_of_what_somebody_else_moved_is_told_and_can_be_sent_again(as_user, migrated, add):
    task = add(name="Cart")
    shown = version(migrated, task)
    assert as_user("bob").submit(f"/tasks/{task}/move?version={shown}", {"to": "done"}).status_code == 303
    alice = as_user("alice")
    answer = alice.submit(f"/tasks/{task}/move?version={shown}", {"to": "in_progress"})
    assert answer.status_code == 409
    assert "Somebody else changed “Cart” meanwhile: it is in Done." in answer.text
    assert migrated.query("SELECT status FROM tasks") == [("done",)]
    assert alice.submit(f"/tasks/{task}/move?version={shown}", {"to": "done"}).status_code == 303  # where it is already
    again = f"/tasks/{task}/move?version={version(migrated, task)}"
    assert alice.submit(again, {"to": "in_progress"}).status_code == 303
    assert migrated.query("SELECT status FROM tasks") == [("in_progress",)]


def test_a_script_gets_the_card_as_it_is_now(as_user, migrated, add):
    task = add(name="Cart", status="todo", project_id=22)
    shown = version(migrated, task)
    alice = as_user("alice")
    asked = {"headers": {"Accept": "application/json"}}
    answer = alice.submit(f"/tasks/{task}/move?version={shown}", {"to": "done"}, **asked)
    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["said"]) == ("done", "Cart: Done.")
    assert f'id="task-{task}"' in answer.json["card"] and "← In progress" in answer.json["card"]
    answer = alice.submit(f"/tasks/{task}/move?version={shown}", {"to": "pending"}, **asked)
    assert answer.status_code == 409 and answer.json["status"] == "done"
    assert alice.submit("/tasks/999/move", {"to": "done"}, **asked).status_code == 404


def test_two_people_who_move_a_card_at_once_both_get_an_answer_and_one_is_told(app, as_user, migrated, add):
    task = add()
    shown = version(migrated, task)
    people = [as_user("alice"), as_user("bob")]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda person, to: person.submit(f"/tasks/{task}/move?version={shown}", {"to": to}).status_code,
            people,
            ("in_progress", "done"),
        )
        assert sorted(answers) == [303, 409]


def test_there_are_no_other_columns_to_move_to(as_user, migrated, add):
    task = add()
    for to in ("todo", "", "x" * 10_000, "done\0"):
        assert as_user("alice").submit(f"/tasks/{task}/move", {"to": to}).status_code == 400
    assert migrated.query("SELECT status FROM tasks") == [("pending",)]


# --- Making and changing ---

GOOD = {"name": "Checkout", "project": "20", "status": "pending", "priority": "high", "estimated_hours": "12:30"}


def test_a_member_makes_a_task_once_also_by_a_double_click(as_user, migrated, cast, shop):
    bob = as_user("bob")
    data = {**GOOD, "assigned_to": cast["alice"], "due_date": "2026-03-31", "token": str(uuid4())}
    for _ in range(2):
        assert bob.submit("/tasks/new", data).status_code == 303
    assert migrated.query(
        "SELECT name, project_id, status, priority, assigned_to, created_by, due_date, estimated_hours FROM tasks"
    ) == [("Checkout", 20, "pending", "high", cast["alice"], cast["bob"], date(2026, 3, 31), Decimal("12.50"))]


WRONG = [
    ("name", "", "Say what is to be done."),
    ("name", "x" * 201, "longer than 200"),
    ("name", "a\0b", "cannot be seen"),
    ("project", "", "Choose the project."),
    ("project", "22", "That project cannot be chosen"),
    ("project", "999", "That project cannot be chosen"),
    ("project", "20; DROP TABLE tasks", ""),
    ("project", "9" * 30, ""),
    ("status", "todo", "Not a valid choice"),
    ("priority", "asap", "Not a valid choice"),
    ("assigned_to", "999", "That person cannot be chosen"),
    ("due_date", "31.3.2026", "Not a valid date"),
    ("due_date", "0001-01-01", "between 1970 and 2999"),
    ("due_date", "2026-02-30", "Not a valid date"),
    ("estimated_hours", "-1", "Type the hours as"),
    ("estimated_hours", "1:60", "Type the hours as"),
    ("estimated_hours", "1000", "at most 999:59"),
    ("estimated_hours", "9" * 500, "Type the hours as"),
    ("description", "x" * 10_001, "longer than 10000"),
]


def test_what_a_task_cannot_be_is_told_beside_the_field_and_what_was_typed_is_kept(as_user, migrated, shop):
    alice = as_user("alice")
    for field, typed, sentence in WRONG:
        answer = alice.submit("/tasks/new", {**GOOD, "description": "<keep me>", field: typed})
        assert answer.status_code == 422, (field, typed[:20])
        assert sentence in answer.text and f'id="{field}-error"' in answer.text, (field, typed[:20])
        assert field == "description" or "&lt;keep me&gt;" in answer.text
    assert migrated.query("SELECT count(*) FROM tasks") == [(0,)]


def test_what_was_typed_of_a_task_that_is_deleted_meanwhile_can_be_copied(as_user, migrated, add):
    task = add()
    migrated.execute("DELETE FROM tasks")
    answer = as_user("alice").submit(f"/tasks/{task}", {**GOOD, "description": "A long <story>"})
    assert answer.status_code == 404
    assert "<dd>A long &lt;story&gt;</dd>" in answer.text and "Send it again" not in answer.text


@pytest.mark.parametrize("kept", ["0.01", "1.26", "12.345", "1500.25", "NaN", "-2"])
def test_an_estimate_of_an_old_database_stays_as_it_is_until_somebody_types_another(as_user, migrated, add, kept):
    migrated.execute("ALTER TABLE tasks ALTER estimated_hours TYPE numeric")
    task, alice = add("Cart", estimated_hours=kept), as_user("alice")
    page = alice.get(f"/tasks/{task}").text
    shown = re.search(r'name="estimated_hours"[^>]* value="([^"]*)"', page)[1]
    data = {**GOOD, "estimated_hours": shown, "version": version_on(page)}
    assert alice.submit(f"/tasks/{task}", data).status_code == 303
    assert migrated.query("SELECT name, estimated_hours::text FROM tasks") == [("Checkout", kept)]
    data["version"] = version_on(alice.get(f"/tasks/{task}").text)
    alice.submit(f"/tasks/{task}", {**data, "estimated_hours": "12:30"})
    assert migrated.query("SELECT estimated_hours FROM tasks") == [(Decimal("12.50"),)]


@given(st.integers(0, 999 * 60 + 59))
def test_an_estimate_comes_back_to_the_minute(minutes):
    kept = EstimateField.parse(None, f"{minutes // 60}:{minutes % 60:02}")
    assert kept <= Decimal("999.99") and board.estimated_minutes(kept) == minutes


def test_an_edit_is_written_and_keeps_the_words_of_an_old_database(as_user, migrated, cast, add):
    migrated.execute("UPDATE users SET is_active = false WHERE username = 'bob'")
    task = add(status="todo", priority="asap", assigned_to=cast["bob"], project_id=22, actual_hours="3.25")
    alice = as_user("alice")
    page = alice.get(f"/tasks/{task}").text
    for chosen in ('value="todo"', 'value="asap"', f'value="{cast["bob"]}"', 'value="22"'):
        assert f"<option selected {chosen}>" in page
    data = {**GOOD, "project": "22", "status": "todo", "priority": "asap", "assigned_to": cast["bob"]}
    assert alice.submit(f"/tasks/{task}", {**data, "version": version_on(page)}).status_code == 303
    assert migrated.query("SELECT name, project_id, status, priority, assigned_to, actual_hours FROM tasks") == [
        ("Checkout", 22, "todo", "asap", cast["bob"], Decimal("3.25"))
    ]


def version_on(html):
    """Return the version that a form carries."""
    return re.search(r'name="version" type="hidden" value="([^"]*)"', html)[1]


def test_a_stale_edit_is_told_and_wins_when_it_is_sent_again(as_user, migrated, add):
    task = add()
    alice = as_user("alice")
    old = version_on(alice.get(f"/tasks/{task}").text)
    migrated.execute("UPDATE tasks SET name = 'Somebody else''s'")
    answer = alice.submit(f"/tasks/{task}", {**GOOD, "version": old})
    assert answer.status_code == 409
    assert "Somebody else changed this task meanwhile." in answer.text and 'value="Checkout"' in answer.text
    assert alice.submit(f"/tasks/{task}", {**GOOD, "version": version_on(answer.text)}).status_code == 303
    assert migrated.query("SELECT name FROM tasks") == [("Checkout",)]


def test_a_task_on_which_time_was_spent_stays_in_its_project_and_is_not_deleted(as_user, migrated, cast, add):
    task = add()
    spend(migrated, cast["bob"], task, 20)
    alice = as_user("alice")
    page = alice.get(f"/tasks/{task}").text
    assert "Delete the task" not in page
    answer = alice.submit(f"/tasks/{task}", {**GOOD, "project": "21", "version": version_on(page)})
    assert answer.status_code == 409 and "Time was spent on it in its project" in answer.text
    answer = alice.submit(f"/tasks/{task}/delete")
    assert answer.status_code == 409 and "Time was spent on it, so it cannot be deleted." in answer.text
    assert migrated.query("SELECT project_id, task_id FROM time_entries") == [(20, task)]


def test_a_task_is_deleted_by_who_made_it_or_by_an_administrator(as_user, migrated, add):
    first, second = add(), add()
    assert "Delete the task" not in as_user("bob").get(f"/tasks/{first}").text
    assert as_user("bob").submit(f"/tasks/{first}/delete").status_code == 403
    for name, task in (("alice", first), ("carol", second)):
        assert "Delete the task" in as_user(name).get(f"/tasks/{task}").text
        assert as_user(name).submit(f"/tasks/{task}/delete").status_code == 303
        assert as_user(name).submit(f"/tasks/{task}/delete").status_code == 404
    assert migrated.query("SELECT count(*) FROM tasks") == [(0,)]


def test_a_project_that_is_deleted_while_a_task_is_made_for_it_is_told(as_user, migrated, shop):
    alice = as_user("alice")
    with closing(migrated.connect()) as connection, connection.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        connection.autocommit = False
        cursor.execute("DELETE FROM projects WHERE id = 20")
        making = pool.submit(alice.submit, "/tasks/new", GOOD)
        wait_for(lambda: migrated.query("SELECT FROM pg_locks WHERE NOT granted"))
        connection.commit()
        answer = making.result(30)
    assert answer.status_code == 409
    assert "This project was deleted meanwhile." in answer.text and 'value="Checkout"' in answer.text
    assert migrated.query("SELECT count(*) FROM tasks") == [(0,)]


def test_a_task_that_is_not_there_is_not_found(as_user, shop):
    alice = as_user("alice")
    assert alice.get("/tasks/999").status_code == 404
    assert alice.submit("/tasks/999", GOOD).status_code == 404
    assert alice.submit("/tasks/999/move", {"to": "done"}).status_code == 404
