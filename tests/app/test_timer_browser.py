"""The timer bar in a real browser: its clock, two tabs, the keys, and all of it without JavaScript."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pages import width_of
from playwright.sync_api import expect

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("chromium")]

PHONE = {"width": 360, "height": 640}


@pytest.fixture
def work(migrated, cast):
    """Two projects, one of them not billed, each with a task."""
    migrated.execute(
        """
        INSERT INTO projects (name, client, billable)
        VALUES ('Relaunch', 'Acme', true), (repeat('Donaudampfschiff', 12), repeat('Reederei', 25), false);
        INSERT INTO tasks (project_id, name, created_by)
        SELECT id, left('Task of ' || name, 200), (SELECT min(id) FROM users)
        FROM projects
        WHERE name <> 'General'
        """
    )
    return dict(migrated.query("SELECT CASE WHEN billable THEN name ELSE 'unbilled' END, id FROM projects"))


def fits(page):
    return width_of(page) <= page.viewport_size["width"]


def test_the_clock_runs_in_bar_title_and_icon_and_other_tabs_follow(open_page, work, migrated):
    first = open_page("alice", "/")
    second = first.context.new_page()
    second.goto(first.url.rstrip("/") + "/week")
    expect(second).to_have_title(re.compile("Week"))

    first.get_by_label("Project").first.select_option(str(work["unbilled"]))
    assert not first.get_by_label("Billable").is_checked()
    assert first.locator("#timer-task option").count() == 2, "no task, and the one of the project"
    first.get_by_label("Project").first.select_option(str(work["Relaunch"]))
    assert first.get_by_label("Billable").is_checked()
    first.get_by_label("What are you working on?").fill("Sketch")
    second.get_by_label("Tags").fill("typed here")
    first.get_by_role("button", name="Start").click()

    for page in (first, second):
        expect(page).to_have_title(re.compile("^0:0\\d Sketch \u2013 TimeTracker$"))
        expect(page.locator(".timer-clock")).to_have_text(re.compile(r"^0:0\d:\d\d$"))
        assert "icon-running.svg" in page.locator("link[rel=icon]").get_attribute("href")
    before = first.locator(".timer-clock").text_content()
    expect(first.locator(".timer-clock")).not_to_have_text(before)
    assert second.get_by_label("Tags").input_value() == "typed here", "what was typed there is kept"

    first.clock.install(time="2020-02-29T12:00:00Z")
    first.reload()
    expect(first.locator(".timer-clock")).to_have_text(re.compile(r"^0:0\d:\d\d$"))

    second.get_by_role("button", name="Stop").click()
    expect(second.get_by_text("Stopped “Sketch” after")).to_be_visible()
    expect(first.get_by_role("button", name="Start", exact=True)).to_be_visible()
    expect(first).to_have_title(re.compile("Timer"))
    assert "icon.svg" in first.locator("link[rel=icon]").get_attribute("href")
    assert migrated.query("SELECT notes, end_time IS NULL FROM time_entries") == [("Sketch", False)]


def test_keys_start_stop_continue_search_and_help_and_rest_while_one_types(open_page, migrated, cast):
    page = open_page("alice", "/week")

    def press(key: str) -> None:
        page.wait_for_load_state()  # the keys come with the scripts
        page.keyboard.press(key)

    notes = page.get_by_label("What are you working on?")
    press("n")
    expect(notes).to_be_focused()
    page.keyboard.type("news? c/s")
    expect(notes).to_have_value("news? c/s")
    press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    press("n")
    expect(notes).to_be_focused()
    notes.blur()
    press("Control+s")
    press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    press("s")
    press("Escape")
    expect(page.get_by_role("heading", name="Keys")).to_be_hidden()
    assert migrated.query("SELECT count(end_time) FROM time_entries") == [(0,)]
    press("s")
    expect(page.get_by_text("Stopped “news? c/s”")).to_be_visible()
    press("c")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    press("/")
    page.wait_for_url("**/#search")
    assert migrated.query("SELECT notes, end_time IS NULL FROM time_entries ORDER BY id") == [
        ("news? c/s", False),
        ("news? c/s", True),
    ]

    migrated.execute("INSERT INTO display_preferences (user_id, shortcuts) VALUES (%s, false)", cast["alice"])
    page.goto(page.url.partition("#")[0] + "week")
    press("s")
    press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()


def test_what_runs_is_edited_in_its_place(open_page, work, migrated, cast):
    now = datetime.now(UTC).replace(tzinfo=None)
    migrated.execute("UPDATE settings SET timezone = 'UTC'")
    migrated.execute(
        "INSERT INTO time_entries (user_id, start_time, notes) VALUES (%s, %s, 'Sketch')",
        cast["alice"],
        now - timedelta(minutes=10),
    )
    page = open_page("alice", "/week")
    page.get_by_role("link", name="Edit").click()
    notes = page.locator("#work-notes")
    expect(notes).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Edit")).to_be_focused()
    page.keyboard.press("Enter")
    notes.fill("Design")
    page.get_by_label("Since").fill(f"{now - timedelta(minutes=90):%Y-%m-%dT%H:%M}")
    page.get_by_role("region", name="Timer").get_by_role("button", name="Save").click()
    expect(page.locator(".timer-clock")).to_have_text(re.compile(r"^1:3\d:\d\d$"))
    assert page.url.endswith("/week")
    assert migrated.query("SELECT notes FROM time_entries") == [("Design",)]


def test_a_double_click_opens_one_form_and_the_title_has_the_name_of_the_company(open_page, migrated, cast):
    migrated.execute("UPDATE settings SET company_name = 'Acme · Sons'")
    migrated.execute(
        "INSERT INTO time_entries (user_id, start_time, notes) VALUES (%s, timezone('utc', now()), 'Sketch')",
        cast["alice"],
    )
    page = open_page("alice", "/week")
    expect(page).to_have_title(re.compile("^0:0\\d Sketch \u2013 Acme · Sons$"))
    page.evaluate(
        "() => { const link = document.querySelector('[data-timer] a[data-edit]'); link.click(); link.click(); }"
    )
    expect(page.locator("#work-notes")).to_be_focused()
    page.wait_for_load_state("networkidle")
    assert page.locator("form[data-edited]").count() == 1


def test_all_of_it_works_on_a_phone_without_javascript(open_page, work, migrated):
    page = open_page("alice", "/week", viewport=PHONE, java_script_enabled=False)
    assert fits(page)
    page.get_by_label("What are you working on?").fill("maximiliane" * 30)
    page.get_by_label("Project").first.select_option(str(work["unbilled"]))
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".timer-clock")).to_have_text(re.compile(r"^0:0\d$"))
    assert page.url.endswith("/week") and fits(page)

    page.get_by_role("link", name="Edit").click()
    page.locator("#work-notes").wait_for()
    assert fits(page)
    page.locator("#work-notes").fill("Short")
    page.locator("main").get_by_role("button", name="Save").click()
    page.wait_for_url("**/week")

    page.get_by_text("Switch to something else").click()
    page.get_by_label("What are you working on?").fill("Second")
    page.get_by_role("button", name="Switch").click()
    page.locator(".timer-what").get_by_text("Second").wait_for()  # the page before has a Stop too
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Continue “Second”").click()
    page.get_by_role("button", name="Stop").wait_for()
    assert migrated.query("SELECT notes, billable, end_time IS NULL FROM time_entries ORDER BY id") == [
        ("Short", False, False),
        ("Second", True, False),
        ("Second", True, True),
    ]
    migrated.execute(
        """
        UPDATE sign_in_sessions SET last_seen_at = last_seen_at - interval '3 hours';
        UPDATE time_entries SET start_time = start_time - interval '4 hours 30 minutes' WHERE end_time IS NULL
        """
    )
    page.goto(page.url)
    page.get_by_text("It ran on while you were away").wait_for()
    assert fits(page)
    page.get_by_role("button", name="Stop at").click()
    page.get_by_text("Stopped “Second” after 1:").wait_for()


def test_the_bar_takes_two_rows_on_a_tablet_and_long_names_do_not_make_it_higher(open_page, work, migrated, cast):
    migrated.execute(
        "INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds, notes, tags) "
        "VALUES (%s, %s, '2026-03-02 08:00', '2026-03-02 09:00', 3600, repeat('words and ', 50), repeat('tag, ', 90))",
        cast["alice"], work["unbilled"],
    )  # fmt: skip
    page = open_page("alice", "/week", viewport={"width": 768, "height": 900})
    tops = (
        page.locator("[data-start-form]")
        .locator("input:visible, select, button")
        .evaluate_all("fields => fields.map(field => Math.round(field.getBoundingClientRect().top / 8))")
    )
    assert len(set(tops)) == 2, f"rows of fields begin at {tops}"
    page.set_viewport_size(PHONE)
    bar = page.get_by_role("region", name="Timer")
    assert bar.bounding_box()["height"] < 260
    page.keyboard.press("c")
    page.get_by_role("button", name="Stop").wait_for()
    page.wait_for_load_state()  # with its style
    assert bar.bounding_box()["height"] < 330


def test_an_administrator_ends_the_timer_of_another_on_a_phone_without_javascript(open_page, migrated, cast):
    migrated.execute("UPDATE settings SET timezone = 'UTC'")
    for days in (1, 14):
        migrated.execute(
            "INSERT INTO time_entries (user_id, start_time, notes) "
            "VALUES (%s, timezone('utc', now()) - make_interval(days => %s), repeat('maximiliane ', 10))",
            cast["alice"], days,
        )  # fmt: skip
    page = open_page("carol", f"/people/{cast['alice']}", viewport=PHONE, java_script_enabled=False)
    expect(page.get_by_role("button", name="Stop now")).to_have_count(1)
    assert fits(page)
    end = page.get_by_label("It ended at", exact=True)
    begun = datetime.fromisoformat(end.input_value())
    page.get_by_role("button", name="Set").first.click()
    page.get_by_text("it ended after that.").wait_for()
    assert fits(page)
    end.fill(f"{begun + timedelta(hours=8):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Set").first.click()
    page.get_by_text("The timer was stopped.").wait_for()
    assert migrated.query("SELECT end_time FROM time_entries WHERE end_time IS NOT NULL") == [
        (begun + timedelta(hours=8),)
    ]


# --- Suggestions ---


@pytest.fixture
def earlier(work, migrated, cast):
    """Work that alice did before, and what a form holds with it."""
    [(task,)] = migrated.query("SELECT id FROM tasks WHERE project_id = %s", work["unbilled"])
    for hours, notes, project, of_project, tags in (
        (5, "Call", None, None, "phone"),
        (4, "Sketch", work["unbilled"], task, "design, draft"),
        (3, 'Layout of "Acme\'s"', work["Relaunch"], None, None),
    ):
        migrated.execute(
            "INSERT INTO time_entries "
            "(user_id, project_id, task_id, start_time, end_time, duration_seconds, notes, tags, billable) "
            "SELECT %s, %s, %s, start, start + interval '1 hour', 3600, %s, %s, %s "
            "FROM (SELECT timezone('utc', now()) - make_interval(hours => %s) AS start) AS begun",
            cast["alice"], project, of_project, notes, tags, project != work["unbilled"], hours,
        )  # fmt: skip
    return {"Sketch": (str(work["unbilled"]), str(task), "design, draft", False), "nothing": ("", "", "", True)}


def held(page):
    """Return what the fields beside the description hold."""
    form = page.locator("[data-start-form]")
    values = [form.locator(f"[name={name}]").input_value() for name in ("project", "task", "tags")]
    return (*values, form.locator("[name=billable]").is_checked())


PICK = """(field, text) => {
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText" }));
}"""  # what a browser does when somebody takes one of the list, which Chromium without a screen does not show


def test_a_suggestion_fills_the_form_and_enter_starts_it(open_page, earlier, migrated, work):
    page = open_page("alice", "/week")
    notes = page.get_by_label("What are you working on?")
    offered = page.locator("#timer-suggestions option").evaluate_all("options => options.map(option => option.value)")
    assert offered == ['Layout of "Acme\'s"', "Sketch", "Call"]
    notes.press_sequentially("Sketch")
    assert held(page) == earlier["Sketch"]
    assert page.locator("#timer-task option").count() == 2, "no task, and the one of the project"
    notes.press_sequentially("es for bob")
    assert held(page) == earlier["nothing"], "it was the beginning of another description"
    notes.fill("Call")
    assert held(page) == ("", "", "phone", True)
    notes.evaluate(PICK, "Sketch")
    notes.press("End")
    notes.press_sequentially(" 2")
    assert held(page) == earlier["Sketch"], "one that was picked may be added to"
    notes.fill("")
    assert held(page) == earlier["nothing"]
    notes.fill("Sketch")
    notes.press("Enter")
    page.get_by_role("button", name="Stop").wait_for()
    page.wait_for_load_state()  # the suggestions are put in by a script
    project, task, tags, billable = earlier["Sketch"]
    assert migrated.query(
        "SELECT notes, project_id, task_id, tags, billable FROM time_entries WHERE end_time IS NULL"
    ) == [("Sketch", int(project), int(task), tags, billable)]

    page.get_by_text("Switch to something else").click()  # what runs is no reason to do without
    notes.fill('Layout of "Acme\'s"')
    assert held(page) == (str(work["Relaunch"]), "", "", True)


def test_a_suggestion_leaves_alone_what_was_set_by_hand(open_page, earlier, work):
    page = open_page("alice", "/week")
    project, task, tags, _ = earlier["Sketch"]
    notes = page.get_by_label("What are you working on?")
    page.get_by_label("Project").first.select_option(str(work["Relaunch"]))
    notes.fill("Sketch")
    assert held(page) == (str(work["Relaunch"]), "", tags, True), "the task and the rate are of another project"
    notes.fill("")
    assert held(page) == (str(work["Relaunch"]), "", "", True)

    page.goto(page.url)
    page.get_by_label("Tags").fill("mine")
    page.get_by_label("Billable").uncheck()
    page.get_by_label("Billable").check()
    notes.fill("Sketch")
    assert held(page) == (project, task, "mine", True)
    notes.fill("Something new")
    assert held(page) == ("", "", "mine", True)


def test_the_suggestions_and_what_was_set_by_hand_outlive_a_new_bar(open_page, earlier, migrated, work):
    first = open_page("alice", "/")
    second = first.context.new_page()
    second.goto(first.url.rstrip("/") + "/week")
    second.get_by_label("Tags").fill("mine")
    first.get_by_label("What are you working on?").fill("Fresh")
    first.get_by_role("button", name="Start").click()
    expect(second.locator(".timer-what")).to_contain_text("Fresh")
    first.get_by_role("button", name="Stop").click()
    expect(second.get_by_role("button", name="Start", exact=True)).to_be_visible()
    assert second.locator("#timer-suggestions option").first.get_attribute("value") == "Fresh"
    second.get_by_label("What are you working on?").fill("Sketch")
    assert held(second) == (*earlier["Sketch"][:2], "mine", False)


def test_without_javascript_a_suggestion_is_a_description(open_page, earlier, migrated):
    page = open_page("alice", "/week", viewport=PHONE, java_script_enabled=False)
    assert page.locator("#timer-suggestions option").count() == 3 and fits(page)
    page.get_by_label("What are you working on?").fill("Sketch")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Stop").wait_for()
    assert migrated.query("SELECT notes, project_id, tags, billable FROM time_entries WHERE end_time IS NULL") == [
        ("Sketch", None, None, True)
    ]
