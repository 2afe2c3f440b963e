"""Any number of migrations, any damage to what they made, any kill: the next start puts all right, and keeps the rows.

What hypothesis finds becomes a test with a name, below.
"""

import contextlib
import json
import re
from pathlib import Path

from faults.amount import NIGHTLY
from faults.forks import Start
from faults.laboratory import apply_some
from faults.outcome import Outcome, outcome_of
from faults.proxy import MOMENTS, Place
from faults.rows import ROWS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from startup.migrations import read_folder

DAMAGE = (Path(__file__).parent / "damage.sql").read_text(encoding="ascii")
COUNT = len(read_folder())


def damage(database, choices: list[int]) -> list[str]:
    """Break some of what is there, each choice one thing; give the statements that did."""
    done = []
    with contextlib.closing(database.connect("postgres")) as connection, connection.cursor() as cursor:
        for choice in choices:
            cursor.execute(DAMAGE)
            found = cursor.fetchall()
            if found:
                (statement,) = found[choice % len(found)]
                cursor.execute(statement)
                done.append(statement)
    return done


def require_rows(outcome: Outcome, before: Outcome) -> None:
    """See that the tables that people fill hold what they held, column by column; one that was dropped comes back."""
    for table in [table for table in ROWS if before.get(table)]:
        rows = [json.loads(row) for row in before[table]]
        columns = rows[0].keys()
        kept = [{name: row[name] for name in columns} for row in map(json.loads, outcome[table])]
        assert sorted(kept, key=str) == sorted(rows, key=str), table


def require_all_right(laboratory, database, place: Place, *, may_refuse: bool) -> None:
    """Kill a start, let another one run, and see that the schema is whole and that no row was lost or changed.

    With `may_refuse` a pending file may need what was damaged: it fails, and says of what.
    """
    before = outcome_of(database)
    if may_refuse:  # the first one too, before it comes to that place
        laboratory.interrupted(database, place, Start.kill)
    else:
        laboratory.killed(database, place)
    start = laboratory.forks.run("migrate", url=database.url)
    after = outcome_of(database)
    require_rows(after, before)
    assert after["yoyo_lock"] == []
    if start.code == 6 and may_refuse:
        assert start.said.count(" error: ") == 1
        assert re.search(" failed and (was rolled back|may have left the index [a-z_]+ invalid): ", start.said)
    else:
        assert start.code == 0, start.said
        assert after["schema"] == laboratory.undisturbed("empty").outcome["schema"], start.said


@settings(
    max_examples=300 if NIGHTLY else 10,
    derandomize=not NIGHTLY,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    count=st.integers(0, COUNT),
    choices=st.lists(st.integers(0, 10_000), max_size=6),
    number=st.integers(1, 400),  # where there are fewer statements it is not killed
    moment=st.sampled_from(MOMENTS),
)
def test_a_start_puts_any_damage_right(laboratory, count, choices, number, moment):
    with laboratory.copy(f"first {count}", lambda database: apply_some(database, read_folder()[:count])) as database:
        done = damage(database, choices)
        try:
            require_all_right(laboratory, database, Place(number, moment), may_refuse=bool(done) and count < COUNT)
        except AssertionError as error:
            error.add_note(f"on PostgreSQL {laboratory.server.version}, the first {count} applied, then {done}")
            raise


def test_damage_that_a_file_outside_of_a_transaction_runs_into_is_told(laboratory):
    first = [file.transactional for file in read_folder()].index(False)
    with laboratory.copy(f"first {first}", lambda database: apply_some(database, read_folder()[:first])) as database:
        database.execute("ALTER TABLE migration_hashes ALTER recorded_at DROP DEFAULT")
        require_all_right(laboratory, database, Place(1, "before"), may_refuse=True)
