"""Whether a password is right, in the same time for everybody; how it is kept stands in startup/passwords.py."""

import threading

from argon2.exceptions import InvalidHashError, VerificationError

from startup import passwords as kept_as
from startup.passwords import SHORTEST, hasher, normal, problem_with

__all__ = ["SHORTEST", "hash_of", "is_outdated", "is_right", "problem_with"]

# What is computed where there is no hash, so that the answer takes as long: of a password that nobody has.
OF_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$PTSiLqHVpbMC2uY+8MCHtQ$pl4eLgXRehQnQZk9XT9vxApFqFNPSeYUE8m5nAy1i1g"

# A computation takes 19 MiB: one at a time bounds what a crowd at the door costs each worker.
_one_at_a_time = threading.Lock()


def hash_of(password: str) -> str:
    """Return the hash that is kept of a password."""
    with _one_at_a_time:
        return kept_as.hash_of(password)


def is_right(password: str, kept: str | None) -> bool:
    """Tell whether `password` is the one behind the hash; takes as long where there is none."""
    try:
        with _one_at_a_time:
            return hasher().verify(kept or OF_NOBODY, normal(password)) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Tell whether the hash was made with other parameters than those of this version."""
    return hasher().check_needs_rehash(kept)
