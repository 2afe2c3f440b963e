"""What the tests of faults share: a laboratory on each server, and how much they try."""

import pytest
from faults.laboratory import Laboratory


@pytest.fixture(scope="session")
def laboratory(server, forks) -> Laboratory:
    """Databases in every state and starts to disturb, on each server."""
    return Laboratory(server, forks)
