"""Healing: what somebody damaged by hand is put back by replaying the idempotent migrations."""

import re
from hashlib import sha256

from psycopg2.errors import LockNotAvailable

from startup import log
from startup.catalog import State, read_state
from startup.migrations import MigrationFile
from startup.verification import Difference, Verification, compare

MARK = "heal failed"


def targets(verification: Verification, files: list[MigrationFile], severities) -> list[Difference]:
    """The differences to heal: what is extra is never taken away.

    None where a newer version made the schema, and none again of what an earlier start could not mend.
    """
    found = [found for found in verification.differences if found.severity in severities and found.kind != "extra"]
    hopeless = verification.state.marks.get(MARK) == _digest(found)
    return [] if hopeless or unknown_ids(verification.state, files) else found


def unknown_ids(state: State, files: list[MigrationFile]) -> list[str]:
    """The applied migrations that this version does not have."""
    known = {file.id for file in files}
    return [id for id in state.applied if id not in known and not id.startswith("optional-")]


def heal(connection, state: State, files: list[MigrationFile], targets: list[Difference]) -> None:
    """Replay the applied files and keep the result if it mended anything.

    What cannot be mended is told, and remembered, so that it is not tried at every start.
    """
    from startup.apply import apply_again, first_line, replay  # it brings yoyo, which a start with nothing to do never needs

    log.warning(f"Healing {_count(targets)} by replaying the migrations: {_names(targets)}")
    applied = [file for file in files if file.id in state.applied]
    failed = replay(
        connection,
        [file for file in applied if file.transactional],
        keep=lambda: len(_left(targets, compare(read_state(connection)))) < len(targets),
    )
    for file in applied:
        if not file.transactional and _left(targets, compare(read_state(connection))):
            failed += apply_again(connection, file)
    after = read_state(connection)
    left = _left(targets, compare(after))
    for difference in targets:
        if difference not in left:
            _tell_healed(difference, state, files)
    for file, error in failed:
        log.warning(f"Replaying {file.id} failed and was rolled back: {first_line(error)}")
    passing = any(isinstance(error, LockNotAvailable) for _, error in failed)
    if left:
        again = "the next start tries again" if passing else "this is not tried again until something changes"
        log.warning(f"Could not heal {_count(left)}: {_names(left)}; {again}")
    if after.has_table("startup_marks") and not passing:
        _remember(connection, left)


def _left(targets: list[Difference], verification: Verification) -> list[Difference]:
    names = {found.object for found in verification.differences if found.kind != "extra"}
    return [target for target in targets if target.object in names]


def _tell_healed(difference: Difference, state: State, files: list[MigrationFile]) -> None:
    kind, _, table = difference.object.partition(" ")
    if (kind, difference.kind) != ("table", "missing"):
        log.write(f"Healed {difference.object}")
        return
    pattern = re.compile(rf"CREATE TABLE IF NOT EXISTS {re.escape(table)}\b", re.IGNORECASE)
    maker = next((file.id for file in files if pattern.search(file.text)), None)
    first = f"; it was first made at {state.applied[maker][:19]} UTC by {maker}" if maker in state.applied else ""
    log.warning(
        f"TABLE {table} WAS MISSING AND HAD TO BE MADE AGAIN, EMPTY{first}."
        " If it held rows, restore them from a backup",
        table=table,
    )


def _remember(connection, left: list[Difference]) -> None:
    with connection.cursor() as cursor:
        if left:
            cursor.execute(
                "INSERT INTO startup_marks (name, value) VALUES (%s, %s) ON CONFLICT (name)"
                " DO UPDATE SET value = EXCLUDED.value, marked_at = timezone('utc', now())",
                (MARK, _digest(left)),
            )
        else:
            cursor.execute("DELETE FROM startup_marks WHERE name = %s", (MARK,))


def _digest(differences: list[Difference]) -> str:
    return sha256(repr([(found.object, found.expected, found.found) for found in differences]).encode()).hexdigest()


def _count(differences: list[Difference]) -> str:
    return "1 difference" if len(differences) == 1 else f"{len(differences)} differences"


def _names(differences: list[Difference]) -> str:
    shown = ", ".join(found.object for found in differences[:10])
    return shown if len(differences) <= 10 else f"{shown} and {len(differences) - 10} more"
