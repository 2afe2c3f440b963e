"""A new installation in a real browser, from the link of the invitation to a week of entries and its report.

The app that is served has the real clock: midnight may come at any moment, and with it another week or month. So the
days are chosen once, and what the app calls the last week, or this month, is not counted on.
"""

import contextlib
import csv
import io
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from app import passwords

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("chromium")]

PASSWORD = "a long walk by the lake"
ZONE = "Europe/Lisbon"

# Days after Monday, what is typed, and the minutes that it comes to.
WEEK = [
    (0, {"Start": "9", "End": "12"}, 180),
    (1, {"Start": "9:15", "End": "17:45"}, 510),
    (2, {"Start": "10pm", "End": "1am"}, 180),
    (3, {"Start": "930", "or duration": "1,5"}, 90),
    (4, {"Start": "8", "End": "8:20"}, 20),
]


@pytest.fixture
def new_page(chromium, serve, migrated):
    """Return a function that opens a page in a new browser.

    What the browser complains about fails the test, and so does a request to another host.
    """
    served, complaints, asked = serve(migrated.url), [], []
    with contextlib.ExitStack() as stack:

        def opened(path: str, **context: Any) -> Any:
            page = stack.enter_context(contextlib.closing(chromium.new_context(**context))).new_page()
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(served.url + path)
            return page

        yield opened
    assert complaints == []
    assert asked and [url for url in asked if not url.startswith((served.url + "/", "data:", "blob:"))] == []


@pytest.fixture
def admin(migrated):
    """The administrator of the defaults, who has a password."""
    migrated.execute(
        "INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (1, %s)", passwords.hash_of(PASSWORD)
    )


def monday() -> datetime:
    """Return the first day of last week where the company is."""
    today = datetime.now(ZoneInfo(ZONE)).replace(tzinfo=None)
    return today - timedelta(days=today.weekday() + 7)


def of_week(first: datetime) -> list[str]:
    """Return the days of the week that begins then, as addresses and fields have them."""
    return [f"{first + timedelta(days=number):%Y-%m-%d}" for number in range(7)]


def hours(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def credited(migrated, *sources: str) -> list[tuple[int]]:
    """Return the minutes of the rows of these sources, else of those that were typed."""
    return migrated.query(
        """
        SELECT sum(credited_minutes(start_time, end_time, duration_seconds, now()::timestamp))
        FROM time_entries
        WHERE source = ANY (%s)
        """,
        [*sources] or ["manual"],
    )


def sign_in(page) -> None:
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Entries", exact=True).wait_for()


def test_from_the_invitation_to_a_report(new_page, migrated, run_runner):
    invited = run_runner("invite", "admin", database=migrated)
    assert invited.returncode == 0, invited.stderr
    page = new_page("/invitation/" + invited.stdout.strip().rpartition("/")[2], viewport={"width": 1280, "height": 800})
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("heading", name="No entries yet").wait_for()

    navigation = page.get_by_role("navigation", name="Main")
    navigation.get_by_role("link", name="Settings").click()
    page.get_by_label("Time zone").fill(ZONE)
    page.get_by_label("Currency").fill("CHF")
    page.get_by_role("button", name="Save").first.click()
    page.get_by_text("The settings are saved.").wait_for()

    navigation.get_by_role("link", name="Projects").click()
    page.get_by_role("link", name="New project").click()
    page.get_by_label("Name").fill("Relaunch")
    page.get_by_label("Client").fill("Acme")
    page.get_by_label("Hourly rate").fill("80")
    page.get_by_role("button", name="Make the project").click()
    page.get_by_role("heading", name="Relaunch").wait_for()

    week = of_week(monday())  # asked before the timer runs: if Sunday ends meanwhile, its entry is of a later week
    navigation.get_by_role("link", name="Timer").click()
    page.get_by_role("heading", name="No entries yet").wait_for()  # the bar is on the page before too
    page.get_by_label("What are you working on?").fill("Sketch")
    page.get_by_label("Project").select_option(label="Relaunch \N{EN DASH} Acme")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("timer").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped “Sketch” after 0:0").wait_for()

    for days, typed, minutes in WEEK:
        page.get_by_text("Add time by hand").click()
        form = page.locator(".entry-form")
        form.get_by_label("What was done").fill(f"Day {days}")
        form.get_by_label("Project").select_option(label="Relaunch \N{EN DASH} Acme")
        form.get_by_label("Date").fill(week[days])
        for label, text in typed.items():
            form.get_by_label(label).fill(text)
        form.get_by_role("button", name="Save").click()
        page.get_by_text(re.compile(f"Added: .* = {hours(minutes)}")).wait_for()
    total = sum(minutes for *_, minutes in WEEK)
    assert credited(migrated) == [(total,)]

    navigation.get_by_role("link", name="Week").click()
    page.get_by_role("link", name="Earlier").click()
    page.wait_for_url("**/week/*")
    if not page.url.endswith(week[0]):  # Sunday is over since
        page.get_by_role("link", name="Earlier").click()
    totals = [*(hours(minutes) for *_, minutes in WEEK), "0:00", "0:00", hours(total)]
    expect(page.locator("tfoot .total")).to_have_text(totals)
    page.get_by_label("Relaunch, Sat").fill("1:30")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved 1:30 in one cell.").wait_for()
    total += 90
    assert credited(migrated) == [(total,)]

    navigation.get_by_role("link", name="Reports").click()
    page.get_by_role("link", name="Last week").click()
    expect(page).to_have_url(re.compile("period=last-week"))
    page.get_by_label("From").fill(week[0])
    page.get_by_label("To", exact=True).fill(week[6])
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(f"from={week[0]}&to={week[6]}"))
    report = page.locator(".report")
    expect(report.locator("tfoot")).to_contain_text(hours(total))
    amount = f"{80 * total / 60:,.2f}"
    expect(page.locator(".totals")).to_contain_text(amount)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    with open(download.value.path(), newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))
    assert sum(int(row["credited_seconds"]) for row in rows) == total * 60
    assert {row["start"][:10] for row in rows} == set(week[:6])
    report.locator("tfoot a").first.click()
    expect(page.locator("tbody tr")).to_have_count(len(WEEK) + 1)
    assert len(rows) == len(WEEK) + 1
    expect(page.locator(".totals")).to_contain_text(hours(total))

    page.get_by_role("button", name="Sign out").click()
    sign_in(page)
    page.get_by_text("Sketch").first.wait_for()


