"""Adopting a database of the predecessor: every transactional file, the defaults and the proof in one transaction.

Before it commits nothing is left behind, not even yoyo's row: a database that is refused is as it was. What stands in
the way is told, each thing in a line of its own.
"""

import time

import psycopg2

from startup import backup, defaults, log
from startup.adoption_report import read_rows, tell
from startup.apply import Ledger, held_up, tell_applied
from startup.catalog import State, question, read_snapshot, read_state, table_of, type_of
from startup.configuration import Configuration
from startup.diagnostics import message_of, statement_of
from startup.differences import Difference, in_the_way
from startup.errors import ConnectionLostError, MigrationFailedError
from startup.local_times import localize, require_known
from startup.lock import refuse_while_locked
from startup.migrations import MigrationFile, adoption_is_due
from startup.patience import Patience, passes
from startup.report import describe
from startup.verification import Verification, compare

REFUSED = "TT001"  # the SQLSTATE with which 0006-adopt-values names all obstacles, each in a line of its DETAIL


def adopt(connection, state: State, files: list[MigrationFile], lock, configuration: Configuration) -> None:
    """Apply the transactional files among those pending, and tell what was done; with a backup before, if wanted.

    `lock` is the StartLock, without yoyo's row: afterwards it has it. Raises MigrationFailedError where something
    stands in the way, with a sentence for each thing, and what backup.make() raises.
    """
    began, adoption = time.perf_counter(), Adoption(connection, state, files, configuration)
    dump = backup.make(connection, configuration)
    try:
        while not adoption.run(lock.take_row):
            lock.drop_row()
            lock.wait_for_row()
        if adoption.was_overtaken:
            lock.drop_row()
            lock.obtain_row()
    except BaseException:
        lock.drop_row()
        if dump and not (adoption.may_be_committed or adoption.was_overtaken):
            backup.discard(dump)
        raise
    if adoption.was_overtaken:
        log.write("Somebody began to apply the migrations by hand meanwhile: going on from there")
        return
    for applied in adoption.applied:
        tell_applied(*applied)
    tell(adoption.report)
    defaults.tell(adoption.inserted)
    log.step("Adopted the database; python runner.py report tells again what was found and done", began)


def rehearse(connection, state: State, files: list[MigrationFile], configuration: Configuration) -> "Adoption":
    """Do the same and roll it back; give what was seen.

    Raises MigrationFailedError for what would stand in the way, LockTimeoutError while somebody else migrates.
    """
    adoption = Adoption(connection, state, files, configuration, is_rehearsal=True)

    def begin() -> bool:
        refuse_while_locked(connection, state.schema)
        return True

    adoption.run(begin)
    return adoption


