"""`make bench`: how long a start takes, as ratios to the floor measured in the same run.

The floor is a Python that connects and asks `select 1`. Commands are timed by hyperfine in rounds that alternate
between both, so that a busy machine slows both down; what is printed is the median of the rounds' ratios.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg2
from figures import show
from local_postgres.server import LocalServer
from psycopg2.extensions import make_dsn, parse_dsn

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 12
PORT = 18080
FLOOR = "import os, psycopg2; c = psycopg2.connect(os.environ['DATABASE_URL']); k = c.cursor(); k.execute('select 1')"
TRIVIAL = "-- File {number} of many.\nSET LOCAL lock_timeout = '5s';\n"
LONG = "SELECT pg_sleep(60);\n"
SLEEPING = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


def main() -> None:
    """Print one line a figure: what, the figure, its budget."""
    if shutil.which("hyperfine") is None:
        sys.exit("bench: hyperfine is missing: apt-get install hyperfine")
    url = os.environ["DATABASE_URL"]
    floor = [sys.executable, "-c", FLOOR]
    with tempfile.TemporaryDirectory(prefix="timetracker-bench-") as folder:
        many = tree_with_many_files(Path(folder), 1000)
        runner, runner_many = [sys.executable, ROOT / "runner.py"], [sys.executable, many / "runner.py"]

        with database(url, "fresh") as fresh:
            times = [once([*runner, "migrate"], fresh, before=recreate) / once(floor, fresh) for _ in range(ROUNDS)]
            show("fresh database, through yoyo", statistics.median(times), "x the floor", 4)
            seconds = statistics.median(once([*runner_many, "migrate"], fresh, before=recreate) for _ in range(3))
            show("fresh database, 1,000 files", seconds, "s", 2)
            show("nothing to do, 1,000 files", ratio([*runner_many, "migrate"], floor, fresh), "x the floor", 1.5)
            (many / "sql" / "1001-long.sql").write_text(LONG)
            seconds = statistics.median(ending([*runner_many, "migrate"], fresh) for _ in range(5))
            show("end by SIGTERM in a long statement", seconds, "s", 2)
            recreate(fresh)
            for _ in range(2):
                once([*runner, "migrate"], fresh)
            show("nothing to do", ratio([*runner, "migrate"], floor, fresh), "x the floor", 1.3)
            show("nothing to do, memory", memory([*runner, "migrate"], fresh), "MiB", 28)
            show("memory of the floor", memory(floor, fresh), "MiB")

            gunicorn = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
            served = [first_answer([*runner, "serve"], fresh) / first_answer(gunicorn, fresh) for _ in range(ROUNDS)]
            show("first HTTP 200", statistics.median(served), "x Gunicorn alone", 1.4)
        show("database up to end of the wait", statistics.median(noticed(folder) for _ in range(5)), "ms", 100)


def tree_with_many_files(folder: Path, count: int) -> Path:
    """Copy what the runner needs, with trivial migrations up to `count`."""
    tree = folder / "many"
    for name in ("sql", "startup"):
        shutil.copytree(ROOT / name, tree / name)
    shutil.copy(ROOT / "runner.py", tree)
    first = sum(".rollback." not in path.name for path in (tree / "sql").glob("0*.sql")) + 1
    for number in range(first, count + 1):
        (tree / "sql" / f"{number:04}-trivial.sql").write_text(TRIVIAL.format(number=number))
    return tree


@contextlib.contextmanager
def database(url: str, name: str):
    """Give the URL of an empty database beside the given one."""
    fresh = make_dsn(**parse_dsn(url) | {"dbname": f"bench_{name}"})
    recreate(fresh)
    try:
        yield fresh
    finally:
        recreate(fresh, create=False)


def recreate(conninfo: str, create: bool = True) -> None:
    """Make the database anew, empty."""
    name = parse_dsn(conninfo)["dbname"]
    with contextlib.closing(psycopg2.connect(make_dsn(conninfo, dbname="postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            if create:
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")


def environment(conninfo: str) -> dict[str, str]:
    """What a command sees; that it may keep its bytecode is what a user has, and the floor profits as much."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"DATABASE_URL": conninfo, "PORT": str(PORT)}


def once(command: list, conninfo: str, before: Callable[[str], None] | None = None) -> float:
    """Run a command; give its seconds."""
    if before:
        before(conninfo)
    began = time.perf_counter()
    subprocess.run(command, env=environment(conninfo), check=True, capture_output=True)
    return time.perf_counter() - began


def ratio(command: list, floor: list, conninfo: str) -> float:
    """Give the median over the rounds of how many times the floor's time the command takes."""
    ratios = []
    for _ in range(ROUNDS):
        with tempfile.NamedTemporaryFile(suffix=".json") as result:
            lines = [subprocess.list2cmdline([str(word) for word in words]) for words in (floor, command)]
            subprocess.run(
                ["hyperfine", "--shell=none", "--warmup=1", "--runs=5", f"--export-json={result.name}", *lines],
                env=environment(conninfo), check=True, capture_output=True,
            )  # fmt: skip
            below, above = (timed["median"] for timed in json.load(result)["results"])
        ratios.append(above / below)
    return statistics.median(ratios)


def memory(command: list, conninfo: str) -> float:
    """Give the largest resident set of a command in MiB."""
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    result = subprocess.run(
        [sys.executable, "-c", measure, *command], env=environment(conninfo), check=True, capture_output=True, text=True
    )
    return int(result.stdout) / 1024  # Linux tells KiB


def first_answer(command: list, conninfo: str) -> float:
    """Start a server; give the seconds until /healthz answers 200, and end it."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(conninfo), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=5).close()
                return time.perf_counter() - began
            time.sleep(0.002)
        sys.exit(f"bench: {subprocess.list2cmdline(command)} ended with {process.returncode} before it served")
    finally:
        process.terminate()
        process.wait()


def ending(command: list, conninfo: str) -> float:
    """Send SIGTERM to a start whose migration sleeps; give the seconds until its end."""
    process = subprocess.Popen(command, env=environment(conninfo), stderr=subprocess.DEVNULL)
    with contextlib.closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while cursor.rowcount < 1 and process.poll() is None:
            cursor.execute(SLEEPING)
            time.sleep(0.01)
    began = time.perf_counter()
    process.terminate()
    if (code := process.wait()) != 128 + signal.SIGTERM:
        sys.exit(f"bench: SIGTERM ended a start with {code}")
    return time.perf_counter() - began


def noticed(folder: str) -> float:
    """Start a database while the runner waits for it; give the milliseconds from its first answer to the exit."""
    times = {}

    def watch() -> None:
        while waiting.poll() is None and not answers(url):
            times["answered"] = time.perf_counter()
            time.sleep(0.001)
        waiting.wait()
        times["ended"] = time.perf_counter()

    with LocalServer(Path(folder) / "late", settings={"fsync": "off"}) as server:
        url = server.url("postgres", "postgres")
        server.stop()
        command = [sys.executable, ROOT / "runner.py", "wait"]
        waiting = subprocess.Popen(command, env=environment(url), stderr=subprocess.DEVNULL)
        watching = threading.Thread(target=watch)
        watching.start()
        time.sleep(1)
        server.start()  # here, for a server ends with the thread that started it
        watching.join()
    return (times["ended"] - times["answered"]) * 1000


def answers(url: str) -> bool:
    """Whether the database lets somebody in."""
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


if __name__ == "__main__":
    main()
