"""The board: its columns, and what moving a task between them notes."""

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

COLUMNS = {"pending": "Pending", "in_progress": "In progress", "done": "Done"}
PRIORITIES = {"urgent": "Urgent", "high": "High", "medium": "Medium", "low": "Low"}

# The buttons of a card in that column: where each leads. The card of a status that is none of ours may go anywhere.
WAYS = {"pending": ("in_progress",), "in_progress": ("pending", "done"), "done": ("in_progress",)}


class Times(NamedTuple):
    """When a task was started and completed (UTC, no zone); None for not yet."""

    started_at: datetime | None
    completed_at: datetime | None


def times_after_move(target: str, times: Times, now: datetime) -> Times:
    """Return the times of a task that is moved to the column `target` at the moment `now` (UTC, no zone).

    It was started when it first left the pending ones, and stays so. It is completed only while it is done.
    """
    if target == "done":
        return Times(times.started_at or now, now)
    if target == "in_progress":
        return Times(times.started_at or now, None)
    return Times(times.started_at, None)


def is_back(status: str, target: str) -> bool:
    """Tell whether the column `target` lies before the one of `status`."""
    order = list(COLUMNS)
    return status in order and order.index(target) < order.index(status)


def place(card_id: int, priority: str, due: date | None) -> str:
    """Return a text by which the cards of a column sort: the urgent first, then the soonest due.

    The column of what is done goes by when it was done.
    """
    rank = list(PRIORITIES).index(priority if priority in PRIORITIES else "medium")
    return f"{rank} {due or date.max:%Y-%m-%d} {card_id:010}"


def estimated_minutes(hours: Decimal | None) -> int | None:
    """Return an estimate in whole minutes, half up: two decimals of an hour are finer than a minute."""
    if hours is None or not hours.is_finite():
        return None
    return int((hours * 60).quantize(Decimal(1), ROUND_HALF_UP))


def word(status: str) -> str:
    """Return how a status, or a priority, is written; a word that is none of ours as it stands."""
    return COLUMNS.get(status) or PRIORITIES.get(status) or status
