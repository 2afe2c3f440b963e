"""What the tests of a start share."""

from pathlib import Path

import pytest
from installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A copy of the program, whose files a test may edit."""
    return Installation(tmp_path / "timetracker")