def test_the_same_work_without_javascript(new_page, migrated, admin):
    page = new_page("/", java_script_enabled=False, viewport={"width": 360, "height": 640})
    sign_in(page)
    page.get_by_label("What are you working on?").fill("Sketch")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped “Sketch” after 0:0").wait_for()

    page.get_by_text("Add time by hand").click()
    page.get_by_label("What was done").fill("By hand")
    page.get_by_label("Project").last.select_option(label="General \N{EN DASH} Default Client")
    week = of_week(monday())
    page.get_by_label("Date").fill(week[0])
    page.get_by_label("Start").fill("9")
    page.get_by_label("or duration").fill("1:30")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Added: 09:00 to 10:30 = 1:30").wait_for()

    page.get_by_role("button", name="Delete").last.click()
    page.get_by_text("Deleted: By hand").wait_for()
    assert credited(migrated) == [(None,)]
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Deleted: By hand").wait_for(state="detached")
    assert credited(migrated) == [(90,)]

    page.goto(page.url.partition("?")[0].rstrip("/") + f"/reports?from={week[0]}&to={week[6]}")
    assert "1:30" in page.locator(".report tfoot").inner_text()


def test_the_same_work_by_the_keyboard_alone(new_page, migrated, admin):
    page = new_page("/")
    keys = page.keyboard

    def go_to(name: str) -> None:
        """Press Tab until what has the focus is called so."""
        page.wait_for_load_state()
        for _ in range(80):
            keys.press("Tab")
            if page.evaluate(NAME_OF_FOCUS) == name:
                return
        raise AssertionError(f"Tab never comes to {name}")

    def press(key: str) -> None:
        """Press a key that the page's scripts wait for, once they are there."""
        page.wait_for_load_state()
        keys.press(key)

    page.wait_for_function("document.activeElement.name === 'username'")  # browsers take a moment for autofocus
    keys.type("admin")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    page.get_by_role("heading", name="Entries", exact=True).wait_for()

    press("n")
    keys.type("Sketch")
    keys.press("Enter")
    page.get_by_role("timer").wait_for()
    press("s")
    page.get_by_text("Stopped “Sketch” after 0:0").wait_for()
    assert migrated.query("SELECT count(*) FROM time_entries WHERE notes = 'Sketch' AND end_time > start_time") == [
        (1,)
    ]

    go_to("Add time by hand")
    press("Enter")
    page.locator(".entry-form").wait_for()
    for name, typed in (("What was done", "By hand"), ("Start", "9"), ("or duration", "1:30")):
        if page.evaluate(NAME_OF_FOCUS) != name:
            go_to(name)
        keys.type(typed)
    keys.press("Enter")
    page.get_by_text("Added: 09:00 to 10:30 = 1:30").wait_for()
    assert credited(migrated) == [(90,)]

    press("/")
    page.wait_for_function("document.activeElement.name === 'q'")
    keys.type("By hand")
    keys.press("Enter")
    page.get_by_text("no longer search").wait_for(state="attached")
    go_to("Delete")
    keys.press("Enter")
    page.get_by_text("Deleted: By hand").wait_for()
    assert credited(migrated) == [(None,)]
    go_to("Undo")
    keys.press("Enter")
    page.get_by_text("Deleted: By hand").wait_for(state="detached")
    assert credited(migrated) == [(90,)]

    go_to("Reports")
    keys.press("Enter")
    page.get_by_role("heading", name="Reports").wait_for()
    go_to("All")
    keys.press("Enter")
    [(total,)] = credited(migrated, "manual", "timer")
    page.locator(".report tfoot").get_by_text(hours(total), exact=True).first.wait_for()


NAME_OF_FOCUS = """() => {
    const element = document.activeElement;
    return (element.labels?.[0] ?? element).innerText.trim();
}"""
