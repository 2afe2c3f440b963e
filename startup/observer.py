"""Looking at a long statement while it runs, over a second connection: who holds it up, and how far it is."""

import os
import socket
import sys
from _thread import RLock

import psycopg2
from psycopg2.extensions import make_dsn

from startup import log, progress
from startup.catalog import question
from startup.connection import connect_interruptibly
from startup.signals import give_up_after, unwatch, watch

BUILD_SECONDS = 5  # between two lines about an index that is built
REPORT_SECONDS = 10  # between two lines about any other statement
ANSWER_SECONDS = 3  # that an answer may take; the server itself gives up sooner
SHOWN = 3  # of those who hold a statement up


class Observer:
    """Watches the statements of a connection for the length of a block; `held_up_by` is who was last seen in the way.

    The second connection is opened when a statement takes long. Without it (no free slot, no reach, no answer) the
    work goes on.
    """

    def __init__(self, connection):
        self._connection = connection
        self._beside = None
        self._is_given_up = False
        self._bar = None
        self._seconds = self._reported = 0.0
        self._step = self._title = ""
        self.held_up_by = ""

    def __enter__(self):
        with self._connection.cursor() as cursor:  # behind a pooler libpq knows another pid
            cursor.execute("SELECT pg_backend_pid()")
            (self._pid,) = cursor.fetchone()
        watch(self._connection, self._look)
        return self

    def __exit__(self, *raised):
        unwatch(self._connection)
        self.end()
        self._close_beside()

    def begin(self, step: str) -> None:
        """Name what is done from now on, such as 'applying 0010-time-entries'."""
        self._step, self._title, self.held_up_by = step, step[0].upper() + step[1:], ""
        progress.tell(step)

    def end(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _look(self, seconds: float) -> float:
        """See how a statement is doing that has taken so long; give when to look again."""
        if seconds < self._seconds:  # it is another one
            self._reported = 0.0
        self._seconds = seconds
        blockers, build = [text for (text,) in self._ask("blockers")], self._ask("index_progress")
        if blockers:
            progress.tell(f"{self._step}: waiting for a lock")
            more = f" and {len(blockers) - SHOWN} more" if len(blockers) > SHOWN else ""
            self.held_up_by = "; ".join(blockers[:SHOWN]) + more
        waiting = f": {self.held_up_by}" if blockers else ""
        if build:
            self._show_build(*build[0], waiting)
        elif self._is_due(REPORT_SECONDS):
            self._write(f"{self._title}, for {seconds:.0f} s so far{waiting}")
        return 0.3 if seconds < 2 else 1

    def _show_build(self, phase: str, index: str, percent: int | None, waiting: str) -> None:
        share = "" if percent is None else f", {percent} %"
        progress.tell(f"{self._step}: {phase}{share}")
        if sys.stderr.isatty() and not log.AS_JSON:
            self._bar = self._bar or _new_bar()
            self._bar.n = percent or 0
            self._bar.set_description_str(f"{self._title}: {index}: {phase}")
            if waiting and self._is_due(REPORT_SECONDS):
                self._write(f"{self._title}: {phase}{waiting}")
        elif self._is_due(BUILD_SECONDS):
            self._write(f"{self._title}: index {index}: {phase}{share}, for {self._seconds:.0f} s so far{waiting}")

    def _is_due(self, interval: int) -> bool:
        return self._seconds - self._reported >= interval

    def _write(self, line: str) -> None:
        self._reported = self._seconds
        if self._bar is not None:
            self._bar.clear()
        log.write(line)
        if self._bar is not None:
            self._bar.refresh()

    def _ask(self, name: str) -> list[tuple]:
        """The answer to sql/runner/NAME.sql about the watched session; nothing where it cannot be had."""
        if self._is_given_up:
            return []
        try:
            self._beside = self._beside or _connect_beside(self._connection)
            with self._beside.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '2s';\n{question(name)}", {"pid": self._pid})
                return cursor.fetchall()
        except (psycopg2.Error, OSError) as error:
            self._is_given_up = True
            self._close_beside()
            reason = str(error).strip().partition("\n")[0]
            log.notice(f"Who holds up a statement, and how far it is, cannot be seen: {reason}")
            return []

    def _close_beside(self) -> None:
        if self._beside:
            unwatch(self._beside)
            self._beside.close()
            self._beside = None


def parameters_of(connection) -> dict[str, str]:
    """What libpq needs to reach the very server of a connection once more, the password included."""
    info = connection.info
    parameters = {name: value for name, value in info.dsn_parameters.items() if value}
    parameters |= {"host": info.host, "port": str(info.port)}
    parameters.pop("hostaddr", None)
    if info.password:
        parameters["password"] = info.password
    if not info.host.startswith(("/", "@")):  # a name may have several addresses
        with socket.socket(fileno=os.dup(connection.fileno())) as opened:
            parameters["hostaddr"] = opened.getpeername()[0]
    return parameters


def _connect_beside(connection):
    """A second connection to the very server of a first one, which gives up soon."""
    conninfo = make_dsn(**parameters_of(connection) | {"application_name": "timetracker"})
    beside = connect_interruptibly(conninfo, connect_timeout=2, primary=False)
    give_up_after(beside, ANSWER_SECONDS)
    return beside


def _new_bar():
    """A progress bar that leaves nothing behind. Left to itself tqdm would start a thread, maybe a process too."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0
    tqdm.set_lock(RLock())
    return tqdm(total=100, leave=False, dynamic_ncols=True, bar_format="{desc} {percentage:3.0f} %|{bar}| {elapsed}")
