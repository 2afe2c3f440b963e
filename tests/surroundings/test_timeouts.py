"""Timeouts that the role or the database sets for its other sessions, and that a start outlives."""

import time

import pytest
from background import running
from installation import errors_in
from listeners import closed_port

TIMEOUTS = [
    # It begins with the very message that sets it aside, as that of a transaction does.
    {"statement_timeout": "'500ms'"},
    {"lock_timeout": "'150ms'"},
    {"idle_in_transaction_session_timeout": "'150ms'"},
    # Between the log-in and the second question even a start idles as long as the machine takes.
    {"idle_session_timeout": "'4s'"},
    pytest.param({"transaction_timeout": "'500ms'"}, marks=pytest.mark.since_pg(17)),
]
READERS = ["wait", "verify", "status", "plan"]
LONG = "CREATE TABLE made_it AS SELECT FROM pg_sleep(0.7);\n"
# As long as one lasts that has many objects to look at.
SLOW_QUESTION = "/* as slow as on a busy server */ SELECT pg_sleep(0.6);\n"


@pytest.fixture(params=TIMEOUTS, ids=lambda timeout: next(iter(timeout)))
def timeout(request) -> dict[str, str]:
    return request.param


def test_a_start_from_nothing_outlives_it(timeout, database, prefer, run_runner):
    prefer(database, **timeout)
    result = run_runner("migrate", database=database)
    assert result.returncode == 0, result.stderr
    assert "lost" not in result.stderr
    for command in READERS:
        result = run_runner(command, database=database)
        assert (result.returncode, errors_in(result)) == (0, []), result.stderr


def test_an_upgrade_with_a_long_statement_outlives_it(timeout, migrated, prefer, installation):
    prefer(migrated, **timeout)
    installation.add("long", LONG)
    for command in ("plan", "migrate"):
        result = installation.run(command, database=migrated)
        assert result.returncode == 0, result.stderr
        assert "lost" not in result.stderr
    assert migrated.query("SELECT count(*) FROM made_it") == [(1,)]


def test_a_slow_machine_outlives_that_of_an_idle_session(migrated, prefer, installation):
    """Here it takes longer than that to load what applies migrations."""
    prefer(migrated, idle_session_timeout="'4s'")
    module = installation.folder / "startup" / "apply.py"
    module.write_text(module.read_text() + "\ntime.sleep(4.5)\n")
    installation.add("example", "CREATE TABLE made_it (id INTEGER);\n")
    result = installation.run("migrate", database=migrated)
    assert (result.returncode, "lost" in result.stderr) == (0, False), result.stderr


@pytest.mark.parametrize("command", ["migrate", *READERS])
def test_a_long_look_at_the_catalog_outlives_it(timeout, migrated, prefer, installation, command):
    prefer(migrated, **timeout)
    for name in ("catalog", "privileges", "server"):
        question = installation.sql / "runner" / f"{name}.sql"
        question.write_text(SLOW_QUESTION + question.read_text())
    result = installation.run(command, database=migrated)
    assert (result.returncode, errors_in(result)) == (0, []), result.stderr


def test_the_statements_that_make_a_session_ready_outlive_it(database, prefer, installation):
    """The one that sets the timeout aside is a statement, too."""
    prefer(database, statement_timeout="'500ms'")
    installation.edit("sql/runner/session.sql", "FROM (", "FROM pg_sleep(0.6), (")
    installation.edit("sql/runner/place.sql", "FROM ", "FROM pg_sleep(0.6), ")
    result = installation.run("migrate", database=database, env={"MIGRATION_DATABASE_URL": database.url})
    assert (result.returncode, errors_in(result)) == (0, []), result.stderr


def test_the_app_replaces_what_it_ends(timeout, migrated, prefer, tmp_path):
    """A connection that idles between two requests may be gone at the second; no page shows it."""
    prefer(migrated, **dict.fromkeys(timeout, "'4s'"))  # a page has no time of its own, and may take what it needs
    port = closed_port()
    with running("serve", migrated.url, tmp_path / "log", PORT=str(port)) as runner:
        assert runner.get(port)[0] == 200
        for _ in range(3):
            assert runner.get(port, "/")[0] == 200
            assert runner.get(port, "/readyz")[0] == 200
            time.sleep(5 if "idle_session_timeout" in timeout else 0.2)
    assert "Answered 503" not in "".join(runner.lines)
