"""Applying migrations through yoyo, without its traps: docs/startup.md names them.

The migration, its mark in yoyo's ledger and the hash of its file commit together, on the one connection
that the start has. Stock `yoyo list` and `yoyo apply` agree afterwards.
"""

import re
import socket
import time
from datetime import UTC, datetime
from functools import cached_property
from uuid import uuid4

import psycopg2

from startup import log
from startup.catalog import question
from startup.diagnostics import message_of, statement_of
from startup.errors import ConnectionLostError, MigrationFailedError
from startup.late_imports import put_off
from startup.lock import refuse_while_locked
from startup.migrations import MigrationFile, check_contents
from startup.patience import Patience, passes

# Half of what yoyo imports is for finding a backend by its name and for reading files, neither of which is asked of it.
with put_off({"importlib_metadata": "entry_points", "sqlparse": "split"}):
    from yoyo import internalmigrations
    from yoyo.backends.base import SavepointTransactionManager, TransactionManager
    from yoyo.backends.core.postgresql import PostgresqlBackend
    from yoyo.connections import DatabaseURI
    from yoyo.migrations import Migration, default_migration_table


KEEP_HASHES = (
    "INSERT INTO migration_hashes (migration_id, raw_sha256, normalised_sha256)"
    " VALUES (%(migration_id)s, %(raw_sha256)s, %(normalised_sha256)s)"
    " ON CONFLICT (migration_id) DO UPDATE SET raw_sha256 = EXCLUDED.raw_sha256,"
    " normalised_sha256 = EXCLUDED.normalised_sha256, recorded_at = DEFAULT"
)


class Savepoint(SavepointTransactionManager):
    """A transaction within another. Yoyo's own leaves its savepoint standing, so that all after it is a part of it."""

    def _do_commit(self):
        self.backend.savepoint_release(self.id)

    def _do_rollback(self):
        if not self.backend.connection.closed:
            super()._do_rollback()


class Ledger(PostgresqlBackend):
    """Yoyo's backend on the connection that the start already has. The caller holds the start lock."""

    _is_locked = True
    file: MigrationFile | None = None  # the last one that was run
    # Yoyo asks information_schema, which takes as long as a migration.
    list_tables_sql = (
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = :schema"
    )

    def __init__(self, connection):
        self._given = connection
        self._keeps_hashes = False
        uri = DatabaseURI("postgresql", None, None, None, None, database=connection.info.dbname, args={})
        super().__init__(uri, default_migration_table)

    def connect(self, dburi):
        """Give the connection of the start."""
        return self._given

    def ensure_internal_schema_updated(self) -> None:
        """Make yoyo's tables where there are none, within the transaction of the caller if there is one.

        Yoyo alone would look again before each mark, and insists on a transaction of its own.
        """
        if not self._internal_schema_updated and internalmigrations.needs_upgrading(self):
            internalmigrations.upgrade(self)
        self._internal_schema_updated = True

    def transaction(self, rollback_on_exit=False):
        """Give a transaction, or within one a savepoint."""
        manager = Savepoint if self._in_transaction else TransactionManager
        return manager(self, rollback_on_exit=rollback_on_exit)

    def commit(self) -> None:
        """Commit; where a deferred constraint breaks the transaction is over as well."""
        self._in_transaction = False
        super().commit()

    def rollback(self) -> None:
        """Roll back; where the connection was lost the server has done it, and the loss is what to tell."""
        if not self.connection.closed:
            super().rollback()

    def run(self, file: MigrationFile) -> None:
        """Run the statements of a file. A transaction is the caller's affair."""
        self.file = file
        for statement in file.statements:
            self.cursor().execute(statement)  # not self.execute(), which takes % for a parameter

    def apply(self, file: MigrationFile, patience: Patience) -> None:
        """Run a file and mark it as applied, all in one transaction where the file allows one.

        Raises MigrationFailedError, or ConnectionLostError.
        """
        try:
            patience.run(file.id, f"applying {file.id}", lambda: self.apply_once(file))
        except psycopg2.Error as error:
            raise _failure(self.connection, file, error, patience) from error

    def apply_once(self, file: MigrationFile) -> None:
        """Run a file and mark it as applied; within a transaction of the caller in a savepoint.

        Raises psycopg2.Error.
        """
        if not file.transactional:
            self.build_index(file)
            self._require_valid(file)
        with self.transaction():
            if file.transactional:
                self.run(file)
            self._mark(file)

    def _mark(self, file: MigrationFile) -> None:
        """Write the mark, the log row and the hashes, in one message to the server."""
        self.ensure_internal_schema_updated()
        self._keeps_hashes = self._keeps_hashes or _has_hashes(self.connection)
        statements = [*self._marking, KEEP_HASHES] if self._keeps_hashes else self._marking
        values = self.get_log_data(Migration(file.id, file.path, source_dir=None))
        values |= {"when": values["created_at_utc"]} | _hashes_of(file)
        self.cursor().execute(";\n".join(statements), values)

    @cached_property
    def _marking(self) -> list[str]:
        """Yoyo's statements that mark a migration and log that; it would write them anew for each."""
        statements = [self.format_sql(sql) for sql in (self.mark_migration_sql, self.log_migration_sql)]
        return [re.sub(r":(\w+)", r"%(\1)s", statement) for statement in statements]

    def run_again(self, file: MigrationFile) -> None:
        """Run a file that is applied already."""
        if file.transactional:
            with self.transaction():
                self.run(file)
        else:
            self.build_index(file)

    def build_index(self, file: MigrationFile) -> None:
        """Run a non-transactional file, and put back what such a file may set for the session."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path'), current_setting('lock_timeout')")
            settings = cursor.fetchone()
            try:
                self.run(file)
            finally:
                if not self.connection.closed:
                    cursor.execute(
                        "SELECT set_config('search_path', %s, false), set_config('lock_timeout', %s, false)", settings
                    )

    def _require_valid(self, file: MigrationFile) -> None:
        """See that IF NOT EXISTS has not passed over what an earlier build left."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid)",
                (file.index,),
            )
            if cursor.fetchone()[0]:
                raise MigrationFailedError(
                    f"{file.id} found the index {file.index} already there, left invalid by a build that failed:"
                    f" DROP INDEX {file.index}, then start again"
                )

    def get_log_data(self, migration=None, operation="apply") -> dict:
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


