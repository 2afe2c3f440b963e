"""Healing: what somebody damaged by hand is put back by replaying the idempotent migrations."""

import re

from startup import log
from startup.catalog import State, ask, place_of, read_state, table_of, type_of
from startup.differences import SEVERITIES, Difference, rows_that_break
from startup.hashing import sha256
from startup.migrations import MigrationFile, edited
from startup.verification import Verification, compare

# What could not be mended: the digests of the differences, separated by spaces.
MARK = "heal failed"


def targets(connection, verification: Verification, files: list[MigrationFile], severities) -> list[Difference]:
    """The differences to heal.

    None where a newer version made the schema or an applied file was edited, none again of what an earlier start
    could not mend, and no key that rows still break: such a start would write, and mend nothing.
    """
    in_vain = hopeless(verification)
    found = [found for found in _healable(verification) if found.severity in severities and found not in in_vain]
    if found and (unknown_ids(verification.state, files) or edited_ids(verification.state, files)):
        return []
    return [one for one in found if one.kind != "not_validated" or not _is_broken(connection, one, verification.state)]


def _is_broken(connection, key: Difference, state: State) -> bool:
    """Whether rows break a foreign key that is NOT VALID; said with the SQL that shows them."""
    if type_of(key.object) != "foreign key":
        return False  # a check, or a NOT NULL
    breaking = rows_that_break(key.object, key.expected, state)
    with connection.cursor() as cursor:
        ((is_broken,),) = ask(cursor, f"SELECT EXISTS ({breaking})")
    if is_broken:
        log.notice(f"{key.object} stays NOT VALID: it binds new rows, and these break it: {breaking}")
    return is_broken


def hopeless(verification: Verification) -> list[Difference]:
    """The differences that an earlier start tried to heal in vain, as they still are."""
    remembered = verification.state.marks.get(MARK, "").split()
    return [found for found in _healable(verification) if remembered and _digest(found) in remembered]


def unknown_ids(state: State, files: list[MigrationFile]) -> list[str]:
    """The applied migrations that this version does not have."""
    known = {file.id for file in files}
    return [id for id in state.applied if id not in known and not id.startswith("optional-")]


def edited_ids(state: State, files: list[MigrationFile]) -> list[str]:
    """The applied migrations whose files were edited since; what they hold now was never released."""
    return [file.id for file in files if file.id in state.applied and edited(file, state.hashes.get(file.id))]


def heal(
    connection,
    state: State,
    files: list[MigrationFile],
    targets: list[Difference],
    seconds: int,
    before_each,
) -> None:
    """Replay what mends the targets, and keep the result if it mended anything.

    An index that is built concurrently and a constraint that is NOT VALID need their own file alone; anything else
    needs all the others, in one transaction. Each is tried for up to `seconds` while others hold locks that it needs;
    `before_each` is called before each try. What cannot be mended is told, and remembered, so that it is not tried at
    every start; but rows that break a constraint may be mended at any time.
    """
    # Yoyo and the reading of statements, which a start with nothing to do never needs.
    from startup.apply import apply_again, replay
    from startup.diagnostics import message_of
    from startup.patience import Patience, passes, passes_later

    log.warning(f"Healing {count_of(targets)} by replaying the migrations: {_names(targets)}")
    applied = [file for file in files if file.id in state.applied]
    before, failed = compare(state), []

    def note(failures) -> None:
        failed.extend((file, error, patience.held_up_by) for file, error in failures)

    with Patience(connection, seconds, before_each) as patience:
        if others := [target for target in targets if not any(mends_alone(file, target) for file in applied)]:
            note(
                replay(
                    connection,
                    [file for file in applied if file.transactional and not file.validates],
                    lambda: _is_better(before, compare(read_state(connection)), others),
                    patience,
                )
            )
        for file in applied:
            due = _due(before, compare(read_state(connection)), targets)
            if any(mends_alone(file, difference) for difference in due):
                note(apply_again(connection, file, patience))

    after = compare(read_state(connection))
    left = _left(targets, after)
    for target in targets:
        if target.object not in [found.object for found in left]:
            _tell_healed(connection, target, state, files, after)
    for file, error, held_up_by in failed:
        cause = f"{message_of(error)}; {held_up_by}" if passes(error) else message_of(error)
        log.warning(f"Replaying {file.id} failed: {cause}")
    passing = any(passes_later(error) for _, error, _ in failed)
    if left:
        again = "; the next start tries again" if passing else ""
        if not passing and all(found.kind == "not_validated" for found in left):
            again = "; the next migrate tries again"
        log.warning(f"Could not heal {count_of(left)}: {_names(left)}{again}")
    if not passing:
        _remember(connection, after, [found for found in left if found.kind != "not_validated"])


