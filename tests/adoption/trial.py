"""Building an old database, letting a start adopt it, and looking at what came of it."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

from adoption.checks import (
    picture_of,
    require_arrival,
    require_no_write,
    require_refusal,
    require_same_catalog,
)
from adoption.traits import Trait, statements_for
from faults.laboratory import Laboratory
from faults.proxy import MOMENTS, Place
from installation import contents_of, yoyo


@contextlib.contextmanager
def told(laboratory: Laboratory, traits: list[Trait], statements: str) -> Iterator[None]:
    """Add to a failure the SQL of the database, which becomes a test with a name."""
    try:
        yield
    except Exception as error:
        names = ", ".join(repr(trait.name) for trait in traits)
        error.add_note(f"on PostgreSQL {laboratory.server.version}, of these traits: {names}\n{statements}")
        raise


@contextlib.contextmanager
def old_database(laboratory: Laboratory, statements: str) -> Iterator[Any]:
    """Lend a database that the statements make."""
    with laboratory.server.new_database() as database:
        database.execute(statements)
        yield database


def try_adoption(
    laboratory: Laboratory, rows: str, traits: list[Trait], *, kill: Place | None = None, by_hand: bool = False
) -> None:
    """Let a start adopt a database of these traits; on demand one is killed before, or yoyo does it as well."""
    statements = statements_for(rows, traits)
    with told(laboratory, traits, statements):
        require_adoption(laboratory, statements, traits, kill=kill, by_hand=by_hand)


def require_adoption(
    laboratory: Laboratory, statements: str, traits: list[Trait], *, kill: Place | None = None, by_hand: bool = False
) -> None:
    """See that the database of these statements arrives, and stays as it is afterwards."""
    with old_database(laboratory, statements) as database:
        before = picture_of(database)
        if kill:
            laboratory.interrupted(database, kill, lambda start: start.kill())
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        after = require_arrival(before, database, traits)
        require_no_write(database, lambda: laboratory.forks.run("migrate", url=database.url))
    if by_hand:
        with old_database(laboratory, statements) as database:
            applied = yoyo(database, "apply", "--batch")
            assert applied.returncode == 0, applied.stdout + applied.stderr
            require_same_catalog(picture_of(database), after)


def try_refusal(laboratory: Laboratory, rows: str, traits: list[Trait]) -> None:
    """Let a start meet a database that cannot arrive."""
    statements = statements_for(rows, traits)
    with told(laboratory, traits, statements), old_database(laboratory, statements) as database:
        before = contents_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        require_refusal(before, database, start, traits)


def place_in(rng: random.Random) -> Place:
    """A place in a start: many are in the adoption itself."""
    return Place(rng.randint(5, 150), rng.choice(MOMENTS))
