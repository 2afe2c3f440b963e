"""`make bench-upgrade`: how long a single-row write waits while the schema is upgraded under it.

A database as the first migrations leave it, before keys and indexes, is filled with time entries. Three writers insert,
change and delete single entries, one changes projects, each in transactions of its own; a reader again and again keeps
a transaction open for three seconds. Then `runner.py migrate` brings the database to this version, and on to the next
release (tests/sql/example_upgrade). What is printed is the longest wait of a write in each phase.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
from database import make_database
from local_postgres import DATABASE, SUPERUSER
from local_postgres.server import LocalServer

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "tests" / "sql" / "example_upgrade"
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "maintenance_work_mem": "256MB"}
LOCK_TIMEOUT, GRACE = 1000, 300  # ms
QUIET_SECONDS = 10  # of writing before anything is upgraded
READER_SECONDS = 3
USERS, PROJECTS, TASKS = 50, 200, 1000

FILL = """
INSERT INTO users (username) SELECT 'user ' || n FROM generate_series(1, %(users)s) AS n;
INSERT INTO projects (name, client)
SELECT 'Project ' || n, 'Client ' || n %% 20 FROM generate_series(1, %(projects)s) AS n;
INSERT INTO tasks (project_id, name, created_by)
SELECT 1 + n %% %(projects)s, 'Task ' || n, 1 + n %% %(users)s FROM generate_series(1, %(tasks)s) AS n;
INSERT INTO time_entries (user_id, project_id, task_id, start_time, end_time, notes)
SELECT 1 + n %% %(users)s, 1 + n %% %(projects)s, 1 + n %% %(tasks)s, moment, moment + INTERVAL '1 hour', 'Note ' || n
FROM generate_series(1, %(entries)s) AS n
CROSS JOIN LATERAL (SELECT TIMESTAMP '2020-01-01' + n * INTERVAL '30 s') AS start (moment);
"""
ENTRY = "INSERT INTO time_entries (user_id, project_id, task_id, start_time) VALUES (%s, %s, %s, now())"


def main() -> None:
    """Print one line a phase: its seconds, its writes, the longest wait; then the total, beside the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=5_000_000, help="time entries (default 5,000,000)")
    entries = parser.parse_args().entries
    with (
        tempfile.TemporaryDirectory(prefix="timetracker-bench-") as folder,
        LocalServer(Path(folder) / "server", settings=SETTINGS) as server,
    ):
        make_database(server)
        before, this, following = (tree(Path(folder) / name) for name in ("before", "this", "following"))
        keep_what_comes_before_the_keys(before)
        add_next_release(following)
        migrate(before, server.url(), {"HEAL": "off"})
        seconds = fill(server.url(DATABASE, SUPERUSER), entries)
        print(f"{entries:,} time entries, loaded in {seconds:.0f} s", flush=True)

        traffic = Traffic(server.url(), entries)
        with traffic:
            phases = [("before the upgrade", time.perf_counter(), time.sleep(QUIET_SECONDS) or time.perf_counter())]
            retries = 0
            for upgrade in (this, following):
                steps, held_up = migrate(upgrade, server.url())
                phases, retries = phases + steps, retries + held_up
        report(phases, traffic.writes, retries)


def tree(folder: Path) -> Path:
    """Copy what the runner needs."""
    for name in ("sql", "startup"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "runner.py", folder)
    return folder


def keep_what_comes_before_the_keys(folder: Path) -> None:
    """Leave the files that make tables of the document, and in the snapshot what they make."""
    files = sorted((folder / "sql").glob("0*.sql"))
    (keys,) = (file.name for file in files if file.name.endswith("-unique-keys.sql"))
    for file in [*(file for file in files if file.name >= keys), *(folder / "sql" / "optional").glob("*.sql")]:
        file.unlink()
    snapshot = folder / "sql" / "runner" / "schema.txt"
    left = "".join(file.read_text("ascii") for file in files if file.name < keys)
    made = re.findall(r"^CREATE (?:TABLE IF NOT EXISTS|OR REPLACE FUNCTION) (\w+)", left, re.MULTILINE)
    lines = re.finditer(r"^(?:table|column|primary key|function) (\w+).*\n", snapshot.read_text("ascii"), re.MULTILINE)
    snapshot.write_text("".join(line[0] for line in lines if line[1] in made), encoding="ascii")


