"""Whether the database still has the schema that this version needs, read anew now and then while serving."""

import threading
import time
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection

from startup.verification import Verification, verify

REREAD_SECONDS = 30


class Readiness:
    """What one worker last saw in the catalog."""

    def __init__(self) -> None:
        self._one_reading = threading.Lock()
        self._verification: Verification | None = None
        self._verified_at = datetime.min
        self._read_again_at = 0.0

    def verification(self, connection: Connection) -> tuple[Verification, datetime]:
        """Return a verification that is at most REREAD_SECONDS old, and when it was made."""
        with self._one_reading:
            if self._verification is None or time.monotonic() >= self._read_again_at:
                self._verification = verify(connection)
                self._verified_at = datetime.now(UTC)
                self._read_again_at = time.monotonic() + REREAD_SECONDS
            return self._verification, self._verified_at
