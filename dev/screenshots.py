"""`make screenshots`: the pictures of the README, taken of the demo in a real browser."""

import contextlib
import os
import shutil
from pathlib import Path

import psycopg2
from playwright.sync_api import Page, sync_playwright
from served_demo import ROOT, app_of, cookie_of, serving

FOLDER = ROOT / "docs" / "screenshots"
PORT = 18082
URL = f"http://127.0.0.1:{PORT}"
ENTRIES = "60000"
SECRET = "of the pictures"  # noqa: S105

WIDE = {"width": 1180, "height": 720}
PHONE = {"width": 390, "height": 780}

# Picture, page, window, by day or by night.
PICTURES = [
    ("timer", "/", WIDE, "light"),
    ("week", "/week/{monday}", WIDE, "light"),
    ("board", "/tasks", WIDE, "dark"),
    ("report", "/reports?period=last-month", WIDE, "light"),
    ("phone", "/", PHONE, "dark"),
]


def main() -> None:
    """Fill the database of DATABASE_URL, serve it, and write a picture of each page."""
    url = os.environ["DATABASE_URL"]
    FOLDER.mkdir(exist_ok=True)
    with serving(url, ENTRIES, SECRET, PORT), sync_playwright() as playwright:
        cookie, monday = prepare(url)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, path, window, scheme in PICTURES:
            context = browser.new_context(viewport=window, color_scheme=scheme)
            context.add_cookies([{"name": "session", "value": cookie, "url": URL}])
            take(context.new_page(), path.format(monday=monday), FOLDER / f"{name}.png")


def prepare(url: str) -> tuple[str, str]:
    """Let Giulia be signed in with a timer that runs; give her cookie, and the Monday of the last week with entries."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM users WHERE username = 'giulia'")
        (user_id,) = cursor.fetchone()
        cursor.execute(
            """
            INSERT INTO time_entries (user_id, project_id, start_time, notes, tags, billable)
            SELECT user_id, project_id, timezone('utc', now()) - interval '17 minutes', 'Header and navigation',
                'design', true
            FROM time_entries
            JOIN projects ON projects.id = project_id
            WHERE user_id = %s AND projects.billable
            ORDER BY start_time DESC
            LIMIT 1
            """,
            (user_id,),
        )
        cursor.execute(
            "SELECT date_trunc('week', max(end_time))::date::text FROM time_entries WHERE user_id = %s", (user_id,)
        )
        (monday,) = cursor.fetchone()
        return cookie_of(app_of(url, SECRET), cursor, user_id), monday


def take(page: Page, path: str, picture: Path) -> None:
    """Write the picture of a page."""
    page.goto(URL + path)
    page.screenshot(path=picture)
    print(picture.relative_to(ROOT))


if __name__ == "__main__":
    main()
