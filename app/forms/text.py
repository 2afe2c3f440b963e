"""What a typed text may hold: sentences for what it may not."""

import re
from collections.abc import Callable

from wtforms import Field, Form, ValidationError
from wtforms.validators import StopValidation

Validator = Callable[[Form, Field], None]

# Characters that are not seen: controls, and those that turn the direction of what follows, so that a name looks like
# another one. What joins letters or emoji is none of them.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
UNSEEN_IN_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def stripped(text: str | None) -> str:
    """Return the text without blanks at its ends; a filter for fields."""
    return (text or "").strip()


def plain_lines(text: str | None) -> str:
    """Return the text of a textarea with the line ends of Unix and without blanks at its ends."""
    return re.sub(r"\r\n?", "\n", text or "").strip()


def filled(sentence: str) -> Validator:
    """Refuse a field that is empty, or not there, with that sentence."""

    def check(form: Form, field: Field) -> None:
        if not field.data:
            raise StopValidation(sentence)

    return check


def at_most(count: int) -> Validator:
    """Refuse what is longer than that many characters."""

    def check(form: Form, field: Field) -> None:
        if len(field.data or "") > count:
            raise ValidationError(f"At most {count:,} characters fit; these are {len(field.data):,}.")

    return check


def one_line(form: Form, field: Field) -> None:
    """Refuse characters that are not seen, line ends among them."""
    if UNSEEN.search(field.data or ""):
        raise ValidationError("This has characters that cannot be seen. Type it anew instead of pasting it.")


def lines(form: Form, field: Field) -> None:
    """Refuse characters that are not seen, but for line ends."""
    if UNSEEN_IN_LINES.search(field.data or ""):
        raise ValidationError("This has characters that cannot be seen. Type it anew instead of pasting it.")
