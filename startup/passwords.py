"""What a password must be, and how it is kept: as a hash of Argon2id. Shared by the start and the app."""

import functools
import unicodedata

SHORTEST = 12
LONGEST = 1000  # so that nobody can keep the hash busy with megabytes

# What the worst passwords are made of. No list of leaked ones: few of them have twelve characters.
GUESSED_FIRST = (
    "administrator", "timetracker", "qwertyuiop", "qwertzuiop", "asdfghjkl", "password", "passw0rd", "p@ssword",
    "p@ssw0rd", "passwort", "changeme", "iloveyou", "welcome", "letmein", "qwerty", "qwertz", "abcdef",
    "secret", "admin",
)  # fmt: skip


def problem_with(password: str, username: str) -> str | None:
    """Return the sentence that says what is wrong with a new password of this user, or None."""
    known, name = password.casefold(), username.strip().casefold()
    if len(password) < SHORTEST:
        return f"A password has at least {SHORTEST} characters, and this one has {len(password)}."
    if len(password) > LONGEST:
        return f"A password has at most {LONGEST} characters."
    if len(set(known)) < 4:
        return "This password repeats so few characters that it is soon guessed."
    for word in sorted({name, *GUESSED_FIRST} - {""}, key=len, reverse=True):
        known = known.replace(word, "")
    if not known.strip("0123456789 .,-_!?"):
        return "This password is little more than the name or a word that is guessed first, or than digits."
    return None


def hash_of(password: str) -> str:
    """Return the hash that is kept of a password."""
    return hasher().hash(normal(password))


def normal(password: str) -> str:
    """Return the password as it is hashed: keyboards and systems compose the same letters in different ways."""
    return unicodedata.normalize("NFC", password)


@functools.cache
def hasher():
    """Return the argon2.PasswordHasher with the parameters of this version."""
    from argon2 import PasswordHasher  # a start with nothing to do loads it not

    # The least that OWASP asks for: 19 MiB, two passes, one lane.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
