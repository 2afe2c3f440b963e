"""What a start tells the operator, and what verify and status print."""

import json
import os
import sys

import psycopg2

from startup import __version__, heal, log, machine
from startup.catalog import State
from startup.differences import SEVERITIES, Difference
from startup.migrations import MigrationFile, pending
from startup.verification import Verification


def tell_connection(connection, state: State, since: float) -> None:
    """Say where this runs and which database it reached."""
    host, info = os.uname().nodename, connection.info
    addresses = machine.addresses()
    driver = psycopg2.__version__.split()[0]
    log.write(
        f"TimeTracker {__version__}, Python {sys.version.split()[0]}, psycopg2 {driver},"
        f" on {host} ({', '.join(addresses) or 'loopback only'})",
        version=__version__, host=host, addresses=addresses,
    )  # fmt: skip
    place = info.host if info.host.startswith("/") else f"{info.host}:{info.port}"
    log.step(
        f"Connected to PostgreSQL {state.server['version']} at {place}, database {info.dbname},"
        f" schema {state.schema}, as {state.server['role']}",
        since,
        database_host=info.host, database_port=info.port, database=info.dbname,
        database_schema=state.schema, server_version=state.server["version"],
    )  # fmt: skip


def tell_migrations(state: State, files: list[MigrationFile], optional: list[MigrationFile]) -> None:
    """Say which migrations are applied, and what is odd about them."""
    if state.has_table("_yoyo_migration") and not state.ledger_readable:
        log.warning("This role may not read _yoyo_migration, so which migrations are applied is not known to it")
        return
    applied = [file for file in files if file.id in state.applied]
    log.write(
        f"{len(applied)} migrations applied, {len(pending(state.applied, files))} pending",
        applied=len(applied), pending=len(pending(state.applied, files)),
    )  # fmt: skip
    for id in heal.edited_ids(state, files):
        log.warning(
            f"{id}.sql was edited after it had been applied: expected the file as released."
            " Nothing is healed with it; put the file back, and what it should change into a new one"
        )
    for id in heal.unknown_ids(state, files):
        log.notice(f"{id} is applied, and this version has no such file: a newer version was here; nothing is healed")
    for file in pending(state.applied, optional):
        if not state.fulfilled[file.id]:
            log.notice(f"{file.id} was not tried: it requires {file.requires}")


def tell_verification(verification: Verification, of_newer_version: bool = False) -> None:
    """Say what the verification found: errors and warnings by name, notices by their number.

    `of_newer_version` says that a newer version made the schema: what is extra may well be its own.
    """
    notices = 0
    for difference in verification.differences:
        if of_newer_version and difference.kind == "extra":
            difference = difference._replace(remedy="None, if it is the newer version's")
        if difference.severity == "notice":
            notices += 1
        else:
            log.write(describe(difference), difference.severity, **difference._asdict())
    kept = f"; {_count(notices, 'notice')}, python runner.py verify lists them" if notices else ""
    if in_vain := heal.hopeless(verification):
        forget = f"DELETE FROM {verification.state.qualified('startup_marks')} WHERE name = '{heal.MARK}'"  # noqa: S608
        names = ", ".join(difference.object for difference in in_vain)
        log.notice(
            f"Healing {names} was tried in vain, and is not tried again until it changes;"
            f" once its rows are mended: {forget}"
        )
    if verification.ok:
        count = len(verification.state.objects)
        log.write(f"Verified the schema {verification.state.schema}: {count} objects looked at{kept}", verified=True)


def describe(difference: Difference) -> str:
    """One line: what differs, what was expected and found, what to do."""
    expected = f": expected {difference.expected}" if difference.expected else ""
    found = f"{',' if expected else ':'} found {difference.found}" if difference.found else ""
    text = f"{difference.kind} {difference.object}{expected}{found}. Remedy: {difference.remedy}"
    return log.CONTROL_CHARACTERS.sub(" ", text)


def print_verification(verification: Verification, as_json: bool) -> None:
    """Print the outcome of verify on stdout."""
    if as_json:
        outcome = {
            "ok": verification.ok,
            "server_version": verification.state.server["version"],
            "schema": verification.state.schema,
            "differences": [difference._asdict() for difference in verification.differences],
        }
        print(json.dumps(outcome))
        return
    for difference in verification.differences:
        print(f"{difference.severity}: {describe(difference)}")
    severities = [difference.severity for difference in verification.differences]
    counts = ", ".join(_count(severities.count(one), one) for one in SEVERITIES if one in severities)
    outcome = "is as expected" if verification.ok else "differs"
    print(f"The schema {verification.state.schema} {outcome}{counts and ': '}{counts}")


def print_status(state: State, files: list[MigrationFile], as_json: bool) -> None:
    """Print the outcome of status on stdout."""
    outcome = {
        "applied": sorted(state.applied),
        "pending": [file.id for file in pending(state.applied, files)],
        "edited": heal.edited_ids(state, files),
        "missing": sorted(heal.unknown_ids(state, files)),
        "version": max((id for id in state.applied if not id.startswith("optional-")), default=None),
    }
    if as_json:
        print(json.dumps(outcome))
        return
    for id in sorted({file.id for file in files} | set(state.applied)):
        when = f"applied {state.applied[id][:19]} UTC" if id in state.applied else "pending"
        remarks = [name for name in ("edited", "missing") if id in outcome[name]]
        print("  ".join([id.ljust(40), when, *remarks]))


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
