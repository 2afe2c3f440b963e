"""The way back: a dump of the whole database by pg_dump, before the first change to a database of the predecessor."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import make_dsn, parse_dsn

from startup import log, progress
from startup.configuration import Configuration
from startup.errors import DatabaseUnusableError, StartError, UsageError
from startup.observer import parameters_of

REPORT_SECONDS = 10
# Secrets, what is known by now or concerns our session alone, and a service, whose values are known.
NOT_FOR_PG_DUMP = {
    "password", "sslpassword", "client_encoding", "target_session_attrs", "load_balance_hosts", "application_name",
    "fallback_application_name", "service", "servicefile",
}  # fmt: skip
WITHOUT = "ADOPT_WITHOUT_BACKUP=yes goes on without a backup"
NONE_WANTED = "There is no backup of this database before its adoption: BACKUP_DIR is not set"


def make(connection, configuration: Configuration) -> str | None:
    """Dump the database that the connection leads to into BACKUP_DIR, if that is set; give the path of the file.

    Raises UsageError or DatabaseUnusableError where that cannot be done, unless ADOPT_WITHOUT_BACKUP is set.
    """
    if configuration.backup_dir is None:
        log.notice(NONE_WANTED)
        return None
    try:
        program = find_program(connection, configuration)
        return _dump(program, connection, configuration)
    except StartError as error:
        if not configuration.adopt_without_backup:
            raise type(error)(*(f"{problem}. Nothing was changed; {WITHOUT}" for problem in error.problems)) from None
        for problem in error.problems:
            log.warning(f"{problem}. Going on without a backup, as ADOPT_WITHOUT_BACKUP says")
    return None


def tell_plan(connection, configuration: Configuration) -> None:
    """Say on stdout whether there would be a backup, and a start without one."""
    if configuration.backup_dir is None:
        print(NONE_WANTED)
        return
    try:
        program = find_program(connection, configuration)
    except UsageError as error:
        if configuration.adopt_without_backup:
            print(f"There would be no backup: {error}")
        else:
            print(f"A start would end here: {error}. {WITHOUT}")
    else:
        print(f"A backup would be written to {configuration.backup_dir} by {program}")


def discard(path: str) -> None:
    """Remove a dump when nothing was changed after all: starts that are tried again must not fill the disk."""
    try:
        os.unlink(path)
    except OSError as error:
        log.warning(f"The backup {path} is not needed, as nothing was changed, and cannot be removed: {error.strerror}")
    else:
        log.write(f"Removed the backup {path} again: nothing was changed")


def find_program(connection, configuration: Configuration) -> str:
    """Give the path of pg_dump, once it is clear that it can dump this server into BACKUP_DIR. Raises UsageError."""
    folder = configuration.backup_dir
    if not os.path.isdir(folder):
        raise UsageError(f"BACKUP_DIR={folder}: expected a directory that is there")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"BACKUP_DIR={folder}: this process may not write there (uid {os.geteuid()})")
    program = shutil.which("pg_dump")
    if program is None:
        raise UsageError("BACKUP_DIR is set, and there is no pg_dump on the PATH: install the client of PostgreSQL")
    needed = connection.server_version // 10_000
    try:
        said = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    except OSError as error:
        raise UsageError(f"{program} cannot be run: {error.strerror}") from None
    version = re.search(r"\(PostgreSQL\) (\d+)", said)
    if version is None or int(version[1]) < needed:
        seen = (
            f"is of PostgreSQL {version[1]}" if version else f"does not say its version ({said.strip() or 'nothing'})"
        )
        raise UsageError(f"{program} {seen}, and the server is PostgreSQL {needed}: expected pg_dump {needed} or newer")
    return program


def _dump(program: str, connection, configuration: Configuration) -> str:
    database = re.sub(r"[^\w.-]", "_", connection.info.dbname)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = os.path.join(configuration.backup_dir, f"timetracker-{database}-before-adoption-{moment}.dump")
    part = f"{path}.part"
    began = time.perf_counter()
    progress.tell("writing a backup before the adoption")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"The backup {part} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            _run(program, connection, configuration.lock_wait_seconds, file)
            os.fsync(file.fileno())
            size = file.seek(0, os.SEEK_END)
        os.rename(part, path)
        _sync_folder(configuration.backup_dir)
    except OSError as error:
        raise DatabaseUnusableError(f"The backup {part} cannot be written: {error.strerror}") from None
    finally:
        if os.path.exists(part):
            os.unlink(part)
    log.step(
        f"Wrote the backup {path}, {size / 2**20:.1f} MB; docs/adoption.md says how to restore it", began, path=path
    )
    return path


def _run(program: str, connection, lock_wait_seconds: int, file) -> None:
    """Let pg_dump write to a file. A signal ends both. Raises DatabaseUnusableError when it fails."""
    began = time.monotonic()
    with _way_of(connection) as (conninfo, environment):
        process = subprocess.Popen(
            [
                program,
                "--format=custom",
                "--no-password",
                f"--lock-wait-timeout={max(1, lock_wait_seconds) * 1000}",
                f"--dbname={conninfo}",
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            while not process.stderr.closed:  # as long as it has not ended
                try:
                    _, said = process.communicate(timeout=REPORT_SECONDS)
                except subprocess.TimeoutExpired:
                    seconds, size = time.monotonic() - began, os.fstat(file.fileno()).st_size
                    log.write(f"Writing the backup, for {seconds:.0f} s so far: {size / 2**20:.1f} MB")
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        reason = " ".join(said.split())[:600] or f"exit code {process.returncode}"
        raise DatabaseUnusableError(f"The backup failed: {reason.removesuffix('.')}")


@contextmanager
def _way_of(connection) -> Iterator[tuple[str, dict[str, str]]]:
    """Lend a conninfo without a secret that leads pg_dump to the very server of a connection, and its environment.

    What the operator gave is passed on, and what libpq fills in by itself is left to pg_dump's own libpq, which may be
    older than ours.
    """
    there = parameters_of(connection)
    names = {*parse_dsn(connection.dsn), "host", "hostaddr", "port", "user", "dbname"} - NOT_FOR_PG_DUMP
    parameters = {name: there[name] for name in sorted(names) if name in there}
    environment = {name: value for name, value in os.environ.items() if name not in ("PGSERVICE", "PGCLIENTENCODING")}
    environment["LC_ALL"] = "C"
    if "password" in there:
        environment["PGPASSWORD"] = there["password"]
    if "sslpassword" not in there:
        yield make_dsn(**parameters), environment
        return
    # For this libpq has no variable.
    with tempfile.NamedTemporaryFile("w", prefix="timetracker-", encoding="utf-8") as service:
        service.write(f"[timetracker]\nsslpassword={there['sslpassword']}\n")
        service.flush()
        yield make_dsn(**parameters, service="timetracker"), environment | {"PGSERVICEFILE": service.name}


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
