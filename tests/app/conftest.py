"""What the tests of the app share: the app on a migrated database, Gunicorn itself, and pages as people see them."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from jinja2 import BytecodeCache
from local_postgres.server import free_port
from parts import program
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from werkzeug.test import TestResponse

from app import create_app, db
from app.queries import sessions
from startup.connection import connect

ROOT = Path(__file__).parents[2]


# --- The app of a test ---


class CompiledTemplates(BytecodeCache):
    """What the templates compile to, kept from test to test: each has an app of its own, and compiling is slow."""

    def __init__(self):
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket):
        if bucket.key in self._known:
            bucket.bytecode_from_string(self._known[bucket.key])

    def dump_bytecode(self, bucket):
        self._known[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": CompiledTemplates()}


# --- The cast: alice and bob are members, carol is an administrator ---

CAST = {"alice": "user", "bob": "user", "carol": "admin"}


class Browser(FlaskClient):
    """A client that sends forms as a browser does: with the token of the page that it last saw."""

    def submit(self, path: str, data: dict[str, object] | None = None, **options: object) -> TestResponse:
        """Send a form by POST."""
        return self.post(path, data={"csrf_token": self.csrf_token(), **(data or {})}, **options)

    def csrf_token(self) -> str:
        """Return the token that a page would carry."""
        with self.session_transaction() as session:
            session.setdefault("csrf_token", "of the test")
            raw = session["csrf_token"]
        return URLSafeTimedSerializer(self.application.secret_key, salt="wtf-csrf-token").dumps(raw)


@pytest.fixture
def app(migrated) -> Flask:
    """The app on the test's own database."""
    app = create_app({"DATABASE_URL": migrated.url})
    app.test_client_class = Browser
    return app


@pytest.fixture
def client(app) -> Browser:
    """A browser in which nobody is signed in."""
    return app.test_client()


@pytest.fixture
def cast(migrated) -> dict[str, int]:
    """Make the people of the tests, and give their ids by their names."""
    for name, role in CAST.items():
        migrated.execute("INSERT INTO users (username, role) VALUES (%s, %s)", name, role)
    return dict(migrated.query("SELECT username, id FROM users WHERE username = ANY (%s)", list(CAST)))


def begin_session(database, user_id: int) -> str:
    """Sign a user in, as the app does after the right password, and give the token."""
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        return sessions.begin(cursor, user_id, datetime.now(UTC).replace(tzinfo=None), "a test", "127.0.0.1")


@pytest.fixture
def as_user(app, migrated, cast) -> Callable[[str], Browser]:
    """Return a function that gives a browser in which that person is signed in, such as `as_user("alice")`."""

    def signed_in(name: str) -> Browser:
        browser = app.test_client()
        token = begin_session(migrated, cast[name])
        with browser.session_transaction() as session:
            session["_user_id"] = token
            session.permanent = True
        return browser

    return signed_in


@pytest.fixture
def away_app() -> Flask:
    """The app while nothing listens where the database should be."""
    return create_app({"DATABASE_URL": "postgresql://owner:hidden-word@127.0.0.1:1/none", "SECRET_KEY": "k"})


@pytest.fixture
def close_database(server) -> Callable[..., contextlib.AbstractContextManager[None]]:
    """Return a context manager in which a database accepts nobody and has ended every connection."""

    @contextlib.contextmanager
    def closed(database) -> Iterator[None]:
        server.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (database.name,)
        )
        yield
        server.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")

    return closed


# --- What is asked of the database ---


class RecordingCursor(Cursor):
    """A cursor that notes what it sends."""

    sent: ClassVar[list[str]] = []

    def execute(self, query, vars=None):
        self.sent.append(" ".join(str(query).split()))
        return super().execute(query, vars)

    def executemany(self, query, vars_list):
        raise AssertionError("executemany sends a statement for each row, uncounted: use execute")


