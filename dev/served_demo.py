"""The demo behind Gunicorn, and browsers in which somebody is signed in: for the scripts that look at its pages."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from psycopg2.extensions import cursor as Cursor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app import create_app  # noqa: E402
from app.queries import sessions  # noqa: E402


@contextlib.contextmanager
def serving(url: str, entries: str, secret: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Make the demo in the empty database at `url`, and lend Gunicorn once it answers on 127.0.0.1.

    `entries` is about how many time entries the demo has; `secret` signs the cookies.
    """
    environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": secret, "PORT": str(port)}
    migrate, fill = [ROOT / "runner.py", "migrate"], [ROOT / "dev" / "demo.py", entries]
    subprocess.run([sys.executable, *migrate], env=environment, check=True, stderr=subprocess.DEVNULL)
    subprocess.run([sys.executable, *fill], env=environment, check=True)
    gunicorn = subprocess.Popen([sys.executable, "-m", "gunicorn"], cwd=ROOT, env=environment)
    try:
        wait_until_served(gunicorn, f"http://127.0.0.1:{port}")
        yield gunicorn
    finally:
        gunicorn.terminate()
        gunicorn.wait()


def wait_until_served(gunicorn: subprocess.Popen[bytes], url: str) -> None:
    """Return when Gunicorn answers; leave by SystemExit where it ends before."""
    while gunicorn.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/healthz").close()  # noqa: S310
            return
        time.sleep(0.05)
    sys.exit(f"Gunicorn ended with {gunicorn.returncode} before it served {url}; its log is above")


def app_of(url: str, secret: str) -> Flask:
    """Return an app in this process that reads the same cookies as Gunicorn."""
    return create_app({"DATABASE_URL": url, "SECRET_KEY": secret})


def cookie_of(app: Flask, cursor: Cursor, user_id: int, **more: str) -> str:
    """Begin a session of the user and return the cookie by which a browser has it, with `more` in it."""
    token = sessions.begin(cursor, user_id, datetime.now(UTC).replace(tzinfo=None), "dev", "127.0.0.1")
    content = {"_user_id": token, "_permanent": True, **more}
    return app.session_interface.get_signing_serializer(app).dumps(content)
