"""Doing again what others held up: each try waits for a lock no longer than lock_timeout, so that nobody stalls."""

import time
from itertools import chain, repeat

import psycopg2
from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from startup import log
from startup.notices import Notices
from startup.observer import Observer

PAUSES = (0.5, 1, 2, 4, 8, 16)
LONGEST_PAUSE = 30

# How the SQLSTATE begins of what says nothing about the rows: somebody else's transaction, a full disk, a shutdown,
# a privilege that is not granted yet.
OF_THE_MOMENT = ("40", "53", "55", "57", "42501")


class Patience:
    """Runs what may meet other people's locks, again and again for up to `seconds` each; a context manager.

    Whoever is in the way is named, a long step tells of its progress, and what it raises as NOTICE or WARNING is
    shown. `before_each` is called before each try.
    """

    def __init__(self, connection, seconds: int, before_each=lambda: None):
        self._connection = connection
        self.seconds = seconds
        self._before_each = before_each
        self._observer = Observer(connection)
        self._notices = Notices(connection)

    def __enter__(self):
        self._observer.__enter__()
        return self

    def __exit__(self, *raised):
        self._observer.__exit__(*raised)

    def run(self, id: str, step: str, attempt):
        """Give what attempt() gives; `step` says what it does, such as 'applying 0010-time-entries'.

        Raises what attempt() raises unless it passes by itself, and that too once the time is over.
        """
        began = time.monotonic()
        for pause in chain(PAUSES, repeat(LONGEST_PAUSE)):
            self._before_each()
            self._notices.forget()
            self._observer.begin(step)
            try:
                result = attempt()
            except psycopg2.Error as error:
                left = self.seconds - (time.monotonic() - began)
                if not passes(error) or self._connection.closed or left <= 0:
                    self._observer.end()
                    self._notices.tell(id)
                    raise
                self._tell_of_pause(step, min(pause, left), left, error)
                time.sleep(min(pause, left))
            else:
                self._observer.end()
                self._notices.tell(id)
                return result

    def tell(self, step: str) -> None:
        """Say which part of a step begins, such as a file of several."""
        self._observer.begin(step)

    @property
    def held_up_by(self) -> str:
        """Who was in the way of the last step, and with what."""
        return self._observer.held_up_by or "who was in the way was not seen"

    def _tell_of_pause(self, step: str, pause: float, left: float, error: psycopg2.Error) -> None:
        log.notice(
            f"Held up while {step}: {self.held_up_by}. Gave way ({error.diag.message_primary});"
            f" next try in {pause:.1f} s, {left:.0f} s left"
        )


def passes(error: psycopg2.Error) -> bool:
    """Whether what failed may well succeed a moment later."""
    if isinstance(error, LockNotAvailable | DeadlockDetected | SerializationFailure):
        return True
    return "tuple concurrently" in (error.diag.message_primary or "")  # an internal error, without a code of its own


def passes_later(error: psycopg2.Error) -> bool:
    """Whether what failed may succeed at another start, though the rows stay as they are."""
    return passes(error) or (error.pgcode or "").startswith(OF_THE_MOMENT)
