"""Fields that several forms share."""

from datetime import time
from typing import Any, Literal
from zoneinfo import ZoneInfo

from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import Length

from app import durations, formats, ids, security, tags, timekeeping
from app.forms.text import NoControlCharacters, plain_lines

LONGEST_NOTES = 10_000
LONGEST_TAGS = 500
TOO_LONG = "That is too long: %(max)d characters fit."
AS_THE_PROJECT = "project"
# Which is meant of a time that comes twice.
FIRST, SECOND = "first", "second"


class ParsedField(StringField):
    """A field whose text is parsed into `data`; None when it is empty. What was typed is kept beside an error.

    Where the form is given what there is, text that was left as that is shown means it, also where it is finer than
    the text, or none that could be typed.
    """

    def parse(self, text: str) -> Any:
        """Return what `text` means. Raises ValueError with a sentence."""
        raise NotImplementedError

    def written(self, data: Any) -> str:
        """Return how `data` is shown in the field."""
        raise NotImplementedError

    def process_formdata(self, valuelist: list[str]) -> None:
        text = valuelist[0].strip() if valuelist else ""
        self.data = None
        if not text:
            self.raw_data = []  # blanks are nothing, to the validators too
        if self.object_data is not None and text == self.written(self.object_data):
            self.data = self.object_data
        elif text:
            self.data = self.parse(text)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self.written(self.data)


class DurationField(ParsedField):
    """A duration in whole minutes. `bare` says what a number without a unit counts."""

    def __init__(self, *arguments: Any, bare: Literal["minutes", "hours"] = "minutes", **options: Any):
        super().__init__(*arguments, **options)
        self._bare = bare

    def parse(self, text: str) -> int:
        return durations.parse_duration(text, self._bare)

    def written(self, data: int) -> str:
        return formats.hours(data)


class TimeField(ParsedField):
    """A time of day, shown as the viewer likes it."""

    def parse(self, text: str) -> time:
        return durations.parse_time(text)

    def written(self, data: time) -> str:
        return formats.time_of_day(data)


class NotesField(TextAreaField):
    """What was done, in one line or several."""

    def __init__(self, label: str, **options: Any):
        validators = [Length(max=LONGEST_NOTES, message=TOO_LONG), NoControlCharacters(lines=True)]
        super().__init__(label, validators, filters=[plain_lines], **options)


class TagsField(StringField):
    """Tags, separated by commas; `data` is how they are kept, None for none."""

    def __init__(self, label: str, **options: Any):
        super().__init__(label, [Length(max=LONGEST_TAGS, message=TOO_LONG), NoControlCharacters()], **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = tags.join(tags.split(valuelist[0] if valuelist else ""))

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else self.data or ""


class IdField(SelectField):
    """A choice among rows by their id; `data` is None for none. Whether the id may be chosen is checked by the view."""

    def __init__(self, *arguments: Any, **options: Any):
        options.setdefault("invalid_value_message", "Choose one of the list.")
        super().__init__(*arguments, coerce=_id, validate_choice=False, **options)


class BillableByProject:
    """The box of a form with a project. `billable_default` comes from a page without JavaScript: then checked means
    as the project says."""

    billable = BooleanField("Billable", default=True)
    billable_default = HiddenField()

    def is_billable(self, usual: bool) -> bool:
        """Tell whether the work is billable, where `usual` is what the project says."""
        return self.billable.data and (usual or self.billable_default.data != AS_THE_PROJECT)


class InTimeZone:
    """Local times of a form. `zone` is the time zone in which they were shown: that of the settings may be another
    since."""

    zone = HiddenField("Time zone", [Length(max=100), NoControlCharacters()])

    def time_zone(self) -> ZoneInfo:
        """Return the time zone in which the times of the form are meant."""
        return timekeeping.time_zone(self.zone.data or "") or security.zone()


def second_of(word: str | None) -> bool | None:
    """Return whether the second of two times is meant, None where nothing is said."""
    return {FIRST: False, SECOND: True}.get(word or "")


def word_of(second: bool | None) -> str:
    """Return the word by which a field says what `second_of` reads."""
    return {False: FIRST, True: SECOND}.get(second, "")


def _id(value: object) -> int | None:
    if value is None or value == "":
        return None
    number = ids.parse(str(value))
    if not number:
        raise ValueError("no id")  # which WTForms answers with a sentence
    return number
