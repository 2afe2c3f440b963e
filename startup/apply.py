"""Applying migrations through yoyo, without its traps: docs/startup.md names them.

The migration, its mark in yoyo's ledger and the hash of its file commit together, on the one connection
that the start has. Stock `yoyo list` and `yoyo apply` agree afterwards.
"""

import re
import socket
import time
from datetime import UTC, datetime
from uuid import uuid4

import psycopg2
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, default_migration_table

from startup import log
from startup.catalog import question
from startup.errors import DatabaseUnusableError, MigrationFailedError
from startup.lock import refuse_while_locked
from startup.migrations import MigrationFile


class Ledger(PostgresqlBackend):
    """Yoyo's backend on the connection that the start already has. The caller holds the start lock."""

    _is_locked = True

    def __init__(self, connection):
        self._given = connection
        uri = DatabaseURI("postgresql", None, None, None, None, database=connection.info.dbname, args={})
        super().__init__(uri, default_migration_table)

    def connect(self, dburi):
        """Give the connection of the start."""
        return self._given

    def run(self, file: MigrationFile) -> None:
        """Run the statements of a file as yoyo reads them. A transaction is the caller's affair."""
        for statement in file.statements:
            self.cursor().execute(statement)  # not self.execute(), which takes % for a parameter

    def apply(self, file: MigrationFile) -> None:
        """Run a file and mark it as applied, all in one transaction where the file allows one."""
        if not file.transactional:
            self.run(file)
        with self.transaction():
            if file.transactional:
                self.run(file)
            migration = Migration(file.id, file.path, source_dir=None)
            self.mark_one(migration, log=False)
            self.log_migration(migration, "apply")
            record_hashes(self.connection, [file])

    def get_log_data(self, migration=None, operation="apply"):
        """What yoyo logs of a migration; yoyo's own way fails for a uid without a name and waits for DNS."""
        return {
            "id": str(uuid4()),
            "migration_id": migration and migration.id,
            "migration_hash": migration and migration.hash,
            "username": self.connection.info.user,
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


def apply_migrations(connection, files: list[MigrationFile]) -> None:
    """Apply files one after the other.

    Raises MigrationFailedError at the first that fails: it is rolled back, the earlier ones stay applied.
    """
    ledger = Ledger(connection)
    ledger.ensure_internal_schema_updated()
    for file in files:
        began = time.perf_counter()
        try:
            ledger.apply(file)
        except psycopg2.Error as error:
            raise _failure(connection, file, error) from error
        log.step(f"Applied {file.id}", began, migration=file.id)


def apply_optional(connection, files: list[MigrationFile]) -> None:
    """Apply optional files; one that fails is a warning, and is tried again at the next start."""
    ledger = Ledger(connection)
    for file in files:
        began = time.perf_counter()
        try:
            ledger.apply(file)
        except psycopg2.Error as error:
            if connection.closed:
                raise _failure(connection, file, error) from error
            log.warning(
                f"{file.id} failed and was left out: {first_line(error)}. TimeTracker works without it;"
                f" mend the cause and the next start tries again, or remove sql/optional/{file.id}.sql"
            )
        else:
            log.step(f"Applied {file.id}", began, migration=file.id)


def replay(connection, files: list[MigrationFile], keep) -> list[tuple[MigrationFile, psycopg2.Error]]:
    """Run transactional files again in one transaction; give those that failed, with the error.

    A file that fails is rolled back alone. `keep()` is asked at the end, inside the transaction: unless
    it gives true, all is rolled back.
    """
    ledger, failed = Ledger(connection), []
    with ledger.transaction() as transaction:
        for file in files:
            try:
                with ledger.transaction():  # a savepoint
                    ledger.run(file)
            except psycopg2.Error as error:
                if connection.closed:
                    raise _failure(connection, file, error) from error
                failed.append((file, error))
        transaction.rollback_on_exit = not keep()
    return failed


def apply_again(connection, file: MigrationFile) -> list[tuple[MigrationFile, psycopg2.Error]]:
    """Run a non-transactional file again; give it with the error if it failed."""
    try:
        Ledger(connection).run(file)
    except psycopg2.Error as error:
        if connection.closed:
            raise _failure(connection, file, error) from error
        return [(file, error)]
    return []


def rehearse(connection, schema: str, files: list[MigrationFile], tables: set[str]) -> list[tuple[MigrationFile, list[str]]]:
    """Run transactional files in a transaction that is rolled back; give the locks that each took.

    Locks are told of `tables`, those that are there already: 'ACCESS EXCLUSIVE on users'.
    Raises MigrationFailedError at the first file that would fail, LockTimeoutError while another start runs.
    """
    ledger = Ledger(connection)
    seen, rehearsed = set(), []
    with ledger.transaction(rollback_on_exit=True):
        refuse_while_locked(connection, schema)
        for file in files:
            try:
                ledger.run(file)
            except psycopg2.Error as error:
                raise _failure(connection, file, error) from error
            with connection.cursor() as cursor:
                cursor.execute(question("locks"))
                locks = {f"{mode} on {table}" for table, mode in cursor.fetchall() if table in tables}
            rehearsed.append((file, sorted(locks - seen)))
            seen |= locks
    return rehearsed


def record_hashes(connection, files: list[MigrationFile]) -> None:
    """Keep the hashes of applied files of which none are kept yet, once there is a table for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('migration_hashes') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return
        for file in files:
            cursor.execute(
                "INSERT INTO migration_hashes (migration_id, raw_sha256, normalised_sha256) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (file.id, file.raw_sha256, file.normalised_sha256),
            )


def _failure(connection, file: MigrationFile, error: psycopg2.Error) -> Exception:
    if connection.closed:
        return DatabaseUnusableError(
            f"The connection to PostgreSQL was lost during {file.id}: {first_line(error)}."
            " What it had not committed is rolled back; start again"
        )
    if file.transactional:
        outcome = "failed and was rolled back"
    else:
        outcome = "failed; an invalid index that it leaves is built anew by the next start"
    return MigrationFailedError(f"{file.id} {outcome}: {first_line(error)}. Statement: {_statement(error)}")


def _statement(error: psycopg2.Error) -> str:
    """The statement that failed, on one line; of a DO block the one inside."""
    inner = re.search(r'SQL statement "(.*?)"\nPL/pgSQL', error.diag.context or "", re.DOTALL)
    sent = error.cursor.query if error.cursor is not None else None
    text = inner[1] if inner else (sent or b"unknown").decode("utf-8", "replace")
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:300]}…"


def first_line(error: psycopg2.Error) -> str:
    """The database's own message, with its detail, on one line."""
    parts = [error.diag.message_primary or (str(error).strip().splitlines() or ["no reason given"])[0]]
    parts += [error.diag.message_detail] if error.diag.message_detail else []
    return " ".join(" ".join(parts).split()).removesuffix(".")
