"""How long somebody has to wait before the next attempt to sign in. The attempts are rows of sign_in_failures.

What counts is the name together with the address, so that nobody can lock somebody else out from afar. Where a name is
tried from many addresses, each of them gets one attempt instead of five; an address that tries many names waits too.
"""

import math
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

WINDOW = timedelta(hours=1)  # how long a failure counts
FREE = 5  # attempts at a name from an address before the first wait
FREE_UNDER_ATTACK = 1
ATTACK = 20  # failures of one name, from wherever, that are an attack on it
FREE_OF_ADDRESS = 50  # attempts from one address: an office may share it
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)


class Failures(NamedTuple):
    """The failures within WINDOW, and when the last ones were (UTC, no zone; None where there are none)."""

    of_both: int  # of this name from this address
    last_of_both: datetime | None
    of_name: int
    of_address: int
    last_of_address: datetime | None


def next_attempt_at(failures: Failures) -> datetime | None:
    """Return the moment from which the next attempt is allowed; None where it always was."""
    free = FREE if failures.of_name < ATTACK else FREE_UNDER_ATTACK
    moments = [
        last + wait_after(count - limit)
        for count, limit, last in (
            (failures.of_both, free, failures.last_of_both),
            (failures.of_address, FREE_OF_ADDRESS, failures.last_of_address),
        )
        if last is not None and count >= limit
    ]
    return max(moments, default=None)


def wait_after(excess: int) -> timedelta:
    """Return how long to wait: each failure over the limit doubles it."""
    return min(FIRST_WAIT * 2 ** min(excess, 16), LONGEST_WAIT)


def source_of(address: str | None) -> str:
    """Return what an address counts as: of IPv6 the network, of which one machine has all the addresses."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return (address or "")[:50]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)


def too_soon(wait: timedelta) -> tuple[str, dict[str, str]]:
    """Return the sentence and the headers of the answer (429) to who has to wait."""
    seconds = math.ceil(wait.total_seconds())
    return f"There were too many attempts. Try again in {in_words(wait)}.", {"Retry-After": str(seconds)}


def in_words(wait: timedelta) -> str:
    """Return a wait as people say it: `40 seconds`, `15 minutes`; rounded up."""
    seconds = max(1, -(-wait // timedelta(seconds=1)))
    if seconds < 120:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    return f"{-(-seconds // 60)} minutes"
