"""What the tests of adoption share: starts that cost little, and the role that other people's grants name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.forks import Forks
from faults.laboratory import Laboratory

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A process that forks starts."""
    with Forks(ROOT) as lent:
        yield lent


@pytest.fixture(scope="session")
def laboratory(server, forks) -> Laboratory:
    """Starts on old databases, on each server."""
    server.execute("DO $$ BEGIN IF to_regrole('old_reader') IS NULL THEN CREATE ROLE old_reader; END IF; END; $$")
    return Laboratory(server, forks)
