"""What a typed text may hold: sentences for what it may not."""

import re
import unicodedata
from collections.abc import Callable

from wtforms import Field, Form, ValidationError
from wtforms.validators import StopValidation

Validator = Callable[[Form, Field], None]

# What joins letters of some scripts, and emoji.
JOINERS = "\u200c\u200d"


class NoCharacters:
    """Refuses characters of some categories of Unicode, but for those in `allowed`."""

    def __init__(self, categories: tuple[str, ...], allowed: str):
        self._categories, self._allowed = categories, allowed

    def __call__(self, form: Form, field: Field) -> None:
        typed = "".join(text for text in field.raw_data or [] if isinstance(text, str)) or str(field.data or "")
        if any(unicodedata.category(each) in self._categories for each in typed if each not in self._allowed):
            raise ValidationError("There are characters in it that cannot be seen. Type it anew instead of pasting it.")


class NoControlCharacters(NoCharacters):
    """Refuses what no keyboard types and PostgreSQL partly cannot keep: NUL and the like. `lines` lets lines end."""

    def __init__(self, lines: bool = False):
        super().__init__(("Cc", "Cs"), "\t\r\n" if lines else "\t")


class NoUnseenCharacters(NoCharacters):
    """Refuses those too that turn the direction of what follows or take no room: one name would look like another.

    `allowed` are those that pass all the same.
    """

    def __init__(self, allowed: str = ""):
        super().__init__(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"), allowed)


def stripped(text: str | None) -> str:
    """Return the text without blanks at its ends; a filter for fields."""
    return (text or "").strip()


def plain_lines(text: str | None) -> str:
    """Return the text of a textarea with the line ends of Unix and without blanks at its ends."""
    return re.sub(r"\r\n?", "\n", text or "").strip()


def search_text(typed: str | None) -> str:
    """Return what is searched for, as a query can take it."""
    return " ".join((typed or "").replace("\0", " ").split())[:200]


def filled(sentence: str) -> Validator:
    """Refuse a field that is empty, or not there, with that sentence."""

    def check(form: Form, field: Field) -> None:
        if not field.data:
            raise StopValidation(sentence)

    return check


def at_most(count: int) -> Validator:
    """Refuse what is longer than that many characters; nothing else is asked of it then."""

    def check(form: Form, field: Field) -> None:
        if len(field.data or "") > count:
            raise StopValidation(f"At most {count:,} characters fit; these are {len(field.data):,}.")

    return check