@pytest.fixture
def count_statements(monkeypatch) -> Callable[[], contextlib.AbstractContextManager[list[str]]]:
    """Return a context manager that gives the statements which the app sends meanwhile, BEGIN and COMMIT among them.

    They are noted where psycopg2 sends them. The app's connections are in autocommit mode, which is asserted, so
    nothing is sent besides. Making a connection is not counted: let a request go before.
    """

    def recording(conninfo: str) -> Connection:
        made = connect(conninfo)
        assert made.autocommit
        made.cursor_factory = RecordingCursor
        return made

    monkeypatch.setattr(db, "connect", recording)

    @contextlib.contextmanager
    def counted() -> Iterator[list[str]]:
        RecordingCursor.sent.clear()
        sent: list[str] = []
        yield sent
        sent += RecordingCursor.sent

    return counted


# --- What people see ---


class VisibleText(HTMLParser):
    """Collects the text of a page: a line for each row, heading or paragraph, cells separated by bars."""

    LINES = frozenset(["h1", "h2", "p", "tr", "title"])
    CELLS = frozenset(["td", "th"])

    def __init__(self):
        super().__init__()
        self.text = ""

    def handle_starttag(self, tag, attributes):
        if tag in self.LINES:
            self.text += "\n"

    def handle_endtag(self, tag):
        if tag in self.CELLS:
            self.text += "|"

    def handle_data(self, data):
        self.text += re.sub(r"\s+", " ", data)


@pytest.fixture
def read() -> Callable[[str], list[str]]:
    """Return a function that gives the lines of a page, such as `alice since 09:12 | Website Acme | 1:25`."""

    def lines(html: str) -> list[str]:
        parser = VisibleText()
        parser.feed(html)
        found = (re.sub(r"\s*\|[\s|]*", " | ", line).strip(" |") for line in parser.text.splitlines())
        return [re.sub(r" +", " ", line) for line in found if line]

    return lines


# --- Gunicorn ---


@dataclass
class Served:
    """A running Gunicorn."""

    url: str
    process: subprocess.Popen
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the body of an answer."""
        try:
            with urlopen(self.url + path, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def workers(self, count: int) -> list[int]:
        """Return the pids of the workers once there are so many; Gunicorn starts them one after the other."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        deadline = time.monotonic() + 60
        while len(pids := children.read_text().split()) != count:
            assert time.monotonic() < deadline, f"{len(pids)} workers instead of {count}"
            time.sleep(0.02)
        return sorted(int(pid) for pid in pids)

    def stop(self) -> int:
        """Ask Gunicorn to end, and return its exit code."""
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[..., Served]]:
    """Return a function that starts Gunicorn on a database and returns when it answers."""
    with contextlib.ExitStack() as stack:

        def start(database_url: str, **variables: str) -> Served:
            port = free_port()
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "DATABASE_URL": database_url,
                "PORT": str(port),
                **variables,
            }
            log = tmp_path / f"gunicorn-{port}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "gunicorn"],
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            served = Served(f"http://127.0.0.1:{port}", process, log)
            stack.callback(served.stop)
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(URLError, ConnectionError):
                    served.get("/healthz")
                    return served
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)

        yield start


# --- A real browser ---


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium. A test that uses it is marked `needs("chromium")`."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # as long as all else that waits for a page
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, serve, migrated, cast) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page of the served app in which that person is signed in.

    `open_page("alice", "/week", viewport={"width": 360, "height": 640}, color_scheme="dark")`: keywords are those of
    Playwright's new_context. Two calls are two browsers. What the browser complains about fails the test.
    """
    served = serve(migrated.url, SECRET_KEY="of the test")
    signer = create_app({"DATABASE_URL": migrated.url, "SECRET_KEY": "of the test"})
    complaints = []

    with contextlib.ExitStack() as stack:

        def opened(name: str | None, path: str = "/", **context: object) -> Any:
            browser = stack.enter_context(contextlib.closing(chromium.new_context(**context)))
            if name is not None:
                signing = signer.session_interface.get_signing_serializer(signer)
                cookie = signing.dumps({"_user_id": begin_session(migrated, cast[name]), "_permanent": True})
                browser.add_cookies([{"name": "session", "value": cookie, "url": served.url}])
            page = browser.new_page()
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(served.url + path)
            return page

        yield opened
    meant = ("the server responded with a status of", "ERR_INTERNET_DISCONNECTED")
    assert [text for text in complaints if not any(part in text for part in meant)] == []