def apply_migrations(connection, files: list[MigrationFile], seconds: int, before_each=lambda: None) -> None:
    """Apply files one after the other, each tried for up to `seconds` while others hold locks that it needs.

    `before_each` is called before each try. Raises MigrationFailedError at the first file that fails: it is rolled
    back, the earlier ones stay applied.
    """
    with Patience(connection, seconds, before_each) as patience:
        ledger = Ledger(connection)
        ledger.ensure_internal_schema_updated()
        for file in files:
            began = time.perf_counter()
            ledger.apply(file, patience)
            tell_applied(file, began)


def tell_applied(file: MigrationFile, since: float, until: float | None = None) -> None:
    """Write that a file is applied, and how long that took."""
    log.step(f"Applied {file.id}", since, until, migration=file.id)


def apply_optional(connection, files: list[MigrationFile], seconds: int, before_each) -> None:
    """Apply optional files likewise; one that fails is a warning, and is tried again at the next start."""
    with Patience(connection, seconds, before_each) as patience:
        ledger = Ledger(connection)
        for file in files:
            began = time.perf_counter()
            try:
                ledger.apply(file, patience)
            except MigrationFailedError as error:
                log.warning(
                    f"{error}. TimeTracker works without it; mend the cause and the next start tries again,"
                    f" or remove sql/optional/{file.id}.sql"
                )
            else:
                tell_applied(file, began)


Failures = list[tuple[MigrationFile, psycopg2.Error]]


def replay(connection, files: list[MigrationFile], keep, patience: Patience) -> Failures:
    """Run transactional files again in one transaction; give those that failed, with the error.

    A file that fails is rolled back alone; but one that cannot get its lock gives back those of all, and all are
    tried again. `keep()` is asked at the end, inside the transaction: unless it gives true, all is rolled back.
    Raises UsageError for a file that yoyo would run badly.
    """
    check_contents(files)
    ledger = Ledger(connection)

    def attempt() -> Failures:
        failed = []
        with ledger.transaction() as transaction:
            for file in files:
                try:
                    with ledger.transaction():  # a savepoint
                        ledger.run(file)
                except psycopg2.Error as error:
                    if connection.closed or passes(error):
                        raise
                    failed.append((file, error))
            transaction.rollback_on_exit = not keep()
        return failed

    try:
        return patience.run("healing", "healing by replaying the migrations", attempt)
    except psycopg2.Error as error:
        return _failed_again(ledger, error)


