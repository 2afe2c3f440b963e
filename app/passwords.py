"""Passwords are kept as hashes of Argon2id."""

import functools

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The least that OWASP asks for: 19 MiB, two passes, one lane.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_of(password: str) -> str:
    """Return the hash that is kept of a password."""
    return HASHER.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Tell whether `password` is the one behind the hash; takes as long where there is none."""
    try:
        return HASHER.verify(kept or _of_nobody(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _of_nobody() -> str:
    return HASHER.hash("nobody has this password")
