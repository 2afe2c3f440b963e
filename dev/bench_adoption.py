"""The second half of `make bench-upgrade`: how long an adoption takes, and how long the predecessor waits for it.

A database that the predecessor's ORM made (tests/legacy/07) is filled with time entries, some of them of tasks that are
gone. While `runner.py migrate` adopts it a reader and a writer go on as the predecessor would, in autocommit. The
longest that either waits is how long the adoption keeps its locks. It is done twice: with the times left as they are,
and with LEGACY_TIMEZONE, which converts all of them.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from bench_upgrade import ROOT, SETTINGS, connect
from database import make_database
from local_postgres import DATABASE, SUPERUSER
from local_postgres.server import LocalServer

PREDECESSOR = ROOT / "tests" / "legacy" / "07-v111-orm-7tables.sql"
ORPHANS_EVERY = 3000  # of so many entries one refers to a task that is gone
ZONE = "Europe/Brussels"
SLOW_MS = 50  # files that take less are summed up

USERS, PROJECTS, TASKS = (1001, 1050), (1001, 1200), (1001, 2000)  # ids of the rows made here, first and last
FILL = """
SET session_replication_role = replica;  -- as orphans come to be: no foreign key looks
INSERT INTO users (id, username, role, created_at, is_active)
SELECT n, 'user ' || n, 'user', '2025-08-01', true FROM generate_series(%(first_user)s, %(last_user)s) AS n;
INSERT INTO projects (id, name, client, billable, status, created_at, updated_at)
SELECT n, 'Project ' || n, 'Client ' || n %% 20, true, 'active', '2025-08-01', '2025-08-01'
FROM generate_series(%(first_project)s, %(last_project)s) AS n;
INSERT INTO tasks (id, project_id, name, status, priority, estimated_hours, created_by, created_at, updated_at)
SELECT n, 1001 + n %% 200, 'Task ' || n, 'todo', 'medium', n / 8.0, 1001 + n %% 50, '2025-08-01', '2025-08-01'
FROM generate_series(%(first_task)s, %(last_task)s) AS n;
INSERT INTO time_entries (
    id, user_id, project_id, task_id,
    start_time, end_time, duration_seconds, notes, source, billable, created_at, updated_at
)
SELECT 10000 + n, 1001 + n %% 50, 1001 + n %% 200,
    CASE WHEN n %% %(orphans_every)s = 0 THEN 900000 + n ELSE 1001 + n %% 1000 END,
    moment, moment + INTERVAL '1 hour', 3600, 'Note ' || n, 'manual', n %% 4 > 0, moment, moment
FROM generate_series(1, %(entries)s) AS n
CROSS JOIN LATERAL (SELECT TIMESTAMP '2022-01-01' + n * INTERVAL '30 s') AS start (moment);
SELECT setval('time_entries_id_seq', max(id)) FROM time_entries;
"""
READ = "SELECT * FROM time_entries WHERE user_id = 1001 ORDER BY id DESC LIMIT 20"
WRITE = """
INSERT INTO time_entries (user_id, project_id, start_time, source, billable, created_at, updated_at)
VALUES (1001, 1001, localtimestamp, 'auto', true, localtimestamp, localtimestamp)
"""


def main() -> None:
    """Print for each of the two adoptions its seconds, the longest lock, and the seconds of the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=3_000_000, help="time entries (default 3,000,000)")
    entries = parser.parse_args().entries
    with (
        tempfile.TemporaryDirectory(prefix="timetracker-bench-") as folder,
        LocalServer(Path(folder) / "server", settings=SETTINGS) as server,
    ):
        make_database(server)
        seconds = build(server, entries)
        print(
            f"adoption of a database of the predecessor: {entries:,} time entries, loaded in {seconds:.0f} s",
            flush=True,
        )
        converted = f"{DATABASE}_converted"
        with closing(connect(server.url("postgres", SUPERUSER))) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {converted} TEMPLATE {DATABASE} OWNER {DATABASE} STRATEGY file_copy")
        for what, name, environment in (
            ("times left as they are", DATABASE, {}),
            (f"LEGACY_TIMEZONE={ZONE}", converted, {"LEGACY_TIMEZONE": ZONE}),
        ):
            with Predecessor(server.url(name)) as predecessor:
                steps = adopt(server.url(name), environment)
            report(what, steps, predecessor.waits)


