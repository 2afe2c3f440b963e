"""What the tests of faults share: a laboratory on each server, and how much they try."""

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
    """Databases in every state and starts to disturb, on each server."""
    return Laboratory(server, forks)
