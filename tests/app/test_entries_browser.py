"""The page of entries in a real browser."""

from datetime import UTC, datetime, timedelta

import pytest
from pages import problems_of, width_of
from playwright.sync_api import expect

from app import passwords

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("chromium")]

PHONE = {"width": 360, "height": 640}


@pytest.fixture
def yesterday(migrated, cast) -> str:
    """The day before today, with three entries of alice on a project with a task."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(days=1)
    migrated.execute(
        """
        INSERT INTO projects (name, client) VALUES ('Website', 'Acme');
        INSERT INTO tasks (project_id, name, created_by) SELECT max(id), 'Design', %(carol)s FROM projects;
        INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds, notes, tags)
        SELECT %(alice)s, (SELECT max(id) FROM projects), %(day)s + n * interval '1 hour',
            %(day)s + n * interval '1 hour' + interval '30 minutes', 1800, 'note ' || n, 'one, two'
        FROM generate_series(8, 10) AS n
        """.replace("%(alice)s", str(cast["alice"]))
        .replace("%(carol)s", str(cast["carol"]))
        .replace("%(day)s", f"timestamp '{day}'")
    )
    return f"{day:%Y-%m-%d}"


def test_a_morning_with_the_page(open_page, migrated, yesterday):
    page = open_page("alice")
    row = page.locator(".entry-day li")

    # By hand, in place, with the duration said while it is typed.
    page.get_by_text("Add time by hand").click()
    form = page.locator(".new-entry form")
    form.get_by_label("What was done").fill("Call with Marta")
    form.get_by_label("Date").fill(yesterday)
    form.get_by_label("Start").fill("22")
    for typed, said in {"1,5": "= 1:30", "90": "= 1:30", "1h5": "= 1:05", "x": "", "": ""}.items():
        form.get_by_label("or duration").fill(typed)
        assert form.locator("output").inner_text() == said
    form.get_by_label("End").fill("1am")
    assert form.locator("output").inner_text() == "= 3:00"
    form.get_by_label("Start").fill("25")
    form.get_by_role("button", name="Save").click()
    form.get_by_text("A day ends at 23:59.").wait_for()
    assert page.evaluate("document.activeElement.name") == "start", "where something is wrong, there is the focus"
    assert form.get_by_label("What was done").input_value() == "Call with Marta"
    assert problems_of(page) == []
    form.get_by_label("Start").fill("10pm")
    form.get_by_label("Start").press("Enter")
    page.get_by_text("Added: 22:00 to 01:00 the next day = 3:00").wait_for()
    expect(row.nth(0)).to_contain_text("Call with Marta")
    expect(row.nth(0)).to_contain_text("+1")

    # Changed in place, while another tab changes it too.
    page.wait_for_load_state()  # without its scripts the link leads to a page
    row.nth(1).get_by_text("Edit").click()
    notes = row.nth(1).get_by_label("What was done")
    assert notes.input_value() == "note 10" and notes.evaluate("field => field === document.activeElement")
    notes.press("Escape")
    assert row.nth(1).get_by_text("Edit").evaluate("link => link === document.activeElement")
    page.keyboard.press("Enter")
    notes.fill("mine")
    migrated.execute("UPDATE time_entries SET notes = 'theirs' WHERE notes = 'note 10'")
    row.nth(1).get_by_role("button", name="Save").click()
    row.nth(1).get_by_text("This entry was changed meanwhile. It is now: theirs").wait_for()
    assert notes.input_value() == "mine"
    row.nth(1).get_by_role("button", name="Save").click()
    row.nth(1).locator("form").wait_for(state="detached")
    expect(row.nth(1)).to_contain_text("mine")
    assert migrated.query("SELECT count(*) FROM time_entries WHERE notes = 'mine'") == [(1,)]

    # Deleted and brought back.
    row.nth(2).get_by_role("button", name="Delete").click()
    page.get_by_text("Deleted: note 9").wait_for()
    assert problems_of(page) == []
    page.get_by_role("button", name="Undo").click()
    row.nth(2).get_by_text("note 9").wait_for()
    expect(row).to_have_count(4)

    # Found again.
    page.get_by_label("Search notes and tags").fill("note 8")
    page.keyboard.press("Enter")
    page.get_by_text("no longer search").wait_for(state="attached")
    expect(row).to_have_count(1)


def test_a_form_follows_the_project_and_is_not_left_unasked(open_page, migrated, yesterday):
    migrated.execute("UPDATE projects SET billable = false WHERE name = 'Website'")
    page = open_page("alice")
    page.get_by_text("Add time by hand").evaluate("link => { link.click(); link.click(); }")  # a double click
    form = page.locator(".new-entry form")
    assert form.get_by_label("Billable").is_checked()
    form.get_by_label("Task").select_option(label="Design")
    assert form.get_by_label("Project").evaluate("field => field.selectedOptions[0].text") == "Website \u2013 Acme"
    assert not form.get_by_label("Billable").is_checked()
    form.get_by_label("Billable").check()
    form.get_by_label("Date").fill(yesterday)
    form.get_by_label("Start").fill("7")

    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    row = page.locator(".entry-day li").first
    row.get_by_text("Edit").click()
    assert asked == ["Discard what you typed in the form that is open?"]
    assert form.get_by_label("Start").input_value() == "7" and row.locator("form").count() == 0

    form.get_by_label("Start").press("Enter")
    form.get_by_text("Give an end or a duration.").wait_for()
    assert form.get_by_label("Billable").is_checked()
    form.get_by_label("End", exact=True).fill("8")
    form.get_by_label("End", exact=True).press("Enter")
    page.get_by_text("Added: 07:00 to 08:00 = 1:00").wait_for()
    assert migrated.query("SELECT billable, task_id IS NOT NULL FROM time_entries ORDER BY id DESC LIMIT 1") == [
        (True, True)
    ]

    page.wait_for_load_state()  # without its scripts the link leads to a page
    row.get_by_text("Edit").click()
    row.locator("form").wait_for()
    page.locator(".entry-day li").nth(1).get_by_text("Edit").click()
    page.locator(".entry-day li").nth(1).locator("form").wait_for()
    assert row.locator("form").count() == 0 and len(asked) == 1, "nothing was typed"


def test_billable_follows_the_project_until_somebody_says_otherwise(open_page, migrated, yesterday):
    page = open_page("alice")
    page.get_by_text("Add time by hand").click()
    form = page.locator(".new-entry form")
    form.get_by_label("Billable").uncheck()
    form.get_by_label("Project").select_option(label="Website \u2013 Acme")
    assert not form.get_by_label("Billable").is_checked()


def test_what_was_typed_outlives_the_session_and_the_connection(open_page, migrated, cast):
    migrated.execute(
        "INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (%s, %s)",
        cast["alice"],
        passwords.hash_of("a long walk by the lake"),
    )
    page = open_page("alice")
    page.get_by_text("Add time by hand").click()
    form = page.locator(".new-entry form")
    for label, typed in {"What was done": "Call", "Start": "9", "or duration": "1"}.items():
        form.get_by_label(label).fill(typed)
    save = form.get_by_role("button", name="Save")

    page.context.set_offline(True)
    save.click()
    form.get_by_text("There is no connection. Try again in a moment. What you typed is still here.").wait_for()
    page.context.set_offline(False)

    page.route(
        "**/entries", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>", content_type="text/html")
    )
    save.click()
    form.get_by_text("That could not be saved just now.").wait_for()
    page.unroute("**/entries")

    migrated.execute("DELETE FROM sign_in_sessions")
    save.click()
    form.get_by_text("You are signed out.").wait_for()

    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_label("Name").fill("alice")
    other.get_by_label("Password").fill("a long walk by the lake")
    other.get_by_role("button", name="Sign in").click()
    other.get_by_role("heading", name="Entries", exact=True).wait_for()

    save.click()
    form.get_by_text("You signed in anew meanwhile. Press Save again.").wait_for()
    assert migrated.query("SELECT count(*) FROM time_entries") == [(0,)]
    save.click()
    page.get_by_text("Added: 09:00 to").wait_for()
    assert migrated.query("SELECT notes FROM time_entries") == [("Call",)]


def test_the_same_on_a_phone_without_javascript_at_night(open_page, migrated, yesterday):
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")
    page = open_page("alice", viewport=PHONE, java_script_enabled=False, color_scheme="dark")
    page.get_by_text("Add time by hand").click()
    page.get_by_label("What was done").fill("By hand")
    page.get_by_label("Date").fill("2026-03-29")
    page.get_by_label("Start").fill("2:30")
    page.get_by_label("or duration").fill("1,5")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("There is no 02:30 on that day").wait_for()
    page.get_by_role("button", name="Starts at 03:00").click()
    page.get_by_text("Added: 03:00 to 04:30 = 1:30").wait_for()
    assert (datetime(2026, 3, 29, 1),) in migrated.query("SELECT start_time FROM time_entries")

    page.get_by_role("link", name="Edit").first.click()
    page.get_by_label("What was done").fill("Wörk " * 40)
    page.locator("main").get_by_label("Task").select_option(label="Design")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Wörk").first.wait_for()
    page.get_by_role("button", name="Delete").first.click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".entry-day li")).to_have_count(4)
    assert migrated.query("SELECT count(*) FROM time_entries WHERE task_id IS NOT NULL") == [(1,)]

    phone = open_page("alice", "/?q=note", viewport=PHONE, color_scheme="dark")
    assert width_of(phone) <= PHONE["width"]
    assert problems_of(phone) == []
    phone.get_by_role("link", name="Edit").first.click()
    phone.locator(".editing form").wait_for()
    assert width_of(phone) <= PHONE["width"]
    assert problems_of(phone) == []


def test_a_long_line_of_notes_widens_no_form(open_page, migrated, yesterday):
    migrated.execute("UPDATE time_entries SET notes = repeat('maximiliane', 30)")
    page = open_page("alice", viewport=PHONE)
    page.locator(".entry-day li").first.get_by_text("Edit").click()
    page.locator(".entry-form").wait_for()
    assert width_of(page) == 360
    (edited,) = migrated.query("SELECT max(id) FROM time_entries")
    page.goto(page.url.split("?")[0] + f"entries/{edited[0]}/edit")
    assert width_of(page) == 360


def test_several_entries_are_added_and_one_is_changed_by_the_keyboard_alone(open_page, migrated, yesterday):
    page = open_page("alice")
    page.wait_for_load_state()
    adding = page.get_by_role("link", name="Add time by hand")
    adding.focus()
    for hour in ("14", "15", "16"):
        page.keyboard.press("Enter")
        expect(page.locator("#entry-notes")).to_be_focused()
        page.keyboard.type("call at " + hour)
        page.locator("#entry-start").focus()
        page.keyboard.type(hour)
        page.locator("#entry-duration").focus()
        page.keyboard.type("30")
        page.keyboard.press("Enter")
        page.get_by_text(f"Added: {hour}:00 to {hour}:30 = 0:30").wait_for()
        expect(adding).to_be_focused()
    changing = page.locator(".entry-day li").filter(has_text="call at 15").get_by_role("link", name="Edit")
    changing.press("Enter")
    page.locator("#entry-start").fill("15:10")
    page.keyboard.press("Enter")
    page.get_by_text("15:10\N{EN DASH}15:30").wait_for()
    expect(changing).to_be_focused()
