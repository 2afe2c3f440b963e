"""Pages in a real browser."""

import pytest
from pages import width_of
from playwright.sync_api import expect

pytestmark = pytest.mark.needs("chromium")

NARROW = {"width": 360, "height": 640}


@pytest.mark.only_pg("pg18")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_by_day_and_by_night(chromium, serve, migrated, scheme):
    migrated.execute(
        """
        INSERT INTO users (username) VALUES (repeat('maximiliane', 7));
        INSERT INTO projects (name, client) VALUES (repeat('Donaudampfschiff', 12), repeat('Reederei', 25));
        INSERT INTO time_entries (user_id, project_id, start_time)
        VALUES (2, 2, '2020-02-29 08:00'), (2, 2, timezone('utc', now()))
        """
    )
    served = serve(migrated.url)
    page = chromium.new_page(viewport=NARROW, color_scheme=scheme)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(served.url)
    assert width_of(page) <= NARROW["width"]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(","))
    assert (brightness > 382) == (scheme == "light")
    assert complaints == [], "the browser refused something"

    page.goto(f"{served.url}/nowhere")
    assert page.get_by_role("heading", name="Not Found").is_visible()
    assert width_of(page) <= NARROW["width"]

    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert focused == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served.url}/nowhere#main")
    page.get_by_role("link", name="Front page").click()
    page.wait_for_url(f"{served.url}/sign-in")
    page.close()


@pytest.mark.only_pg("pg18")
def test_somebody_is_added_from_the_top_of_a_long_list_of_people(open_page, migrated):
    migrated.execute("INSERT INTO users (username) SELECT 'user ' || n FROM generate_series(1, 80) AS n")
    page = open_page("carol", "/people", viewport=NARROW)
    page.get_by_role("link", name="Add somebody").click()
    expect(page.get_by_label("Name").last).to_be_focused()
    expect(page.get_by_role("button", name="Add and invite")).to_be_in_viewport()
