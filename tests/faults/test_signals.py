"""SIGTERM and SIGINT at any statement, also as PID 1: the start ends at once, and the next one goes on."""

import os
import signal
from pathlib import Path

import pytest
from faults.amount import some
from faults.proxy import MOMENTS, Place
from installation import wait_for

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
SLOW = "DELETE FROM projects;\nSELECT pg_sleep(600);\n"
SLEEPING = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("origin", ["empty", "half migrated", "damaged"])
def test_a_signal_at_any_statement(laboratory, origin, number):
    undisturbed = laboratory.undisturbed(origin)
    numbers = range(1, len(undisturbed.statements) + 1)
    for place in some([Place(each, moment) for each in numbers for moment in MOMENTS], 4, nightly=50):
        with laboratory.database(origin) as database, laboratory.telling(place, undisturbed):
            start, _ = laboratory.interrupted(database, place, lambda start: start.kill(number))
            assert start.code in (0, CODES[number]), start.said
            assert " error: " not in start.said
            # The session, if it could not be asked in time to give its lock back, ends a little after the start.
            wait_for(lambda: database.query("SELECT FROM pg_locks WHERE locktype = 'advisory'") == [])
            laboratory.require_convergence(database, undisturbed.outcome)


@pytest.mark.needs("root")
@pytest.mark.needs("linux")
@pytest.mark.parametrize("number", CODES)
def test_a_signal_to_pid_1_cancels_a_long_statement(migrated, installation, number):
    """The first process of a container gets only the signals that it has a handler for."""
    installation.add("slow", SLOW)
    installation.end_patiently()
    before = migrated.query("SELECT count(*) FROM projects")
    with installation.start("migrate", database=migrated, wrapper=["unshare", "--pid", "--fork"]) as process:
        wait_for(lambda: migrated.query(f"SELECT {SLEEPING}"))
        (runner,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert Path(f"/proc/{runner}/status").read_text().partition("NSpid:")[2].split()[:2] == [runner, "1"]
        os.kill(int(runner), number)
        process.communicate()
    assert process.returncode == CODES[number]
    assert migrated.query(f"SELECT {SLEEPING}") == []
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]
    assert migrated.query("SELECT count(*) FROM projects") == before