def add_next_release(folder: Path) -> None:
    """Number the example files on."""
    count = len([file for file in (folder / "sql").glob("0*.sql") if not file.name.endswith(".rollback.sql")])
    for file in EXAMPLE.glob("*.sql"):
        number, _, rest = file.name.partition("-")
        shutil.copy(file, folder / "sql" / f"{count + int(number):04}-{rest}")


def migrate(folder: Path, url: str, env: dict[str, str] | None = None) -> tuple[list[tuple[str, float, float]], int]:
    """Run the runner; give the phases (name, begin, end), one a file that it applied, and the number of retries."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url, **(env or {})}
    began, phases, retries, said = time.perf_counter(), [], 0, []
    command = [sys.executable, folder / "runner.py", "migrate"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            said.append(line)
            retries += "Held up while" in line
            if applied := re.search(r" Applied (\S+)", line):
                phases.append((applied[1], began, time.perf_counter()))
                began = phases[-1][2]
    if process.returncode:
        sys.exit(f"bench_upgrade: runner.py migrate ended with {process.returncode}:\n{''.join(said)}")
    print("".join(line for line in said if "Held up" in line), end="", flush=True)
    return [*phases, ("verifying", began, time.perf_counter())], retries


def fill(url: str, entries: int) -> float:
    """Fill the tables; give the seconds."""
    began = time.perf_counter()
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(FILL, {"users": USERS, "projects": PROJECTS, "tasks": TASKS, "entries": entries})
        for statement in ("VACUUM (ANALYZE, FREEZE)", "CHECKPOINT"):
            cursor.execute(statement)
    return time.perf_counter() - began


def connect(url: str) -> psycopg2.extensions.connection:
    """Return a new connection in autocommit mode."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


class Traffic:
    """Writers and a reader for the length of a block; `writes` are their (begin, end), in seconds."""

    def __init__(self, url: str, entries: int):
        self.url, self.entries = url, entries
        self.writes: list[tuple[float, float]] = []
        self._ended = threading.Event()
        works = [self._write_entry, self._write_entry, self._write_entry, self._write_project, self._read]
        self._threads = [threading.Thread(target=self._work, args=(work,), daemon=True) for work in works]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _work(self, work: Callable) -> None:
        with closing(connect(self.url)) as connection, connection.cursor() as cursor:
            while not self._ended.is_set():
                work(cursor)

    def _timed(self, cursor, statement: str, parameters: tuple) -> None:
        began = time.perf_counter()
        cursor.execute(statement, parameters)
        self.writes.append((began, time.perf_counter()))
        time.sleep(0.005)

    def _write_entry(self, cursor) -> None:
        entry = random.randint(1, self.entries)
        some = (random.randint(1, USERS), random.randint(1, PROJECTS), random.randint(1, TASKS))
        self._timed(cursor, ENTRY, some)
        self._timed(cursor, "UPDATE time_entries SET notes = 'changed', user_id = %s WHERE id = %s", (some[0], entry))
        self._timed(cursor, "DELETE FROM time_entries WHERE id = %s", (random.randint(1, self.entries),))

    def _write_project(self, cursor) -> None:
        self._timed(cursor, "UPDATE projects SET status = status WHERE id = %s", (random.randint(1, PROJECTS),))

    def _read(self, cursor) -> None:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM time_entries WHERE id < 1000")
        self._ended.wait(READER_SECONDS)
        cursor.execute("COMMIT")
        self._ended.wait(random.uniform(0.5, 1.5))


def report(phases: list[tuple[str, float, float]], writes: list[tuple[float, float]], retries: int) -> None:
    """Print the figures. A write counts in each phase that it touches."""
    budget = LOCK_TIMEOUT + GRACE
    print(f"{'phase':42} {'seconds':>8} {'writes':>8} {'longest wait':>13}")
    for name, begin, end in phases:
        waits = [(done - began) * 1000 for began, done in writes if began < end and done > begin]
        print(f"{name:42} {end - begin:8.2f} {len(waits):8} {max(waits, default=0):10.0f} ms")
    longest = max((done - began) * 1000 for began, done in writes)
    verdict = "kept" if longest <= budget else "EXCEEDED"
    total = phases[-1][2] - phases[1][1]
    print(f"longest wait of a write {longest:.0f} ms   budget {budget}: {verdict}")
    print(f"the upgrade took {total:.0f} s, retries: {retries}")


if __name__ == "__main__":
    main()
