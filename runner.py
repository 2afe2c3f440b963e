#!/usr/bin/env python3
"""Starts TimeTracker: wait for the database, migrate, insert the defaults, prove the schema, become Gunicorn.

usage: python runner.py [COMMAND]

  serve      migrate, heal what is broken, then become Gunicorn (the default)
  wait       wait for the database and say which server answered: the connection test
  migrate    wait, lock, apply what is pending, heal, insert the defaults, verify
  verify     compare the schema with the one that this version needs; changes nothing
             verify [TABLE ...] [--only TYPE] [--json]      such as: verify users --only index
  status     list the applied and the pending migrations: status [--json]
  report     tell again what was found in an older database, what was done, and what is left to decide: report [--json]
  invite     print a link, good for one use within 7 days, by which that user sets a password: invite NAME
  localize   read the old times of an adopted database as local times, once: localize [Europe/Rome]
  plan       rehearse what is pending and roll it back; tells the locks that it takes
  snapshot   write sql/runner/schema.txt anew from the migrations

exit codes: 0 well; 1 the schema differs; 2 usage, configuration, migration files or output; 5 the database cannot
be reached or used; 6 a migration failed; 7 the lock was not to be had in time; 70 unexpected
"""

import sys
import time
from collections import namedtuple

from startup import command_line, defaults, heal, log, migrations
from startup.catalog import question, read_state
from startup.errors import SchemaDiffersError
from startup.preconditions import (
    is_pooled,
    obstacles,
    require_names,
    require_privileges,
    require_secret_key,
    require_usable,
    require_writable,
)
from startup.report import tell_connection, tell_migrations, tell_verification
from startup.session import despite_losses, migrating_session, place_of, read_in_turn, session
from startup.verification import Verification, compare

# What this version brings: its migration files, its optional ones, and the severities of what it heals.
Wanted = namedtuple("Wanted", ["files", "optional", "heal_severities"])


def serve(configuration) -> None:
    """Become Gunicorn on a database that has just been proven right."""
    from startup.server import become_gunicorn, prepare

    probe = prepare(configuration)
    sets_password = configuration.admin_password_file is not None
    verification = migrate(configuration, heal_severities=("error",), sets_password=sets_password)
    require_usable(verification.state)
    require_secret_key(configuration, verification.state)
    if verification.state.lacks_administrator:
        from startup.invitation import see_to_administrator

        see_to_administrator(configuration, verification.state)
    become_gunicorn(configuration, probe)


def migrate(configuration, heal_severities=("error", "warning"), sets_password=False) -> Verification:
    """Bring the database to the schema of this version, and prove it; give the proof."""
    severities = heal_severities if configuration.heal else ()
    wanted = Wanted(migrations.read_folder(), migrations.read_optional(), severities)
    verification = despite_losses(lambda: _migrate(configuration, wanted, sets_password), configuration.conninfo)
    tell_migrations(verification.state, wanted.files, wanted.optional)
    if configuration.legacy_timezone:
        from startup.local_times import tell_of_command

        tell_of_command(verification.state)
    tell_verification(verification, of_newer_version=bool(heal.unknown_ids(verification.state, wanted.files)))
    if not verification.ok:
        raise SchemaDiffersError("The schema is not the one that this version needs; nothing is served on it")
    return verification


def localize(configuration, zone: str | None = None) -> None:
    """Convert the local times of the predecessor, which adoption kept, to UTC; once."""
    from startup.local_times import convert  # a start never needs it

    convert(configuration, zone)


def invite(configuration, user: str | None = None) -> None:
    """Print a link by which a user sets a password; the way in for the first administrator."""
    from startup import invitation  # no other start needs it

    invitation.invite(configuration, user)


def _migrate(configuration, wanted: Wanted, sets_password: bool) -> Verification:
    began = time.perf_counter()
    with session(configuration.conninfo, configuration.database_wait_seconds) as connection:
        state = read_in_turn(connection, wanted.optional, configuration.lock_wait_seconds)
        require_writable(state)
        tell_connection(connection, state, began)
        if sets_password:
            from startup.invitation import require_first_password

            require_first_password(configuration, state)
        verification = compare(state)
        if not _something_to_do(connection, verification, wanted):
            return verification
        if configuration.migration_conninfo is None:
            return _bring_up_to_date(configuration, connection, verification, wanted)
        place, pooled = place_of(connection, state), is_pooled(connection, state)
    with migrating_session(configuration, place, wanted.optional) as (connection, state):
        _bring_up_to_date(configuration, connection, compare(state), wanted, pooled)
    with session(configuration.conninfo, configuration.database_wait_seconds) as connection:
        return compare(read_state(connection, wanted.optional))


def _something_to_do(connection, verification: Verification, wanted: Wanted) -> bool:
    state = verification.state
    return bool(
        migrations.pending(state.applied, wanted.files)
        or defaults.missing(state)
        or state.has_rows.get("dead lock")
        or migrations.pending(state.applied, wanted.optional, state.fulfilled)
        or heal.targets(connection, verification, wanted.files, wanted.heal_severities)
    )


def _bring_up_to_date(configuration, connection, verification: Verification, wanted: Wanted, pooled=False):
    """Everything that writes, under the lock; gives the verification afterwards."""
    files, optional, heal_severities = wanted
    state, seconds = verification.state, configuration.lock_wait_seconds
    pending = migrations.pending(state.applied, files)
    migrations.check_contents(pending + migrations.pending(state.applied, optional))
    if pending or defaults.missing(state):
        require_names(state, pending)
        require_privileges(connection, state)
    elif reasons := obstacles(connection, state):
        log.warning(f"Nothing is healed or tried: {'; '.join(reasons)}")
        return verification
    with connection.cursor() as cursor:
        cursor.execute(question("session"), {"schema": state.schema, "seconds": max(1, seconds)})
    from startup.lock import start_lock

    def still_to_do() -> bool:
        nonlocal verification
        verification = compare(read_state(connection, optional))
        return _something_to_do(connection, verification, wanted)

    def must_be_adopted() -> bool:
        return migrations.adoption_is_due(verification.state, files)

    with start_lock(connection, state.schema, seconds, still_to_do, pooled, traceless=must_be_adopted) as lock:
        if lock is None:  # another start was quicker
            return verification
        from startup.apply import apply_migrations, apply_optional, record_hashes  # yoyo, which most of a crowd spare

        state = verification.state
        if must_be_adopted():
            from startup.adoption import adopt

            adopt(connection, state, migrations.pending(state.applied, files), lock, configuration)
            state = read_state(connection, optional)
        if pending := migrations.pending(state.applied, files):
            apply_migrations(connection, pending, seconds, lock.require_row)
            state = read_state(connection, optional)
        if targets := heal.targets(connection, compare(state), files, heal_severities):
            heal.heal(connection, state, files, targets, seconds, lock.require_row)
            state = read_state(connection, optional)
        if defaults.missing(state) and compare(state).ok:
            lock.require_row()
            defaults.tell(defaults.insert(connection, configuration))
        record_hashes(connection, [file for file in files if file.id in state.applied])
        if untried := migrations.pending(state.applied, optional, state.fulfilled):
            apply_optional(connection, untried, seconds, lock.require_row)
        return compare(read_state(connection, optional))


COMMANDS = {"serve": serve, "migrate": migrate, "localize": localize, "invite": invite}


def main(arguments: list[str]) -> int:
    """Run a command, one of these or of startup/inspection.py; give the exit code."""
    return command_line.run(arguments, COMMANDS, description=__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
