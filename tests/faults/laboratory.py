"""Where starts are disturbed: databases in every state, starts that are interrupted at a place, and what must hold."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from faults.forks import Forks, Start
from faults.outcome import Outcome, outcome_of, require_same
from faults.proxy import Place, Proxy
from faults.rows import fill

from startup.apply import apply_migrations
from startup.migrations import read_folder

LEGACY = Path(__file__).parents[1] / "legacy"

# What a start has to mend, something of each kind.
DAMAGE = """
    DROP TABLE analytics;
    DROP TRIGGER update_users_updated_at ON users;
    DROP INDEX idx_projects_status, idx_time_entries_start_time;
    ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_fkey;
    ALTER TABLE invoices DROP CONSTRAINT invoices_invoice_number_key;
    ALTER TABLE projects ALTER status DROP DEFAULT;
    ALTER TABLE time_entries DROP COLUMN tags;
"""


class Undisturbed(NamedTuple):
    """A start that nobody disturbed: its statements, and what it made of the database.

    A crash may skip numbers of a sequence: `unnumbered` is the outcome without the ids that this would change.
    """

    statements: list[str]
    outcome: Outcome
    unnumbered: Outcome

    def describe(self, place: Place) -> str:
        """The place in words."""
        statement = " ".join(self.statements[place.number - 1].split())
        return f"{place.moment} statement {place.number}: {statement[:200]}"


class Laboratory:
    """A server with databases in every state of ORIGINS, and a program to start on them."""

    def __init__(self, server: Any, forks: Forks):
        self.server = server
        self.forks = forks
        self._undisturbed: dict[str, Undisturbed] = {}

    def database(self, origin: str) -> contextlib.AbstractContextManager[Any]:
        """Lend a database in this state."""
        return self.copy(origin, lambda made: ORIGINS[origin](made, self))

    @contextlib.contextmanager
    def copy(self, name: str, prepare: Callable[[Any], None]) -> Iterator[Any]:
        """Lend a copy of the database that `prepare` makes of an empty one, once."""
        template = f"origin_{name.replace(' ', '_')}"
        if template not in self.server.templates:
            with self.server.new_database() as made:
                prepare(made)
                self.server.execute(f"CREATE DATABASE {template} OWNER owner TEMPLATE {made.name}")
            self.server.templates.add(template)
        with self.server.new_database(template) as lent:
            yield lent

    def undisturbed(self, origin: str) -> Undisturbed:
        """A start from this state to its end."""
        if origin not in self._undisturbed:
            with self.database(origin) as database:
                start, statements = self.interrupted(database, Place(0, "never"), lambda start: None)
                assert start.code == 0, start.said
                self._undisturbed[origin] = Undisturbed(
                    statements, outcome_of(database), outcome_of(database, numbered=False)
                )
        return self._undisturbed[origin]

    def interrupted(
        self,
        database: Any,
        place: Place,
        action: Callable[[Start], object],
        meanwhile: Callable[[], object] = lambda: None,
        url: Callable[[str], str] = str,
    ) -> tuple[Start, list[str]]:
        """Let a start run to its end, which `action` may bring; give it and the statements that it came to.

        `action` runs in a thread of the proxy, `meanwhile` in the caller's, and `url` changes the URL of the proxy.
        """
        with Proxy(self.server.port) as proxy:
            started: list[Start] = []
            proxy.interrupt(place, lambda: action(started[0]))
            with self.forks.start("migrate", url=url(proxy.url(database.url)), before=started.append) as start:
                meanwhile()
            return start, proxy.statements

    def killed(self, database: Any, place: Place) -> Start:
        """Let a start run until it is killed at this place, or is through before."""
        start, statements = self.interrupted(database, place, Start.kill)
        assert start.code == (0 if len(statements) < place.number else -9), start.said
        return start

    def require_convergence(self, database: Any, expected: Outcome, *, numbered: bool = True) -> None:
        """See that the next start, by itself, brings the database to where it would be without the disturbance."""
        start = self.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        require_same(outcome_of(database, numbered=numbered), expected)

    @contextlib.contextmanager
    def telling(self, place: Place, undisturbed: Undisturbed) -> Iterator[None]:
        """Add to a failure where the start was disturbed."""
        try:
            yield
        except AssertionError as error:
            error.add_note(f"on PostgreSQL {self.server.version}, disturbed {undisturbed.describe(place)}")
            raise


def _filled(database: Any, laboratory: Laboratory) -> None:
    """Current, and in use."""
    assert laboratory.forks.run("migrate", url=database.url).code == 0
    fill(database)


def _damaged(database: Any, laboratory: Laboratory) -> None:
    _filled(database, laboratory)
    database.execute(DAMAGE)


def _half_migrated(database: Any, laboratory: Laboratory) -> None:
    """Half of the migrations applied, with rows in the tables made so far."""
    files = read_folder()
    apply_some(database, files[: len(files) // 2])


def apply_some(database: Any, files: list) -> None:
    """Apply migrations and no more, and put rows into the tables that they made."""
    with contextlib.closing(database.connect()) as connection:
        apply_migrations(connection, files, seconds=60)
    fill(database)


def _older(name: str) -> Callable[[Any, Laboratory], None]:
    """A database of an earlier release."""
    return lambda database, _: database.execute((LEGACY / f"{name}.sql").read_text(encoding="utf-8"))


ORIGINS: dict[str, Callable[[Any, Laboratory], None]] = {
    "empty": lambda database, _: None,
    "half migrated": _half_migrated,
    "older": _older("04-v105-sql-4tables"),
    "damaged": _damaged,
}
