"""A copy of the program for a test to edit, and what a start said and changed."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from listeners import closed_port
from psycopg2 import sql

ROOT = Path(__file__).parents[1]
SECONDS = 60
# A short wait gives an answer two seconds, which a busy machine may not keep to; one that comes in time is as before.
SLOW_ANSWER = {"PGCONNECT_TIMEOUT": "30"}

# Every table, the catalog's included, and every sequence that belongs to this database alone.
RELATIONS = """
SELECT nspname, relname, relkind = 'S'
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'S') AND NOT relisshared AND nspname NOT IN ('information_schema', 'pg_toast')
ORDER BY 1, 2
"""

# A migration that takes as long as a test holds it up, and the session in which it does.
HELD = "CREATE TABLE made_it (id INTEGER);\nSELECT pg_advisory_xact_lock(42);\n"
WAITING = "FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"


def migration_files(folder: Path = ROOT / "sql") -> list[Path]:
    """Return the files of a folder that yoyo applies, in order; the rollback files beside them are none."""
    return [path for path in sorted(folder.glob("*.sql")) if not path.name.endswith(".rollback.sql")]


# The ids of the migrations of this version, and the number of one that a test adds to them.
MIGRATIONS = [path.stem for path in migration_files()]
NEXT = f"{len(MIGRATIONS) + 1:04}"


def for_one_transaction(path: Path) -> str:
    """Return the text of a migration for a replay of all files in one transaction, which allows no CONCURRENTLY."""
    return path.read_text("ascii").replace(" CONCURRENTLY", "")


def yoyo(
    database: Any, *arguments: str, folder: Path = ROOT, url: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the stock yoyo command in a folder, with nothing but DATABASE_URL to tell it where to go."""
    return subprocess.run(
        [sys.executable, "-m", "yoyo", *arguments],
        cwd=folder,
        env={**os.environ, "DATABASE_URL": url or database.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


class Start(subprocess.Popen[str]):
    """A started runner.py, for which nobody waits for ever; a block that lends it ends it."""

    def communicate(self, input: str | None = None, timeout: float | None = SECONDS) -> tuple[str, str]:
        return super().communicate(input, timeout)

    def __exit__(self, *raised: object) -> None:
        self.kill()
        super().__exit__(*raised)


class Program:
    """The program as it lies in a folder."""

    def __init__(self, folder: Path = ROOT):
        self.folder = folder

    def run(self, *arguments: str, timeout: float = SECONDS, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run its runner.py to the end, which comes within `timeout` seconds; takes what start() takes."""
        with self.start(*arguments, **options) as process:
            stdout, stderr = process.communicate(timeout=timeout)
        if process.returncode != 70:
            assert "Traceback" not in stderr, stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(
        self,
        *arguments: str,
        database: Any = None,
        env: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> Start:
        """Start its runner.py in a clean environment; `database` (or its URL) becomes DATABASE_URL.

        `env` is added to PATH and a PORT that is free, `wrapper` is a command that runs it.
        """
        environment = {"PATH": os.environ.get("PATH", os.defpath), "PORT": str(closed_port())}
        if database is not None:
            environment["DATABASE_URL"] = database if isinstance(database, str) else database.url
        return Start(
            [*wrapper, sys.executable, str(self.folder / "runner.py"), *arguments],
            env={**environment, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Installation(Program):
    """A copy of the program, whose files a test may edit."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.sql = folder / "sql"
        for name in ("sql", "startup"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("runner.py", "yoyo.ini"):
            shutil.copy2(ROOT / name, folder)

    @property
    def ids(self) -> list[str]:
        """The ids of its migrations, in order."""
        return [path.stem for path in migration_files(self.sql)]

    def keep(self, count: int) -> None:
        """Leave the first migrations only, and no optional one."""
        for path in migration_files(self.sql)[count:]:
            path.unlink()
            path.with_suffix(".rollback.sql").unlink(missing_ok=True)
        for path in (self.sql / "optional").glob("*.sql"):
            path.unlink()

    def edit(self, path: str, old: str, new: str) -> None:
        """Put something else in the place of what stands in a file, such as startup/patience.py."""
        file = self.folder / path
        content = file.read_text(encoding="utf-8")
        assert old in content, f"{path} has no {old!r} any more"
        file.write_text(content.replace(old, new), encoding="utf-8")

    def end_patiently(self) -> None:
        """Let a start that a signal ends wait for a server on a busy machine: it leaves nothing behind then."""
        self.edit("startup/signals.py", "ENDING_SECONDS = 2", "ENDING_SECONDS = 30")

    def add(self, words: str, content: str) -> str:
        """Write one more migration, and return its id."""
        id = f"{len(self.ids) + 1:04}-{words}"
        (self.sql / f"{id}.sql").write_text(content, encoding="ascii")
        return id

    def add_folder(self, folder: Path) -> list[str]:
        """Number the migrations of a folder, such as tests/sql/example_upgrade, on from the last; return their ids."""
        added = []
        for path in migration_files(folder):
            added.append(self.add(path.stem.partition("-")[2], path.read_text("ascii")))
            rollback = path.with_suffix(".rollback.sql")
            if rollback.exists():
                shutil.copy(rollback, self.sql / f"{added[-1]}.rollback.sql")
        return added


def contents_of(database: Any) -> dict[str, Any]:
    """Return a checksum of each table and sequence of a database, the catalog included.

    Each row counts with its place and the transaction that wrote it: one that is written anew unchanged shows.
    """
    with contextlib.closing(database.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute(RELATIONS)
        questions = [
            sql.SQL("SELECT {}, md5(string_agg(concat({}), '|' ORDER BY ctid)) FROM {} AS row").format(
                sql.Literal(f"{schema}.{name}"),
                sql.SQL("last_value, is_called, log_cnt" if is_sequence else "ctid, xmin, row"),
                sql.Identifier(schema, name),
            )
            for schema, name, is_sequence in cursor.fetchall()
        ]
        cursor.execute(sql.SQL(" UNION ALL ").join(questions))
        return dict(cursor.fetchall())


def errors_in(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what the error lines of a start say."""
    return [line.partition(" error: ")[2] for line in result.stderr.splitlines() if " error: " in line]


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read what a start says on stderr up to a line that holds `text`, and return that line."""
    lines = []
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        while line := _line_of(process.stderr.fileno()):
            lines.append(line)
            if text in line:
                return line
    finally:
        watchdog.cancel()
    raise AssertionError(f"it ended without saying {text!r}:\n{''.join(lines)}")


def _line_of(descriptor: int) -> str:
    """Read a line and no byte more: what process.stderr has read ahead is lost to communicate()."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line.decode()


def sessions_in(database: Any) -> int:
    """Return how many sessions are in a database. Who asks is in another one: his own would end a little later."""
    with contextlib.closing(database.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_stat_activity WHERE datname = %s", (database.name,))
        return cursor.rowcount


@contextlib.contextmanager
def held_up(database: Any) -> Iterator[Callable[[], None]]:
    """Hold up the migration HELD; gives the function that lets it go on."""
    with contextlib.closing(database.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(42)")
        yield lambda: cursor.execute("SELECT pg_advisory_unlock(42)")


def wait_for(condition: Callable[[], Any], seconds: float = SECONDS) -> None:
    """Wait until a condition is true; fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
