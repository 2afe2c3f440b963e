"""The sentence about time that is in two entries at once: that is saved, and said."""

from flask import flash

from app import formats
from app.queries.time_entries import Overlap


def tell(others: list[Overlap]) -> None:
    """Name the other entries that take the time of what was written, if there are any."""
    if others:
        names = ", ".join(
            f"“{formats.shortened(other.notes or other.project or 'no notes')}” "
            f"{formats.clock(other.start)} to {formats.clock(other.end) if other.end else 'now'}"
            for other in others
        )
        flash(f"It was saved, but takes time that is also in {names}", "overlap")
