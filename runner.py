#!/usr/bin/env python3
"""Starts TimeTracker: wait for the database, migrate, insert the defaults, prove the schema, become Gunicorn.

usage: python runner.py [COMMAND]

  serve      migrate, heal what is broken, then become Gunicorn (the default)
  wait       wait for the database and say which server answered: the connection test
  migrate    wait, lock, apply what is pending, insert the defaults, verify, heal
  verify     compare the schema with the one that this version needs; changes nothing
             verify [TABLE ...] [--only TYPE] [--json]      such as: verify users --only index
  status     list the applied and the pending migrations: status [--json]
  plan       rehearse what is pending and roll it back; tells the locks that it takes
  snapshot   write sql/runner/schema.txt anew from the migrations

exit codes: 0 well; 1 the schema differs; 2 usage, configuration or migration files; 5 the database cannot
be reached or used; 6 a migration failed; 7 the lock was not to be had in time; 70 unexpected
"""

import os
import sys
import time

import psycopg2

from startup import defaults, heal, log, migrations
from startup.catalog import question, read_state
from startup.configuration import read_configuration
from startup.connection import wait_for_database
from startup.errors import DatabaseUnusableError, SchemaDiffersError, StartError
from startup.preconditions import lacking, obstacles, require_privileges, require_readable_ledger, require_writable
from startup.report import tell_connection, tell_migrations, tell_verification
from startup.signals import end_on_signals, make_statements_interruptible
from startup.verification import compare


def serve(configuration) -> None:
    """Become Gunicorn on a database that has just been proven right."""
    from startup.server import become_gunicorn, check_port

    check_port(configuration)
    migrate(configuration, heal_severities=("error",))
    become_gunicorn(configuration)


def migrate(configuration, heal_severities=("error", "warning")) -> None:
    """Bring the database to the schema of this version, and prove it."""
    files, optional = migrations.read_folder(), migrations.read_optional()
    began = time.perf_counter()
    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds)
    state = read_state(connection, optional)
    require_writable(state)
    tell_connection(connection, state, began)

    verification = compare(state)
    if _something_to_do(configuration, verification, files, optional, heal_severities):
        make_statements_interruptible(connection)
        verification = _bring_up_to_date(configuration, connection, verification, files, optional, heal_severities)
    connection.close()

    tell_migrations(verification.state, files, optional)
    tell_verification(verification)
    if not verification.ok:
        raise SchemaDiffersError("The schema is not the one that this version needs; nothing is served on it")


def _something_to_do(configuration, verification, files, optional, heal_severities) -> bool:
    state = verification.state
    return bool(
        migrations.pending(state.applied, files)
        or defaults.missing(state)
        or migrations.pending(state.applied, optional, state.fulfilled)
        or (configuration.heal and heal.targets(verification, files, heal_severities))
    )


def _bring_up_to_date(configuration, connection, verification, files, optional, heal_severities):
    """Everything that writes, under the lock; gives the verification afterwards."""
    from startup.apply import apply_migrations, apply_optional, record_hashes
    from startup.lock import start_lock

    state = verification.state
    pending = migrations.pending(state.applied, files)
    migrations.check_contents(pending + migrations.pending(state.applied, optional))
    if pending or defaults.missing(state):
        require_privileges(connection, state)
    elif reasons := obstacles(connection, state):
        log.warning(f"Nothing is healed or tried: {'; '.join(reasons)}")
        return verification
    with connection.cursor() as cursor:
        cursor.execute(question("session"), {"schema": state.schema})

    with start_lock(connection, state.schema, configuration.lock_wait_seconds):
        state = read_state(connection, optional)  # another start may have been quicker
        pending = migrations.pending(state.applied, files)
        if pending:
            apply_migrations(connection, pending)
        if pending or defaults.missing(state):
            defaults.insert(connection, configuration)
            state = read_state(connection, optional)
        record_hashes(connection, [file for file in files if file.id in state.applied])

        verification = compare(state)
        targets = heal.targets(verification, files, heal_severities) if configuration.heal else []
        if targets:
            heal.heal(connection, state, files, targets)
        wanted = migrations.pending(state.applied, optional, state.fulfilled)
        if wanted:
            apply_optional(connection, wanted)
        return compare(read_state(connection, optional)) if targets or wanted else verification


def wait(configuration) -> None:
    """Wait for the database and say which server answered."""
    began = time.perf_counter()
    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds, primary=False)
    state = read_state(connection)
    tell_connection(connection, state, began)
    with connection.cursor() as cursor:
        cursor.execute(question("server"))
        version, encoding, time_zone, role, kind = cursor.fetchone()
    obstacles = lacking(connection, state)
    privileges = "some that a migration needs are missing" if obstacles else "all that a migration needs"
    log.write(f"PostgreSQL {version}, {kind}, encoding {encoding}, time zone {time_zone}")
    log.write(f"Role {role}, privileges: {privileges}")
    for sentence in obstacles:
        log.notice(sentence)


def verify(configuration, tables=(), only=None, as_json=False) -> None:
    """Compare the schema with the snapshot, without changing anything."""
    from startup.report import print_verification

    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds, primary=False)
    verification = compare(read_state(connection)).narrowed(tables, only)
    print_verification(verification, as_json)
    if not verification.ok:
        raise SchemaDiffersError("The schema is not the one that this version needs")


def status(configuration, as_json=False) -> None:
    """List the migrations."""
    from startup.report import print_status

    files = migrations.read_folder()
    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds, primary=False)
    state = read_state(connection)
    require_readable_ledger(state)
    print_status(state, files, as_json)


def plan(configuration) -> None:
    """Rehearse the pending migrations in a transaction that is rolled back."""
    from startup.plan import rehearse_all

    files, optional = migrations.read_folder(), migrations.read_optional()
    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds)
    state = read_state(connection, optional)
    require_writable(state)
    migrations.check_contents(migrations.pending(state.applied, files))
    require_privileges(connection, state)
    rehearse_all(connection, state, files, optional)


def snapshot(configuration) -> None:
    """Write the schema that the migrations make on a fresh database into sql/runner/schema.txt."""
    from startup.snapshot import write_snapshot

    files = migrations.read_folder()
    migrations.check_contents(files)
    write_snapshot(configuration, files)


COMMANDS = {command.__name__: command for command in (serve, wait, migrate, verify, status, plan, snapshot)}


def main(arguments: list[str]) -> int:
    """Run a command; give the exit code. Every error is one line on stderr."""
    end_on_signals()
    try:
        command, options = _parse(arguments)
        configuration = read_configuration(os.environ)
        log.choose_format(configuration.log_format)
        COMMANDS[command](configuration, **options)
    except StartError as error:
        for problem in error.problems:
            log.error(problem)
        return error.exit_code
    except psycopg2.Error as error:
        if not _database_failed(error):
            raise
        log.error(f"PostgreSQL broke off: {' '.join(str(error).split())}. Look at the server, then start again")
        return DatabaseUnusableError.exit_code
    return 0


def _database_failed(error: psycopg2.Error) -> bool:
    """Whether it is the server's state that ended us, not a mistake of ours; a crash comes as a bare DatabaseError."""
    return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or type(error) is psycopg2.DatabaseError


def _parse(arguments: list[str]) -> tuple[str, dict]:
    """Give the command and its options. Raises UsageError."""
    if not arguments or arguments in ([name] for name in COMMANDS):
        return (arguments or ["serve"])[0], {}
    from startup.arguments import parse  # argparse, for the few calls that have options

    return parse(arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
