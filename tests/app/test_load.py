"""Sixteen people at work at once: no error, no leak, and rows that are still right.

It takes a minute; with FAULTS=nightly it takes 5 minutes.
"""

import contextlib
import http.client
import os
import re
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from installation import wait_for
from itsdangerous import URLSafeTimedSerializer

from app import create_app
from app.queries import sessions

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("linux")]

IS_LONG = os.environ.get("FAULTS") == "nightly"
SECONDS = 300 if IS_LONG else 60
PEOPLE = 16
WORKERS, THREADS = 2, 4
# What a worker may grow by after every page was seen: pieces of memory that Python keeps, and no row or page.
MOST_GROWTH = 8 * 1024
PAGES = ("/", "/week", "/reports", "/reports?period=this-year&rows=task", "/tasks", "/projects", "/reports.csv")
SECRET = "of the test"
CSRF = "of the test too"

# What must never be in the table of entries.
BROKEN = {
    "more than one running timer of a user": """
        SELECT user_id FROM time_entries WHERE end_time IS NULL GROUP BY user_id HAVING count(*) > 1
    """,
    "an entry that ends without a duration, or has one and runs": """
        SELECT id FROM time_entries WHERE (end_time IS NULL) <> (duration_seconds IS NULL)
    """,
    "an entry that does not end after it starts": "SELECT id FROM time_entries WHERE end_time <= start_time",
    "an entry without a user or a source": """
        SELECT id FROM time_entries WHERE user_id IS NULL OR source <> 'timer' OR notes IS NULL
    """,
    "a sum of the parts that is not the whole": """
        SELECT sum(minutes) FROM (
            SELECT user_id, sum(credited_minutes(start_time, end_time, duration_seconds, now()::timestamp)) AS minutes
            FROM time_entries WHERE end_time IS NOT NULL GROUP BY user_id
        ) AS parts
        HAVING sum(minutes) <> (
            SELECT sum(round(duration_seconds / 60.0)) FROM time_entries WHERE end_time IS NOT NULL
        )
    """,
}


class Person(threading.Thread):
    """Somebody who starts and stops, and looks at the pages in between, until it is over."""

    def __init__(self, port: int, cookie: str, token: str, number: int, end: float):
        super().__init__()
        self._port, self._cookie, self._token, self._number, self._end = port, cookie, token, number, end
        self.answers: Counter[int] = Counter()
        self.started = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        page = self._number
        while time.monotonic() < self._end:
            self._post("/timer/start", notes=f"{self._number} works", token=uuid.uuid4())
            self.started += 1
            for _ in range(3):
                page += 1
                self._ask("GET", PAGES[page % len(PAGES)])
            running = re.search(r'name="entry" value="(\d+)"', self._ask("GET", "/timer/bar"))
            if running is None:
                self.wrong.append("what was started does not run")
            elif self._number % 2:  # the others switch to the next
                self._post("/timer/stop", entry=running[1], token=uuid.uuid4())

    def _post(self, path: str, **fields: object) -> None:
        self._ask("POST", path, urlencode({"csrf_token": self._token, **fields}))

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        headers = {"Cookie": f"session={self._cookie}", "Content-Type": "application/x-www-form-urlencoded"}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        self.answers[answer.status] += 1
        if answer.status != (303 if method == "POST" else 200):
            self.wrong.append(f"{method} {path}: {answer.status}")
        return text


@pytest.fixture
def cookies(migrated) -> list[str]:
    """The cookies of sixteen people who are signed in."""
    app = create_app({"DATABASE_URL": migrated.url, "SECRET_KEY": SECRET})
    signer = app.session_interface.get_signing_serializer(app)
    users = migrated.query(
        "INSERT INTO users (username) SELECT 'person ' || n FROM generate_series(1, %s) AS n RETURNING id", PEOPLE
    )
    now = datetime.now(UTC).replace(tzinfo=None)
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        tokens = [sessions.begin(cursor, user_id, now, "a test", "127.0.0.1") for (user_id,) in users]
    return [signer.dumps({"_user_id": token, "_permanent": True, "csrf_token": CSRF}) for token in tokens]


def test_nothing_breaks_or_leaks_while_many_work_at_once(serve, migrated, cookies):
    served = serve(migrated.url, SECRET_KEY=SECRET, WEB_CONCURRENCY=str(WORKERS))
    workers = served.workers(WORKERS)

    def work(seconds: float) -> list[Person]:
        token = URLSafeTimedSerializer(SECRET, salt="wtf-csrf-token").dumps(CSRF)
        end = time.monotonic() + seconds
        port = urlsplit(served.url).port
        people = [Person(port, cookie, token, number, end) for number, cookie in enumerate(cookies)]
        for person in people:
            person.start()
        for person in people:
            person.join(seconds + 120)
        return people

    people = work(SECONDS / 4)
    warm = [memory_of(pid) for pid in workers]
    people += work(SECONDS * 3 / 4)
    grown = [memory_of(pid) - before for pid, before in zip(workers, warm, strict=True)]

    assert [line for person in people for line in person.wrong] == []
    assert served.workers(WORKERS) == workers, "a worker was replaced"
    assert served.log.read_text() == ""
    for what, question in BROKEN.items():
        assert migrated.query(question) == [], what
    assert migrated.query("SELECT count(*) FROM time_entries") == [(sum(person.started for person in people),)]
    states = (
        "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'timetracker'"
    )
    wait_for(lambda: set(migrated.query(states)) <= {("idle",)})  # a file ends before its transaction does
    assert len(migrated.query(states)) <= WORKERS * THREADS
    assert max(grown) <= MOST_GROWTH, f"the workers grew by {grown} KiB"
    print(f"{sum(sum(person.answers.values()) for person in people)} answers, the workers grew by {grown} KiB")


def memory_of(pid: int) -> int:
    """Return the KiB that a process holds in memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