def build(server: LocalServer, entries: int) -> float:
    """Make the database and fill it, the indexes of the time entries last; give the seconds."""
    began = time.perf_counter()
    with closing(connect(server.url())) as connection, connection.cursor() as cursor:
        cursor.execute(PREDECESSOR.read_text("utf-8"))
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'time_entries' AND indexname LIKE 'ix%'"
        )
        indexes = dict(cursor.fetchall())
        cursor.execute(f"DROP INDEX {', '.join(indexes)}")
    bounds = {
        f"{which}_{name}": number
        for name, numbers in (("user", USERS), ("project", PROJECTS), ("task", TASKS))
        for which, number in zip(("first", "last"), numbers, strict=True)
    }
    with closing(connect(server.url(DATABASE, SUPERUSER))) as connection, connection.cursor() as cursor:
        cursor.execute(FILL, {**bounds, "entries": entries, "orphans_every": ORPHANS_EVERY})
        for statement in (*indexes.values(), "VACUUM (ANALYZE, FREEZE)", "CHECKPOINT"):
            cursor.execute(statement)
    return time.perf_counter() - began


def adopt(url: str, environment: dict[str, str]) -> list[tuple[str, int]]:
    """Run the runner; give its steps, each with its milliseconds, the last one the whole run."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, ROOT / "runner.py", "migrate"],
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    milliseconds = round((time.perf_counter() - began) * 1000)
    if done.returncode:
        sys.exit(f"bench_adoption: runner.py migrate ended with {done.returncode}:\n{done.stderr}")
    print("".join(line for line in done.stderr.splitlines(True) if "Held up" in line), end="")
    steps = re.findall(r"Z (?:Applied )?(\S+).*? \((\d+) ms\)$", done.stderr, re.MULTILINE)
    return [*((name, int(passed)) for name, passed in steps), ("runner.py migrate", milliseconds)]


class Predecessor:
    """A reader and a writer for the length of a block; `waits` are the milliseconds of their statements."""

    def __init__(self, url: str):
        self.url = url
        self.waits: dict[str, list[float]] = {"reader": [], "writer": []}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(statement, waits), daemon=True)
            for statement, waits in zip((READ, WRITE), self.waits.values(), strict=True)
        ]

    def __enter__(self) -> "Predecessor":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _work(self, statement: str, waits: list[float]) -> None:
        with closing(connect(self.url)) as connection, connection.cursor() as cursor:
            while not self._ended.wait(0.005):
                began = time.perf_counter()
                cursor.execute(statement)
                waits.append((time.perf_counter() - began) * 1000)


def report(what: str, steps: list[tuple[str, int]], waits: dict[str, list[float]]) -> None:
    """Print the figures."""
    (adopted,) = (number for number, (name, _) in enumerate(steps) if name == "Adopted")
    reader, writer = (max(times) / 1000 for times in waits.values())
    print(f"\n{what}")
    print(f"adoption {steps[adopted][1] / 1000:.1f} s   longest lock {max(reader, writer):.1f} s", end="")
    print(f" (longest wait of a reader {reader:.1f} s, of a writer {writer:.1f} s)")
    for when, part in (("in the adoption", steps[:adopted]), ("after it, without a lock", steps[adopted + 1 : -1])):
        print(f"{when:42} {'seconds':>8}")
        files = [(name, passed) for name, passed in part if re.match(r"\d{4}-|optional-", name)]
        others = sum(passed for _, passed in files if passed < SLOW_MS)
        for name, passed in [*(file for file in files if file[1] >= SLOW_MS), ("the other files", others)]:
            print(f"  {name:40} {passed / 1000:8.2f}")
    print(f"{steps[-1][0]:42} {steps[-1][1] / 1000:8.2f}", flush=True)


if __name__ == "__main__":
    main()