def mends_alone(file: MigrationFile, difference: Difference) -> bool:
    """Whether this file alone mends this difference, without a lock that stops others."""
    if file.validates:
        return difference.kind == "not_validated"
    is_index = type_of(difference.object) == "index" and difference.kind in ("missing", "invalid")
    return is_index and not file.transactional and place_of(difference.object).endswith(f".{file.index}")


def _due(before: Verification, now: Verification, targets: list[Difference]) -> list[Difference]:
    """What is still to mend: the targets, and what came to light or into being with a replay."""
    wanted = {target.object for target in targets}
    known = {found.object for found in before.differences} - wanted
    return [found for found in _healable(now) if found.object not in known]


def _is_better(before: Verification, after: Verification, targets: list[Difference]) -> bool:
    """Whether something was mended, and nothing broken that was whole. What a missing table lacks shows only now."""
    were_missing = {target.object for target in targets if target.kind == "missing"}
    known = {found.object for found in before.errors}
    broken = [
        found
        for found in after.errors
        if found.object not in known and f"table {table_of(found.object)}" not in were_missing
    ]
    return not broken and len(_left(targets, after)) < len(targets)


def _healable(verification: Verification) -> list[Difference]:
    """What is extra is never taken away, and rows are for the defaults.

    A table or a column that differs without harm has something extra too, such as a default.
    """
    return [
        found
        for found in verification.differences
        if found.kind != "extra"
        and type_of(found.object) != "row"
        and (found.severity == "error" or type_of(found.object) not in ("table", "column"))
    ]


def _left(targets: list[Difference], verification: Verification) -> list[Difference]:
    """The targets that are still as bad, as they are now."""
    worst = {target.object: SEVERITIES.index(target.severity) for target in targets}
    return [
        found for found in _healable(verification) if SEVERITIES.index(found.severity) <= worst.get(found.object, -1)
    ]


def _tell_healed(connection, healed: Difference, state: State, files: list[MigrationFile], after: Verification) -> None:
    if (healed.kind, type_of(healed.object)) != ("missing", "table"):
        still = [found for found in after.differences if (found.kind, found.object) == ("not_validated", healed.object)]
        log.write(f"Healed {healed.object}{', NOT VALID: it binds new rows only' if still else ''}")
        return
    table = table_of(healed.object)
    if _has_rows(connection, state.qualified(table)):
        log.warning(f"TABLE {table} WAS MISSING AND WAS BROUGHT BACK WITH ITS ROWS", table=table)
        return
    pattern = re.compile(rf"CREATE TABLE IF NOT EXISTS {re.escape(table)}\b", re.IGNORECASE)
    maker = next((file.id for file in files if pattern.search(file.text)), None)
    first = f"; it was first made at {state.applied[maker][:19]} UTC by {maker}" if maker in state.applied else ""
    log.warning(
        f"TABLE {table} WAS MISSING AND HAD TO BE MADE AGAIN, EMPTY{first}."
        " If it held rows, restore them from a backup",
        table=table,
    )


def _has_rows(connection, table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")  # noqa: S608
        return cursor.fetchone()[0]


def _remember(connection, after: Verification, left: list[Difference]) -> None:
    """Note what could not be mended, and forget what is mended by now."""
    digests = " ".join(sorted({_digest(found) for found in [*hopeless(after), *left]}))
    table_is_broken = any(table_of(found.object) == "startup_marks" for found in after.errors)
    if table_is_broken or digests == after.state.marks.get(MARK, ""):
        return
    with connection.cursor() as cursor:  # several statements in one message are one transaction
        cursor.execute(
            "DELETE FROM startup_marks WHERE name = %(name)s;"
            " INSERT INTO startup_marks (name, value) SELECT %(name)s, %(value)s WHERE %(value)s <> ''",
            {"name": MARK, "value": digests},
        )


def _digest(difference: Difference) -> str:
    seen = (difference.object, difference.expected, difference.found)
    return sha256(repr(seen).encode()).hexdigest()[:16]


def count_of(differences: list[Difference]) -> str:
    """Give the number of differences in words."""
    return "1 difference" if len(differences) == 1 else f"{len(differences)} differences"


def _names(differences: list[Difference]) -> str:
    shown = ", ".join(found.object for found in differences[:10])
    return shown if len(differences) <= 10 else f"{shown} and {len(differences) - 10} more"
