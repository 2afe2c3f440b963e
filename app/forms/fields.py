"""Fields that several forms share, and what no field takes."""

import unicodedata
from typing import Any

from wtforms import Field, Form, SelectField, StringField, ValidationError

from app import tags


class NoControlCharacters:
    """Refuses what no keyboard types and PostgreSQL partly cannot keep, as NUL. `lines` lets new lines pass."""

    def __init__(self, lines: bool = False):
        self._allowed = "\t\r\n" if lines else "\t"

    def __call__(self, form: Form, field: Field) -> None:
        text = "".join(text for text in field.raw_data or [] if isinstance(text, str)) or str(field.data or "")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in text if character not in self._allowed):
            raise ValidationError("There are characters in it that cannot be shown. Type it anew.")


class TagsField(StringField):
    """Tags, separated by commas; `data` is how they are kept, None for none."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = tags.join(tags.split(valuelist[0] if valuelist else ""))

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else self.data or ""


class IdField(SelectField):
    """A choice among rows by their id; `data` is None for none. Whether the id may be chosen is checked by the view."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, coerce=_id, validate_choice=False, **options)


def _id(value: object) -> int | None:
    if value is None or value == "":
        return None
    number = int(str(value))  # WTForms answers a ValueError with a sentence
    if not 0 < number < 2**31:
        raise ValueError("no id")
    return number