def apply_again(connection, file: MigrationFile, patience: Patience) -> Failures:
    """Run one file again, by itself; give it with the error if it failed. Raises UsageError like replay()."""
    check_contents([file])
    ledger = Ledger(connection)
    try:
        patience.run(file.id, f"healing by {file.id}", lambda: ledger.run_again(file))
    except psycopg2.Error as error:
        return _failed_again(ledger, error)
    return []


def _failed_again(ledger: Ledger, error: psycopg2.Error) -> Failures:
    if ledger.connection.closed:
        during = ledger.file.id if ledger.file else "healing"  # it may be lost before the first statement of a file
        raise ConnectionLostError(message_of(error), during) from error
    return [(ledger.file, error)]


def rehearse(
    connection, schema: str, files: list[MigrationFile], tables: set[str], seconds: int
) -> list[tuple[MigrationFile, list[str]]]:
    """Run transactional files in a transaction that is rolled back; give the locks that each took.

    Locks are told of `tables`, those that are there already: 'ACCESS EXCLUSIVE on users'. All files are tried again for
    up to `seconds` while others hold locks that they need.
    Raises MigrationFailedError at the first file that would fail, LockTimeoutError while another start runs.
    """
    ledger = Ledger(connection)

    def attempt() -> list[tuple[MigrationFile, list[str]]]:
        seen, rehearsed = set(), []
        with ledger.transaction(rollback_on_exit=True):
            refuse_while_locked(connection, schema)
            for file in files:
                patience.tell(f"rehearsing {file.id}")
                ledger.run(file)
                with connection.cursor() as cursor:
                    cursor.execute(question("locks"))
                    locks = {f"{mode} on {table}" for table, mode in cursor.fetchall() if table in tables}
                rehearsed.append((file, sorted(locks - seen)))
                seen |= locks
        return rehearsed

    with Patience(connection, seconds) as patience:
        try:
            return patience.run("rehearsal", "rehearsing the migrations", attempt)
        except psycopg2.Error as error:
            if ledger.file is None:
                raise
            raise _failure(connection, ledger.file, error, patience) from error


def record_hashes(connection, files: list[MigrationFile]) -> None:
    """Keep the hashes of applied files of which none are kept yet, once there is a table for them."""
    if not _has_hashes(connection):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT migration_id FROM migration_hashes")
        kept = {id for (id,) in cursor.fetchall()}
        for file in files:
            if file.id not in kept:
                cursor.execute(KEEP_HASHES, _hashes_of(file))


def _has_hashes(connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('migration_hashes') IS NOT NULL")
        return cursor.fetchone()[0]


def _hashes_of(file: MigrationFile) -> dict[str, str]:
    return {
        "migration_id": file.id,
        "raw_sha256": file.raw_sha256,
        "normalised_sha256": file.normalised_sha256,
    }


def _failure(connection, file: MigrationFile, error: psycopg2.Error, patience: Patience) -> Exception:
    if connection.closed:
        return ConnectionLostError(message_of(error), during=file.id)
    left = "was rolled back" if file.transactional else f"may have left the index {file.index} invalid"
    if passes(error):
        return held_up(file.id, left, error, patience)
    return MigrationFailedError(f"{file.id} failed and {left}: {message_of(error)}. Statement: {statement_of(error)}")


def held_up(what: str, left: str, error: psycopg2.Error, patience: Patience) -> MigrationFailedError:
    """Say who was in the way for too long; `left` says what has become of it, such as 'was rolled back'."""
    return MigrationFailedError(
        f"{what} was held up for {patience.seconds} s and {left}: {message_of(error)}; {patience.held_up_by}."
        " End that session, or wait for it, and start again; LOCK_WAIT_SECONDS sets how long to try"
    )
