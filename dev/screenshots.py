"""`make screenshots`: the pictures of the README, taken of the demo in a real browser."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app import create_app  # noqa: E402
from app.queries import sessions  # noqa: E402

FOLDER = ROOT / "docs" / "screenshots"
URL = "http://127.0.0.1:18082"
ENTRIES = "60000"

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
    environment = os.environ | {"SECRET_KEY": "of the pictures", "PORT": URL.rpartition(":")[2]}
    subprocess.run([sys.executable, ROOT / "runner.py", "migrate"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([sys.executable, ROOT / "dev" / "demo.py", ENTRIES], check=True)
    cookie, monday = prepare(os.environ["DATABASE_URL"], environment["SECRET_KEY"])
    FOLDER.mkdir(exist_ok=True)
    gunicorn = subprocess.Popen([sys.executable, "-m", "gunicorn"], cwd=ROOT, env=environment)
    try:
        wait_until_served(gunicorn)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, path, window, scheme in PICTURES:
                context = browser.new_context(viewport=window, color_scheme=scheme)
                context.add_cookies([{"name": "session", "value": cookie, "url": URL}])
                take(context.new_page(), path.format(monday=monday), FOLDER / f"{name}.png")
    finally:
        gunicorn.terminate()
        gunicorn.wait()


def prepare(url: str, secret: str) -> tuple[str, str]:
    """Let Giulia be signed in with a timer that runs; give her cookie, and the Monday of the last week with entries."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM users WHERE username = 'giulia'")
        (user_id,) = cursor.fetchone()
        cursor.execute(
            """
            INSERT INTO time_entries (user_id, project_id, start_time, notes, tags, billable)
            SELECT user_id, project_id, %s - interval '17 minutes', 'Header and navigation', 'design', true
            FROM time_entries
            JOIN projects ON projects.id = project_id
            WHERE user_id = %s AND projects.billable
            ORDER BY start_time DESC
            LIMIT 1
            """,
            (now, user_id),
        )
        cursor.execute(
            "SELECT date_trunc('week', max(end_time))::date::text FROM time_entries WHERE user_id = %s", (user_id,)
        )
        (monday,) = cursor.fetchone()
        token = sessions.begin(cursor, user_id, now, "pictures", "127.0.0.1")
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": secret})
    content = {"_user_id": token, "_permanent": True}
    return app.session_interface.get_signing_serializer(app).dumps(content), monday


def wait_until_served(gunicorn: subprocess.Popen[bytes]) -> None:
    while gunicorn.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{URL}/healthz").close()  # noqa: S310
            return
        time.sleep(0.05)
    sys.exit(f"screenshots: Gunicorn ended with {gunicorn.returncode} before it served {URL}; its log is above")


def take(page: Page, path: str, picture: Path) -> None:
    page.goto(URL + path)
    page.screenshot(path=picture)
    print(picture.relative_to(ROOT))


if __name__ == "__main__":
    main()
