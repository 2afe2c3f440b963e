"""Yoyo's lock is a row: who wrote it, whether its writer is alive, and how a start takes it.

Our row bears the negative backend pid: whoever holds the advisory lock and meets a negative row knows that its
writer is dead. A positive row is a person's yoyo, which stays connected as long as it holds the row: it is
removed when no session of this database can be that yoyo's, and waited for while one can.
"""

from contextlib import suppress
from datetime import UTC, datetime

from psycopg2.errors import DuplicateTable, LockNotAvailable, UndefinedTable, UniqueViolation

from startup import log
from startup.catalog import question
from startup.errors import LockTimeoutError
from startup.sessions import describe

NAMED_SESSIONS = 3  # in one message


def has_row(cursor) -> bool:
    """Tell whether anybody, dead or alive, has a lock row; there may be no table for it yet."""
    cursor.execute("SELECT to_regclass('yoyo_lock') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return False
    try:
        cursor.execute("SET LOCAL lock_timeout = '1s';\nSELECT EXISTS (SELECT FROM yoyo_lock)")
    except LockNotAvailable:
        return True  # and is at it
    return cursor.fetchone()[0]


class YoyoRow:
    """Yoyo's lock row, as a start sees it that holds the advisory lock."""

    def __init__(self, connection, pooled: bool = False):
        self._cursor = connection.cursor()
        self._pooled = pooled
        self._bystanders = ["psql"]
        if "application_name" not in connection.info.dsn_parameters:  # else a yoyo may bear our name
            self._bystanders.append(connection.info.dsn_parameters["fallback_application_name"])
        self._has_table = False
        self._row: tuple | None = None  # pid, ctime, since
        self._candidates: list[tuple] = []  # pid, role, application, address, is yoyo's
        self._taken: datetime | None = None

    def is_free(self) -> bool:
        """Tell whether the row can be had; one of a dead writer is removed."""
        try:
            self._make_table()
            self._remove_of_starts()
            if not self.is_held() and self._row:
                self._remove_of_yoyo()
        except LockNotAvailable:
            self._row = None  # what was seen before may be gone
            return False
        return not self._is_alive()

    def is_held(self) -> bool:
        """Tell whether a person's yoyo holds the row that may be alive."""
        self._look()
        return self._is_alive()

    def take(self) -> bool:
        """Write the row; gives false where somebody else was quicker."""
        self._taken = datetime.now(UTC).replace(tzinfo=None)
        try:
            self._write(
                "INSERT INTO yoyo_lock (locked, ctime, pid)"
                " VALUES (1, timezone('utc', now()), -pg_backend_pid()) ON CONFLICT DO NOTHING"
            )
        except LockNotAvailable:
            return False
        return self._cursor.rowcount == 1

    def take_in_transaction(self) -> bool:
        """Write the row within the transaction of the caller; gives false where somebody else holds it.

        The table, where there was none, goes with that transaction. Whoever wants to write the row waits for its end.
        Raises LockNotAvailable.
        """
        try:
            self._write(question("yoyo_lock"))
        except (DuplicateTable, UniqueViolation):  # a yoyo run by hand made it in the same moment
            return False
        self._write("LOCK TABLE yoyo_lock IN SHARE ROW EXCLUSIVE MODE")
        self._remove_of_starts()
        if self.is_held():
            return False
        if self._row:
            self._remove_of_yoyo()
        return self.take()

    def forget(self) -> None:
        """Know that the row was rolled back."""
        self._taken = None

    def require(self) -> None:
        """Raise LockTimeoutError when the row that was taken is gone."""
        with suppress(UndefinedTable):
            self._cursor.execute("SELECT FROM yoyo_lock WHERE pid = -pg_backend_pid()")
            if self._cursor.rowcount == 1:
                return
        raise LockTimeoutError(
            "Yoyo's lock row, which this start held, is gone: somebody ran yoyo break-lock. Nothing more is applied;"
            f" {self._what_stays()}. See that no other yoyo or start is at work, then start again"
        )

    def give_back(self) -> None:
        """Remove the row, if it was taken."""
        if self._taken:
            with suppress(UndefinedTable, LockNotAvailable):  # the next start removes what is left
                self._write("DELETE FROM yoyo_lock WHERE pid = -pg_backend_pid()")

    def name_holder(self) -> str:
        """Say who holds the row, since when, and how much is known of its being alive."""
        if self._row is None:
            return self._name_writers()
        pid, _, since = self._row
        shown = describe(self._cursor, [candidate[0] for candidate in self._candidates[:NAMED_SESSIONS]])
        more = len(self._candidates) - NAMED_SESSIONS
        sessions = "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
        if not self._candidates:
            evidence = "of which a pooler hides whether it is alive"
        elif any(is_yoyos for *_, is_yoyos in self._candidates):
            evidence = f"alive: {sessions}"
        else:
            evidence = f"perhaps alive: {sessions}"
        return (
            f"a yoyo run by hand holds it (process {pid} on its machine, since {since} UTC), {evidence}."
            " If it is gone: yoyo break-lock"
        )

    def _write(self, statement: str, parameters: tuple = ()) -> None:
        """Run a statement that must not wait long for whoever has written the row and not committed that.

        Raises LockNotAvailable.
        """
        self._cursor.execute(f"SET LOCAL lock_timeout = '1s';\n{statement}", parameters)

    def _make_table(self) -> None:
        if not self._has_table:
            with suppress(DuplicateTable, UniqueViolation):  # a yoyo run by hand made it in the same moment
                self._write(question("yoyo_lock"))
            self._has_table = True

    def _remove_of_starts(self) -> None:
        self._write("DELETE FROM yoyo_lock WHERE pid < 0 RETURNING -pid, to_char(ctime, 'YYYY-MM-DD HH24:MI:SS')")
        for pid, since in self._cursor.fetchall():
            log.notice(
                f"Removed the lock row of a start that died (backend {pid}, since {since} UTC):"
                " the advisory lock that it would hold was free"
            )

    def _remove_of_yoyo(self) -> None:
        pid, written, since = self._row
        self._write("DELETE FROM yoyo_lock WHERE pid = %s AND ctime IS NOT DISTINCT FROM %s", (pid, written))
        if self._cursor.rowcount:
            log.notice(
                f"Removed the lock row of a yoyo run by hand that died (process {pid} on its machine,"
                f" since {since} UTC): no session that could be its is connected to this database"
            )

    def _look(self) -> None:
        """Read the row and the sessions that may hold it.

        Only those that were there when the row was first seen can, and what the same yoyo opened later for its
        next migration: it comes from the same place, under the same name.
        """
        self._cursor.execute(question("yoyo_lock_holder"), {"bystanders": self._bystanders})
        found = self._cursor.fetchall()
        row = found[0][:3] if found else None
        sessions = [line[3:] for line in found if line[3] is not None]
        if row and row == self._row:
            kinds = {session[1:4] for session in self._candidates}
            sessions = [session for session in sessions if session[1:4] in kinds]
        self._row, self._candidates = row, sessions

    def _is_alive(self) -> bool:
        return bool(self._row and (self._candidates or self._pooled))

    def _name_writers(self) -> str:
        self._cursor.execute(question("yoyo_lock_writers"))
        pids = [pid for (pid,) in self._cursor.fetchall()]
        if not pids:
            return "its holder has just let it go"
        named = describe(self._cursor, pids) or ["a prepared transaction, which pg_prepared_xacts names"]
        return f"somebody has written yoyo's lock row and not committed it ({'; '.join(named)})"

    def _what_stays(self) -> str:
        self._cursor.execute(
            "SELECT migration_id FROM _yoyo_migration WHERE applied_at_utc >= %s ORDER BY applied_at_utc, migration_id",
            (self._taken,),
        )
        ids = [id for (id,) in self._cursor.fetchall()]
        if not ids:
            return "nothing had been applied yet"
        return f"{', '.join(ids)} {'stays' if len(ids) == 1 else 'stay'} applied"
