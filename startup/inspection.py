"""The commands that look at a database, or rehearse, without changing it."""

import time

from startup import log, migrations
from startup.catalog import State, ask, question, read_state
from startup.configuration import Configuration
from startup.connection import wait_for_database
from startup.errors import SchemaDiffersError
from startup.preconditions import (
    is_pooled,
    obstacles,
    read_only,
    require_names,
    require_privileges,
    require_readable_ledger,
    require_writable,
)
from startup.report import print_status, print_verification, tell_connection
from startup.signals import make_statements_interruptible
from startup.verification import compare


def wait(configuration) -> None:
    """Wait for the database, say which server answered, and whether what is pending could be applied."""
    began = time.perf_counter()
    connection = _reader(configuration)
    state = read_state(connection)
    tell_connection(connection, state, began)
    with connection.cursor() as cursor:
        ((version, encoding, time_zone, kind),) = ask(cursor, question("server"))
    log.write(f"PostgreSQL {version}, {kind}, encoding {encoding}, time zone {time_zone}")
    if problem := read_only(state):
        log.notice(problem)
    if configuration.migration_conninfo is None or kind == "standby":
        _tell_fitness(connection, state)
        return
    from startup.session import migrating_session, place_of

    with migrating_session(configuration, place_of(connection, state), optional=()) as (own, own_state):
        _tell_fitness(own, own_state)


def _tell_fitness(connection, state: State) -> None:
    """Say whether a migration could go this way, and what keeps it from that."""
    reasons = obstacles(connection, state)
    privileges = "some that a migration needs are missing" if reasons else "all that a migration needs"
    if is_pooled(connection, state):
        privileges = "not looked at, for no migration goes this way"
    log.write(f"Role {state.server['role']}, privileges: {privileges}")
    for sentence in reasons:
        log.notice(sentence)


def verify(configuration, tables=(), only=None, as_json=False) -> None:
    """Compare the schema with the snapshot, without changing anything."""
    connection = _reader(configuration)
    verification = compare(read_state(connection)).narrowed(tables, only)
    print_verification(verification, as_json)
    if not verification.ok:
        raise SchemaDiffersError("The schema is not the one that this version needs")


def status(configuration, as_json=False) -> None:
    """List the migrations."""
    files = migrations.read_folder()
    connection = _reader(configuration)
    state = read_state(connection)
    require_readable_ledger(state)
    print_status(state, files, as_json)


def report(configuration, as_json=False) -> None:
    """Print what an adoption has found and done, and what it left to decide."""
    from startup.adoption_report import print_kept, read_kept

    connection = _reader(configuration)
    print_kept(*read_kept(connection, read_state(connection)), as_json)


def plan(configuration) -> None:
    """Rehearse the pending migrations in a transaction that is rolled back."""
    from startup.session import migrating_session, place_of, session

    files, optional = migrations.read_folder(), migrations.read_optional()
    with session(configuration.conninfo, configuration.database_wait_seconds) as connection:
        state = read_state(connection, optional)
        if configuration.migration_conninfo is None or not migrations.pending(state.applied, files):
            _rehearse(configuration, connection, state, files, optional)
            return
        place = place_of(connection, state)
    with migrating_session(configuration, place, optional) as (connection, state):
        _rehearse(configuration, connection, state, files, optional)


def _rehearse(configuration, connection, state, files, optional) -> None:
    from startup.plan import rehearse_all  # yoyo, which the others do not need

    pending = migrations.pending(state.applied, files)
    require_writable(state)
    migrations.check_contents(pending)
    if pending:
        require_names(state, pending)
        require_privileges(connection, state)
    rehearse_all(configuration, connection, state, files, optional)


def snapshot(configuration) -> None:
    """Write the schema that the migrations make on a fresh database into sql/runner/schema.txt."""
    from startup.snapshot import write_snapshot

    files = migrations.read_folder()
    migrations.check_contents(files)
    write_snapshot(configuration, files)


def _reader(configuration: Configuration):
    """Connect to whatever server can be read, a standby too."""
    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds, primary=False)
    make_statements_interruptible(connection)
    return connection


COMMANDS = {command.__name__: command for command in (wait, verify, status, report, plan, snapshot)}
