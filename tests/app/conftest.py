"""What the tests of the app share: the app on a migrated database, Gunicorn itself, and pages as people see them."""

import contextlib
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(migrated) -> Flask:
    """The app on the test's own database."""
    return create_app({"DATABASE_URL": migrated.url})


@pytest.fixture
def client(app) -> FlaskClient:
    return app.test_client()


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
        deadline = time.monotonic() + 10
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
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(URLError, ConnectionError):
                    served.get("/healthz")
                    return served
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)

        yield start


def free_port() -> int:
    """Return a port on which nothing listens, outside the range that the kernel gives to clients."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
