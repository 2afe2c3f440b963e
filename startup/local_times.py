"""Local wall-clock times of the predecessor become UTC: once, when somebody says which time zone they are of.

Adoption keeps them in the table adoption_times and marks what they may be ('adoption time zone', what the old settings
said); the mark 'local times' says what they were read as.
"""

import psycopg2
from psycopg2.extensions import AsIs

from startup import log, migrations
from startup.catalog import State, ask, question, read_state
from startup.configuration import Configuration, as_time_zone
from startup.errors import MigrationFailedError, SchemaDiffersError, UsageError
from startup.verification import compare

FOUND = "adoption time zone"  # marks
CONVERTED = "local times"


def in_question(state: State) -> bool:
    """Whether adoption kept times of which nobody has said yet what they are."""
    return FOUND in state.marks and CONVERTED not in state.marks


def tell_of_command(state: State) -> None:
    """Say at a start with LEGACY_TIMEZONE that it comes too late to be heeded, and what to do."""
    if in_question(state):
        log.notice(
            "LEGACY_TIMEZONE is heeded while a database is adopted, and this one was adopted without it: its old times"
            " are still as they were. To read them as local times, once: python runner.py localize"
        )


def require_known(connection, zone: str, source: str) -> None:
    """Raise UsageError where this server does not know the time zone; `source` is what it was given by."""
    with connection.cursor() as cursor:
        known = ask(cursor, "SELECT FROM pg_timezone_names WHERE lower(name) = lower(%s)", (zone,))
    if not known:
        raise UsageError(
            f"{source}={zone}: PostgreSQL on this server does not know that time zone (it has a list of its own,"
            " pg_timezone_names): expected one that it knows, such as Europe/Rome"
        )


def localize(connection, zone: str) -> list[tuple[str, int, str]]:
    """Convert what is in question, within the transaction that is open; give the report: steps, rows and details.

    No line where nothing is in question, or it was converted before. To be called on the session of a migration, whose
    search_path is the schema in use, after require_known(). `zone` is what as_time_zone() gives.
    """
    with connection.cursor() as cursor:
        cursor.execute(question("local_times"))
        ((kept, last_line),) = cursor.fetchall()
        if kept is None:
            return []
        cursor.execute(question("localize"), {"zone": zone, "kept": AsIs(kept), "kept_name": kept})
        cursor.execute("SELECT step, rows, detail FROM adoption_report WHERE id > %s ORDER BY id", (last_line,))
        return cursor.fetchall()


def convert(configuration: Configuration, zone: str | None) -> None:
    """Convert what is in question on a database that is adopted and right: runner.py localize [ZONE].

    Without a zone it is LEGACY_TIMEZONE, or that which adoption found in the settings. Raises UsageError for a zone
    that nobody knows, and where they were converted from another; SchemaDiffersError before a migration is through.
    """
    from startup.session import despite_losses  # what follows is for this command, not for a start

    if zone is not None and as_time_zone(zone) is None:
        raise UsageError(f"localize {zone}: expected a time zone such as Europe/Rome, or utc")
    given = ("localize", as_time_zone(zone)) if zone else ("LEGACY_TIMEZONE", configuration.legacy_timezone)
    despite_losses(lambda: _convert(configuration, given), configuration.conninfo)


def _convert(configuration: Configuration, given: tuple[str, str | None]) -> None:
    from startup.preconditions import is_pooled, require_readable_ledger, require_writable
    from startup.session import migrating_session, place_of, read_in_turn, session

    with session(configuration.conninfo, configuration.database_wait_seconds) as connection:
        state = read_in_turn(connection, (), configuration.lock_wait_seconds)
        require_readable_ledger(state)
        if not _due(connection, state, given):
            return
        require_writable(state)
        source, zone = _zone(state, given)
        require_known(connection, zone, source)
        if configuration.migration_conninfo is None:
            _convert_under_lock(configuration, connection, state, zone)
            return
        place, pooled = place_of(connection, state), is_pooled(connection, state)
    with migrating_session(configuration, place, ()) as (connection, state):
        _convert_under_lock(configuration, connection, state, zone, pooled)


def _due(connection, state: State, given: tuple[str, str | None]) -> bool:
    """Whether there is something to convert; says why not. Raises UsageError where it was read as another zone."""
    files = migrations.read_folder()
    if migrations.pending(state.applied, files):
        raise SchemaDiffersError("Migrations are pending, and come first: python runner.py migrate")
    if not compare(state).ok:
        raise SchemaDiffersError("The schema is not the one that this version needs: python runner.py verify lists why")
    if in_question(state):
        return True
    before = state.marks.get(CONVERTED)
    if before is None:
        log.write("There are no local times here: nothing to convert")
        return False
    with connection.cursor() as cursor:
        marked = f"SELECT marked_at::date::text FROM {state.qualified('startup_marks')} WHERE name = %s"  # noqa: S608
        ((date,),) = ask(cursor, marked, (CONVERTED,))
    source, zone = given
    if zone is not None and zone.lower() != before.lower():
        raise UsageError(
            f"{source}={zone}: the old times were read as {before} on {date}, and are UTC since; they are not converted"
            " again"
        )
    log.write(f"The old times were read as {before} on {date}, and are UTC since: nothing to convert")
    return False


def _zone(state: State, given: tuple[str, str | None]) -> tuple[str, str]:
    """What the zone is given by, and the zone. Raises UsageError where the old settings hold none."""
    source, zone = given
    if zone is not None:
        return source, zone
    found = state.marks[FOUND]
    if as_time_zone(found) is None:
        raise UsageError(
            f"settings.timezone was '{found}' at the adoption, which is no time zone: say which the old times are of,"
            " such as python runner.py localize Europe/Rome"
        )
    return "settings.timezone (as found at the adoption)", as_time_zone(found)


def _convert_under_lock(configuration: Configuration, connection, state: State, zone: str, pooled=False) -> None:
    from startup.diagnostics import message_of
    from startup.lock import start_lock
    from startup.patience import Patience
    from startup.preconditions import require_privileges

    seconds = configuration.lock_wait_seconds
    require_privileges(connection, state)
    with connection.cursor() as cursor:
        cursor.execute(question("session"), {"schema": state.schema, "seconds": max(1, seconds)})
    log.write(f"Reading the old start and end times as {'UTC' if zone == 'utc' else f'local times of {zone}'}")

    def still_to_do() -> bool:
        nonlocal state
        state = read_state(connection)
        return in_question(state)

    with start_lock(connection, state.schema, seconds, still_to_do, pooled) as lock:
        if lock is None:
            _due(connection, state, ("localize", zone))
            return
        with Patience(connection, seconds, lock.require_row) as patience:
            try:
                lines = patience.run("localize", "converting local times", lambda: _transaction(connection, zone))
            except psycopg2.Error as error:
                if connection.closed:
                    raise
                raise MigrationFailedError(
                    f"The local times could not be converted, none of them was: {message_of(error)}"
                ) from error
    for step, rows, detail in lines:
        log.write(f"{step}: {detail} ({rows} rows)", step=step, rows=rows, detail=detail)


def _transaction(connection, zone: str) -> list[tuple[str, int, str]]:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SET LOCAL lock_timeout = '1s'")
        try:
            lines = localize(connection, zone)
            cursor.execute("COMMIT")
        except psycopg2.Error:
            if not connection.closed:
                cursor.execute("ROLLBACK")
            raise
        return lines
