"""A report as people see it, on a phone and on a desk, by day and by night."""

import re

import pytest
from pages import width_of
from playwright.sync_api import expect

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.only_pg("pg18")]

NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 800}


def test_from_a_report_to_its_entries_and_back(open_page, cast, migrated):
    migrated.execute(
        """
        INSERT INTO projects (name, client, hourly_rate)
        SELECT repeat('Donaudampfschiff', 4) || n, 'Reederei', 60 FROM generate_series(1, 9) AS n
        """
    )
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds, notes, tags)
        SELECT %s, n %% 10 + 1, timestamp '2020-03-01 08:00' + n * interval '5 hours', '2020-12-31', 1800 + 60 * n,
            'Plan', 'a, b'
        FROM generate_series(1, 120) AS n
        """,
        cast["alice"],
    )
    page = open_page("carol", "/reports?from=2020-03-01&to=2020-03-31", viewport=NARROW, color_scheme="dark")
    assert width_of(page) == 360
    picture = page.locator(".chart img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 328
    assert "The table below has the figures." in picture.get_attribute("alt")
    assert page.locator(".report").evaluate("table => table.scrollWidth > table.clientWidth")

    total = page.locator("tfoot .figure a").first
    said = total.inner_text()
    total.click()
    assert page.locator("#total").inner_text() == said
    assert width_of(page) == 360
    page.get_by_role("link", name="Report of these").click()
    expect(page.locator("tfoot .figure a").first).to_have_text(said)

    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    page.get_by_label("Rows").select_option("Person")
    page.get_by_label("Columns").select_option("None")
    page.get_by_text("More filters").click()
    page.locator("main").get_by_label("Tags").fill("b")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("rows=user.*tag=b"))
    page.get_by_role("row", name="alice").wait_for()
    assert page.locator(".chart img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 1080
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    assert download.value.suggested_filename == "timetracker-2020-03-01-to-2020-03-31.csv"
    page.get_by_role("link", name="Last year").click()
    page.get_by_role("heading", name="Nothing was tracked here").wait_for()
    assert page.locator("main").get_by_label("Tags").input_value() == "b"
