"""The grid of the week in a real browser, by the keyboard alone."""

import contextlib

import pytest
from pages import width_of
from playwright.sync_api import expect

from app import durations

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("chromium")]


def test_hours_are_typed_as_into_a_spreadsheet(open_page, migrated, cast):
    migrated.execute("INSERT INTO projects (id, name, client) VALUES (11, 'Relaunch', 'Acme'), (12, 'Shop', 'Acme')")
    page = open_page("alice", "/week/2026-03-23?row=11-0&row=12-0", viewport={"width": 1280, "height": 800})
    page.get_by_label("Relaunch, Mon 23 Mar").focus()
    page.keyboard.type("1,5")
    assert page.locator("#week-hint").inner_text() == "= 1:30"
    page.keyboard.press("ArrowRight")
    page.keyboard.type("90m")
    page.keyboard.press("Enter")  # one down
    page.keyboard.type("2")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")  # what an arrow leads to is selected, so the next one leads on
    page.keyboard.type("soon")
    assert "no duration" in page.locator("#week-hint").inner_text()
    page.keyboard.press("Escape")
    assert page.get_by_label("Relaunch, Mon 23 Mar").input_value() == "1:30"
    assert page.locator("tfoot .total").all_inner_texts() == [
        "1:30",
        "3:30",
        "0:00",
        "0:00",
        "0:00",
        "0:00",
        "0:00",
        "5:00",
    ]
    page.get_by_role("button", name="Save").press("Enter")
    page.get_by_text("Saved 5:00 in 3 cells.").wait_for()
    expect(page.locator("tfoot .total").last).to_have_text("5:00")
    written = migrated.query(
        "SELECT project_id, start_time::date::text, duration_seconds FROM time_entries ORDER BY 1, 2"
    )
    assert written == [(11, "2026-03-23", 5400), (11, "2026-03-24", 5400), (12, "2026-03-24", 7200)]


def test_without_javascript_and_on_a_phone(open_page, migrated, cast):
    page = open_page("alice", "/week/2026-03-23", viewport={"width": 360, "height": 640}, java_script_enabled=False)
    page.get_by_label("Project", exact=True).last.select_option(label="General \N{EN DASH} Default Client")
    page.get_by_role("button", name="Add row").click()
    page.get_by_label("General, Wed 25 Mar").fill("1:15")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved 1:15 in one cell.").wait_for()
    assert migrated.query("SELECT user_id, duration_seconds FROM time_entries") == [(cast["alice"], 4500)]


def test_a_day_with_several_entries_does_not_widen_a_phone_and_its_hours_stand_below_those_typed(
    open_page, migrated, cast
):
    migrated.execute("INSERT INTO projects (id, name, client) VALUES (11, 'Relaunch', 'Acme')")
    migrated.execute(
        "INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds) "
        "SELECT %s, project_id, start, start + interval '90 minutes', 5400 "
        "FROM (VALUES (1, timestamp '2026-03-29 07:00'), (1, '2026-03-29 10:00'), (11, '2026-03-29 13:00')) "
        "AS entries (project_id, start)",
        cast["alice"],
    )
    page = open_page("alice", "/week/2026-03-23", viewport={"width": 360, "height": 640})
    several = page.get_by_title("2 entries: open the day")
    expect(several).to_have_text("3:00, 2 entries, General, Sun 29 Mar")
    assert width_of(page) == 360

    page.set_viewport_size({"width": 768, "height": 900})
    assert page.locator(".scroll").evaluate("part => part.scrollWidth - part.clientWidth") == 0, "a tablet shows it all"
    digits = """cell => {
        const input = cell.querySelector("input:not([type=hidden])"), style = getComputedStyle(input ?? cell);
        const box = (input ?? cell).getBoundingClientRect();
        return box.right - parseFloat(style.paddingRight) - parseFloat(style.borderRightWidth);
    }"""
    ends = {round(cell.evaluate(digits), 1) for cell in page.locator(".grid tr > :nth-child(8)").all()}
    assert len(ends) == 1, f"digits of Sunday end at {ends}"


DURATIONS = [
    "", " ", "1", "08", "1:30", "1:5", "1:75", "1:30:30", "1:30:29", "1,025", "1.025", "2.675h", ".5", "0,33", ".00834",
    "1,5 h", "0.008333333333333333", "90m", "1h30", " 1 h  30 min ", "1H", "h", "1.", "1.5m", "-1", "soon",
]  # fmt: skip


def test_the_hint_reads_what_is_typed_as_the_server_does(open_page, migrated):
    migrated.execute("INSERT INTO projects (id, name, client) VALUES (11, 'Relaunch', 'Acme')")
    page = open_page("alice", "/week/2026-03-23?row=11-0")
    found = page.evaluate("texts => texts.map(minutesOf)", DURATIONS)
    assert dict(zip(DURATIONS, found, strict=True)) == {text: minutes_of(text) for text in DURATIONS}


def minutes_of(text: str) -> int | None:
    if not text.strip():
        return 0
    with contextlib.suppress(ValueError):
        return durations.parse_duration(text, "hours")
    return None


def test_enter_in_the_last_row_sends_nothing(open_page, migrated):
    migrated.execute("INSERT INTO projects (id, name, client) VALUES (11, 'Relaunch', 'Acme')")
    page = open_page("alice", "/week/2026-03-23?row=11-0")
    page.get_by_label("Relaunch, Mon 23 Mar").fill("2")
    page.keyboard.press("Enter")
    page.get_by_label("Relaunch, Tue 24 Mar").fill("3")
    assert page.get_by_label("Relaunch, Mon 23 Mar").input_value() == "2:00"
    assert migrated.query("SELECT count(*) FROM time_entries") == [(0,)]


def test_leaving_asks_about_what_a_refused_save_has_left(open_page, migrated):
    migrated.execute("INSERT INTO projects (id, name, client) VALUES (11, 'Relaunch', 'Acme')")
    page = open_page("alice", "/week/2026-03-23?row=11-0")
    page.get_by_label("Relaunch, Mon 23 Mar").fill("soon")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Nothing was saved").wait_for()
    page.wait_for_load_state()
    page.get_by_label("Relaunch, Tue 24 Mar").click()  # a browser asks only those who have touched the page
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("link", name="Later").click()
    page.wait_for_url("**/week/2026-03-30*")
    assert asked == ["beforeunload"]
