"""kill -9 of a start, placed from the server's side: the next start ends where an undisturbed one would have."""

import contextlib
import random
import time

import pytest
from faults.amount import NIGHTLY, SEED, some
from faults.laboratory import ORIGINS, apply_some
from faults.outcome import outcome_of
from faults.proxy import MOMENTS, Place
from faults.rows import fill
from installation import wait_for

from startup.migrations import read_folder

SHARES = 4  # of the places of one state, so that the workers of pytest-xdist divide them
RANDOM_KILLS = 500 if NIGHTLY else 8

SLOW_INDEX = """-- transactional: false
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('slow_index') AND NOT indisvalid) THEN
        DROP INDEX slow_index;
    END IF;
    PERFORM set_config('lock_timeout', '0', false);
END;
$$;
CREATE INDEX CONCURRENTLY IF NOT EXISTS slow_index ON time_entries (created_at);
"""


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("origin", ORIGINS)
def test_killed_at_any_statement(laboratory, origin, share):
    """At some; a fresh start at every one at night."""
    undisturbed = laboratory.undisturbed(origin)
    numbers = range(1, len(undisturbed.statements) + 1)
    places = [Place(number, moment) for number in numbers for moment in MOMENTS]
    number, nightly = (8, None if origin == "empty" else 400) if laboratory.server.id == "pg18" else (4, 120)
    for place in some(places, number, nightly)[share::SHARES]:
        with laboratory.database(origin) as database, laboratory.telling(place, undisturbed):
            laboratory.killed(database, place)
            laboratory.require_convergence(database, undisturbed.outcome)


@pytest.mark.parametrize("moment", MOMENTS if NIGHTLY else ["after"])
def test_killed_at_every_statement_in_turn(laboratory, moment):
    """Start after start is killed a statement later than the one before, in a database that people use meanwhile.

    In CI five statements later, on the older servers fifteen; at night each in turn.
    """
    step = 1 if NIGHTLY else 5 if laboratory.server.id == "pg18" else 15
    expected = migrated_step_by_step(laboratory)
    to_the_first_file = laboratory.undisturbed("half migrated").statements.index("BEGIN")
    with laboratory.server.new_database() as database:
        applied, number, ended = 0, 1, -9
        while ended == -9:
            ended = laboratory.killed(database, Place(number, moment)).code
            number += step
            if (count := applied_in(database)) > applied:
                number = 1 if applied == 0 else to_the_first_file  # the way to it was gone through already
                applied = count
                fill(database)
        laboratory.require_convergence(database, expected)


def migrated_step_by_step(laboratory):
    """What comes of a database that gets its rows as soon as there are tables for them."""
    with laboratory.server.new_database() as database:
        for file in read_folder():
            apply_some(database, [file])
        assert laboratory.forks.run("migrate", url=database.url).code == 0
        return outcome_of(database)


def applied_in(database) -> int:
    """How many migrations the ledger has, if there is one yet."""
    if database.query("SELECT to_regclass('_yoyo_migration') IS NULL") == [(True,)]:
        return 0
    return database.query("SELECT count(*) FROM _yoyo_migration")[0][0]


@pytest.mark.parametrize("share", range(SHARES))
def test_killed_at_random_moments(laboratory, installation, share):
    """Real processes, at moments of the real time: up to three in a row, then one to its end."""
    rng = random.Random(f"{SEED} {share} {laboratory.server.id}")
    for _ in range(max(1, RANDOM_KILLS // SHARES // 2)):
        origin = rng.choice(list(ORIGINS))
        kills = [rng.uniform(0.05, 0.6) for _ in range(rng.randint(1, 3))]
        with laboratory.database(origin) as database:
            for seconds in kills:
                with installation.start("migrate", database=database) as process:
                    time.sleep(seconds)
                    process.kill()
                    process.communicate()
            print(f"FAULTS_SEED={SEED}: {origin}, killed {kills} s after its starts")  # shown where it fails
            laboratory.require_convergence(database, laboratory.undisturbed(origin).outcome)


@pytest.mark.parametrize("origin", ["empty", "damaged"])
def test_a_lock_row_that_a_killed_start_left_is_gone_after_the_next_start(laboratory, origin):
    """Also when all was done and only the lock was still to be given back: a hand-run yoyo would wait for ever."""
    undisturbed = laboratory.undisturbed(origin)
    with laboratory.database(origin) as database:
        laboratory.killed(database, Place(len(undisturbed.statements) - 2, "after"))
        assert database.query("SELECT count(*) FROM yoyo_lock WHERE pid < 0") == [(1,)]
        laboratory.require_convergence(database, undisturbed.outcome)


def test_a_killed_index_build_is_given_up_and_done_again(migrated, installation):
    """The build waits for an older transaction; the server notices that nobody waits for the build any more."""
    fill(migrated)
    id = installation.add("slow-index", SLOW_INDEX)
    building = "SELECT FROM pg_stat_progress_create_index"
    with contextlib.closing(migrated.connect()) as writer, writer.cursor() as cursor:
        cursor.execute("BEGIN; UPDATE time_entries SET notes = notes")
        with installation.start("migrate", database=migrated) as process:
            # Only then is the index there, which the server would otherwise take back with the start gone.
            wait_for(lambda: migrated.query(f"{building} WHERE phase = 'waiting for writers before build'"))
            process.kill()
            process.communicate()
        wait_for(lambda: not migrated.query(building))
    left = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'slow_index'::regclass"
    assert migrated.query(left) == [(False,)]
    result = installation.run("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "20"})
    assert result.returncode == 0, result.stderr
    assert migrated.query(left) == [(True,)]
    assert migrated.query("SELECT count(*) FROM _yoyo_log WHERE migration_id = %s", id) == [(1,)]
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]