class Adoption:
    """One transaction, tried again while others hold locks that it needs. Raises UsageError for an unknown time zone.

    tables    those that are locked before anything else
    applied   the files that were run, each with when that began and ended
    report    the rows of adoption_report
    inserted  the defaults that were inserted
    may_be_committed  whether it came as far as COMMIT
    was_overtaken  whether somebody applied migrations by hand meanwhile, so that there was nothing to adopt
    """

    def __init__(self, connection, state: State, files: list[MigrationFile], configuration, is_rehearsal=False):
        if configuration.legacy_timezone:
            require_known(connection, configuration.legacy_timezone, "LEGACY_TIMEZONE")
        self._connection = connection
        self._pending = files
        self._files = [file for file in files if file.transactional]
        self._configuration = configuration
        self._is_rehearsal = is_rehearsal
        self._state = state
        self._ours = sorted({table_of(name) for name in read_snapshot()})
        self.tables = {name: state.qualified(name) for name in self._ours if state.has_table(name)}
        self._forget()

    def _forget(self) -> None:
        self._obstacles, self.report, self.applied, self.inserted = [], [], [], []
        self.may_be_committed = self.was_overtaken = False

    def run(self, begin) -> bool:
        """Adopt; gives false, with everything rolled back, where begin() gives false inside the transaction."""
        seconds = self._configuration.lock_wait_seconds
        with Patience(self._connection, seconds) as patience:
            try:
                has_begun = patience.run("adoption", "adopting the database", lambda: self._attempt(begin, patience))
            except psycopg2.Error as error:
                if self._connection.closed:
                    raise ConnectionLostError(message_of(error), "the adoption") from error
                self.may_be_committed = False
                if passes(error):
                    raise held_up("The adoption", "was rolled back", error, patience) from error
                self._obstacles = [_failure("The adoption", error)]
        if self._obstacles:
            raise self._refusal()
        return has_begun

    def _attempt(self, begin, patience: Patience) -> bool:
        self._forget()
        ledger = Ledger(self._connection)
        with ledger.transaction(rollback_on_exit=True) as transaction:
            self._lock_tables(ledger)
            if not begin():
                return False
            # The dump, or the wait for somebody else, may have taken long.
            if not adoption_is_due(read_state(self._connection), self._pending):
                self.was_overtaken = True
                return True
            ledger.ensure_internal_schema_updated()
            self._apply(ledger, patience)
            if self._configuration.legacy_timezone and not self._obstacles:
                patience.tell("adopting the database: converting local times")
                localize(self._connection, self._configuration.legacy_timezone)
            self.report = read_rows(self._connection)
            if not self._obstacles:
                patience.tell("adopting the database: verifying it")
                self._prove_and_complete()
            transaction.rollback_on_exit = self._is_rehearsal or bool(self._obstacles)
            self.may_be_committed = not transaction.rollback_on_exit
        return True

    def _lock_tables(self, ledger: Ledger) -> None:
        """Lock what is there against everybody, all at once, so that nobody writes to a half-adopted database."""
        ledger.execute("SET LOCAL lock_timeout = '1s'")
        with self._connection.cursor() as cursor:  # not execute(), which takes % for a parameter
            cursor.execute(f"LOCK TABLE {', '.join(self.tables.values())} IN ACCESS EXCLUSIVE MODE")

    def _apply(self, ledger: Ledger, patience: Patience) -> None:
        for file in self._files:
            patience.tell(f"adopting the database: {file.id}")
            began = time.perf_counter()
            try:
                ledger.apply_once(file)
            except psycopg2.Error as error:
                if self._connection.closed or passes(error):
                    raise
                self._obstacles = self._causes(error) or _obstacles(file, error)
                return
            self.applied.append((file, began, time.perf_counter()))

    def _causes(self, error: psycopg2.Error) -> list[str]:
        """What is known to make a file fail in this way, with what mends it."""
        in_place = [describe(found) for name in self._ours if (found := in_the_way(name, self._state))]
        with self._connection.cursor() as cursor:
            cursor.execute(question("adoption_causes"), {"schema": self._state.schema})
            return in_place + [text for sqlstate, text, _ in cursor.fetchall() if sqlstate == error.pgcode]

    def _prove_and_complete(self) -> None:
        """See that nothing is wrong but that the defaults are missing, and that new rows go in; then insert those."""
        verification = compare(read_state(self._connection))
        self._obstacles = [describe(difference) for difference in verification.errors] or self._try(verification)
        if self._obstacles or not defaults.missing(verification.state):
            return
        with self._connection.cursor() as cursor:
            cursor.execute(question("guard_sequences"))
        try:
            self.inserted = defaults.insert(self._connection, self._configuration)
        except MigrationFailedError as error:
            self._obstacles = list(error.problems)

    def _try(self, verification: Verification) -> list[str]:
        """Insert rows on trial where something of somebody else's might refuse them; give what did, and what to do."""
        doubtful = [found for found in verification.differences if _may_refuse(found)]
        if not doubtful:
            return []
        with self._connection.cursor() as cursor:
            cursor.execute(question("trial"))
            refused = cursor.fetchall()
        obstacles = []
        for table, message, constraint in refused:
            remedies = [found.remedy for found in doubtful if table_of(found.object) == table]
            named = [remedy for remedy in remedies if constraint and f" {constraint} " in f"{remedy} "]
            remedy = "; or: ".join(named or remedies) or "python runner.py verify lists what is not TimeTracker's own"
            obstacles.append(f"table {table}: a new row is refused: {message}. To mend it: {remedy}")
        return obstacles

    def _refusal(self) -> MigrationFailedError:
        tell([row for row in self.report if row.step == "found"])
        return MigrationFailedError(
            *self._obstacles,
            "The database was not adopted, and nothing in it was changed: mend what is named above, then start again;"
            " python runner.py plan rehearses it",
        )


def _obstacles(file: MigrationFile, error: psycopg2.Error) -> list[str]:
    """What a file names as standing in the way, or why it failed."""
    if error.pgcode == REFUSED and error.diag.message_detail:
        return error.diag.message_detail.splitlines()
    return [_failure(file.id, error)]


def _may_refuse(found: Difference) -> bool:
    """Whether a difference may keep all new rows out: a check, an exclusion or a trigger. A key lets some in."""
    is_doubtful = (found.kind, found.severity) == ("extra", "warning")
    return is_doubtful and type_of(found.object) not in ("index", "unique", "foreign key")


def _failure(what: str, error: psycopg2.Error) -> str:
    return f"{what} failed: {message_of(error)}. Statement: {statement_of(error)}"
