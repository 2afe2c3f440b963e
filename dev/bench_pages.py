"""`make bench`, its second half: how fast the pages are on a million entries, with 16 people at work.

A company out of dev/demo.sql, Gunicorn as in production, and 16 sessions that each ask once a second. What is printed
is the 95th percentile, beside the budget that it is meant to keep on two cores with nothing else to do.
"""

import http.client
import os
import re
import secrets
import statistics
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
from figures import show
from itsdangerous import URLSafeTimedSerializer
from served_demo import app_of, cookie_of, serving

from app import db  # served_demo has put the checkout on the path
from startup.connection import connect

PORT = 18081
PEOPLE = 16
SECONDS = 30


def main() -> None:
    """Print one line a figure: what, the figure, its budget."""
    url, secret = os.environ["DATABASE_URL"], secrets.token_hex()
    with serving(url, os.environ.get("ENTRIES", "1000000"), secret, PORT) as gunicorn:
        people = signed_in(url, secret)
        carol = people[0]
        page = carol.get("/")
        show("timer page, before compression", len(page) / 1024, "KiB", 50)
        show("timer page, with BEGIN and COMMIT", statements_of_timer_page(url, secret, carol), "statements", 8)
        show("timer page, p95 of 16 people", p95(lambda person: person.timed("GET", "/"), people), "ms", 50)
        show("start and stop, p95 of 16 people", p95(start_or_stop, people), "ms", 30)
        today = datetime.now(UTC).date()
        month, year = today.replace(day=1) - timedelta(days=1), today - timedelta(days=365)
        last_month = f"/reports?from={month.replace(day=1)}&to={month}&rows=project&columns=day"
        last_year = f"/reports?from={year}&to={today}&rows=project&columns=month"
        show("a month's report, of everybody", median(lambda: carol.timed("GET", last_month)), "ms", 100)
        show("a year's report, of everybody", median(lambda: carol.timed("GET", last_year)), "ms", 1000)
        before = memory_of_workers(gunicorn.pid)
        began = time.perf_counter()
        size = len(carol.get(f"/reports.csv?from=2000-01-01&to={today}"))
        seconds = time.perf_counter() - began
        show(f"CSV of all, {size / 2**20:.0f} MiB", seconds, "s")
        show("the largest worker grew meanwhile by", memory_of_workers(gunicorn.pid) - before, "MiB")
        show("memory of the largest worker", memory_of_workers(gunicorn.pid), "MiB", 80)


class CountingCursor(psycopg2.extensions.cursor):
    """A cursor that counts what all of them send."""

    sent = 0

    def execute(self, query, vars=None):
        """Count a statement, and send it."""
        CountingCursor.sent += 1
        return super().execute(query, vars)


def statements_of_timer_page(url: str, secret: str, person: "Person") -> int:
    """Return how many statements the page sends, BEGIN and COMMIT among them, from an app in this process."""

    def counting(conninfo: str):
        made = connect(conninfo)
        made.cursor_factory = CountingCursor
        return made

    db.connect = counting
    client = app_of(url, secret).test_client()
    client.set_cookie("session", person.cookie)
    for _ in range(2):  # the first one makes the connection and keeps the figures of the day
        CountingCursor.sent = 0
        answer = client.get("/")
        if answer.status_code != 200:
            sys.exit(f"bench: GET / answered {answer.status_code}")
    return CountingCursor.sent


class Person:
    """A browser in which somebody is signed in, on a connection that is kept as far as the server keeps it."""

    def __init__(self, cookie: str, csrf_token: str):
        self.cookie, self._csrf_token = cookie, csrf_token
        self.running: str | None = None

    def get(self, path: str) -> bytes:
        """Return a page."""
        return self._ask("GET", path)

    def timed(self, method: str, path: str, **fields: str) -> float:
        """Send a request and give the milliseconds until its answer was there."""
        began = time.perf_counter()
        self._ask(method, path, fields | {"csrf_token": self._csrf_token} if method == "POST" else None)
        return (time.perf_counter() - began) * 1000

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> bytes:
        with closing(http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)) as connection:
            headers = {"Cookie": f"session={self.cookie}", "Content-Type": "application/x-www-form-urlencoded"}
            connection.request(method, path, urllib.parse.urlencode(fields) if fields else None, headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status >= 400 or answer.headers.get("Location", "").startswith("/sign-in"):
                sys.exit(f"bench: {method} {path} answered {answer.status}")
            return body


def signed_in(url: str, secret: str) -> list[Person]:
    """Begin a session for an administrator and 15 others."""
    app = app_of(url, secret)
    raw = secrets.token_hex()
    csrf_token = URLSafeTimedSerializer(secret, salt="wtf-csrf-token").dumps(raw)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM users WHERE is_active ORDER BY role = 'admin' DESC, id LIMIT %s", (PEOPLE,))
        return [Person(cookie_of(app, cursor, user_id, csrf_token=raw), csrf_token) for (user_id,) in cursor.fetchall()]


def start_or_stop(person: Person) -> float:
    """Start a timer, or stop the one that runs."""
    if person.running:
        milliseconds = person.timed("POST", "/timer/stop", entry=person.running, token=str(uuid.uuid4()))
        person.running = None
        return milliseconds
    milliseconds = person.timed("POST", "/timer/start", notes="bench", token=str(uuid.uuid4()))
    person.running = re.search(rb'name="entry" value="(\d+)"', person.get("/timer/bar"))[1].decode()
    return milliseconds


def p95(action: Callable[[Person], float], people: list[Person]) -> float:
    """Let everybody act once a second, and give the 95th percentile of what the actions took."""
    times: list[float] = []

    def work(person: Person, delay: float) -> None:
        time.sleep(delay)
        for _ in range(SECONDS):
            began = time.perf_counter()
            times.append(action(person))
            time.sleep(max(0, 1 - (time.perf_counter() - began)))

    threads = [threading.Thread(target=work, args=(person, n / PEOPLE)) for n, person in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.quantiles(times, n=20)[-1]


def median(measure: Callable[[], float]) -> float:
    """Return the median of seven figures."""
    return statistics.median(measure() for _ in range(7))


def memory_of_workers(pid: int) -> float:
    """Return the resident memory of the largest worker in MiB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes = (re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{child}/status").read_text())[1] for child in children)
    return max(int(size) for size in sizes) / 1024


if __name__ == "__main__":
    main()
