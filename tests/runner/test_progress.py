"""What is said while a migration lasts: the progress of a build, a long statement, what PostgreSQL has to say."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios

import pytest
from blocking import lines_with, transaction
from installation import SECONDS, read_until

# Each row takes a twentieth of a second to index, and a block holds four of them.
SLOW_INDEX = """
    CREATE FUNCTION slowly(project projects) RETURNS INTEGER IMMUTABLE LANGUAGE sql
    AS 'SELECT length(pg_sleep(0.05)::text)';
    ALTER TABLE projects ALTER description SET STORAGE PLAIN;
    INSERT INTO projects (name, client, description) SELECT 'P', 'C', repeat('x', 1900) FROM generate_series(1, {});
"""
INDEX = "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS slow_index ON projects (slowly(projects));\n"
SAID = (
    "SET LOCAL lock_timeout = '1s';\nDO $$\nBEGIN\n    {}\nEND;\n$$;\nCREATE TABLE IF NOT EXISTS users (id INTEGER);\n"
)


def slow_build(installation, database, seconds: int) -> None:
    """Make a pending migration that builds an index for so long."""
    database.execute(SLOW_INDEX.format(seconds * 20))
    installation.add("slow", INDEX)


@pytest.mark.only_pg("pg18")
def test_the_progress_of_a_build_is_logged(migrated, installation):
    slow_build(installation, migrated, 20)
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 0, result.stderr
    lines = lines_with(result.stderr, "-slow: index")
    form = r"Applying \d{4}-slow: index slow_index on projects: building index: scanning table, (\d+) %, .* so far"
    first, second = (int(re.fullmatch(form, line)[1]) for line in lines[:2])
    assert 0 < first < second < 100


def test_a_build_that_waits_says_for_whom(migrated, installation):
    installation.add("slow", INDEX.replace("slowly(projects)", "name"))
    with (
        transaction(migrated, "UPDATE projects SET status = status") as writer,
        installation.start("migrate", database=migrated) as process,
    ):
        line = read_until(process, "-slow: index ")
        writer.execute("COMMIT")
        said = process.communicate()[1]
        pid = writer.connection.info.backend_pid
    assert process.returncode == 0, said
    assert re.search(
        r": waiting for writers before build, 0 %, for \d+ s so far:"
        rf" pid {pid} \(psql, role owner, idle in transaction, query \d+ s old, transaction \d+ s old\)"
        r" has its transaction open\n$",
        line,
    )


@pytest.mark.only_pg("pg18")
def test_on_a_terminal_there_is_a_bar_that_leaves_nothing_behind(migrated, installation):
    slow_build(installation, migrated, 6)
    screen, code = on_a_terminal(installation, migrated)
    assert code == 0, screen
    assert re.search(r"\rApplying \d{4}-slow: slow_index on projects: building index: scanning table +\d\d %\|", screen)
    assert "so far" not in screen
    assert re.search(r"\r +\r\S+Z Applied \d{4}-slow \(\d+ ms\)\r\n", screen)  # the bar was wiped before


@pytest.mark.only_pg("pg18")
def test_a_bar_that_is_interrupted_leaves_nothing_behind(migrated, installation):
    slow_build(installation, migrated, 60)
    screen, code = on_a_terminal(installation, migrated, end_at=b" %|")
    assert code == 143, screen
    assert re.search(r"\r +\r$", screen)


def on_a_terminal(installation, database, end_at: bytes | None = None) -> tuple[str, int]:
    """Run a migrate whose stderr is a terminal of 120 columns; return what it showed, and the exit code.

    SIGTERM is sent when it shows `end_at`.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 120))
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database.url}
    command = [sys.executable, str(installation.folder / "runner.py"), "migrate"]
    shown = b""
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 4096):
                shown += piece
                if end_at and end_at in shown:
                    process.terminate()
                    end_at = None
        process.wait(SECONDS)
    os.close(ours)
    return shown.decode(), process.returncode


@pytest.mark.only_pg("pg18")
def test_any_other_long_statement_is_told_of(migrated, installation):
    id = installation.add("slow", "SELECT pg_sleep(15);\n")
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 0
    (line,) = lines_with(result.stderr, "so far")
    assert re.fullmatch(rf"Applying {id}, for 1\d s so far", line)


def test_what_a_migration_raises_is_shown_with_its_id(migrated, installation):
    id = installation.add(
        "talkative",
        SAID.format(
            "RAISE NOTICE 'brought % back', 'users' USING HINT = 'look';"
            " RAISE WARNING E'two\\nlines \\x1b[31m'; RAISE INFO 'i';"
        ),
    )
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 0
    assert lines_with(result.stderr, f"{id}: ") == [
        f"notice: {id}: brought users back HINT:  look",
        f"warning: {id}: two lines  [31m",
        f"notice: {id}: i",
    ]
    assert "skipping" not in result.stderr


def test_what_it_raised_before_it_failed_is_shown_too(migrated, installation):
    id = installation.add("talkative", SAID.format("RAISE WARNING 'row 7 is wrong'; RAISE EXCEPTION 'no';"))
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 6
    assert lines_with(result.stderr, f"{id}: ") == [f"warning: {id}: row 7 is wrong"]


def test_it_is_told_once_although_it_was_tried_twice(migrated, installation):
    more = "ALTER TABLE projects ADD COLUMN IF NOT EXISTS color TEXT;\n"
    id = installation.add("talkative", SAID.format("RAISE WARNING 'look';") + more)
    with transaction(migrated) as reader, installation.start("migrate", database=migrated) as process:
        read_until(process, "Held up")
        reader.execute("COMMIT")
        said = process.communicate()[1]
    assert process.returncode == 0
    told = [line for line in lines_with(said, f"{id}: ") if "Held up" not in line]  # once more, if we came late
    assert told == [f"warning: {id}: look"]
