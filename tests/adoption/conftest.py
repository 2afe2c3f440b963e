"""What the tests of adoption share: starts that cost little, and the role that other people's grants name."""

import pytest
from faults.laboratory import Laboratory


@pytest.fixture(scope="session")
def laboratory(server, forks) -> Laboratory:
    """Starts on old databases, on each server."""
    server.execute("DO $$ BEGIN IF to_regrole('old_reader') IS NULL THEN CREATE ROLE old_reader; END IF; END; $$")
    return Laboratory(server, forks)
