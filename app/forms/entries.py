"""Time entries: typed by hand or edited, and looked for."""

from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, DateField, HiddenField, SelectField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from app.forms.base import SentForm
from app.forms.fields import DurationField, IdField, TagsField, TimeField
from app.forms.text import NoControlCharacters
from app.spans import Typed

LONGEST_NOTES = 10_000
LONGEST_TAGS = 500
LONGEST_SEARCH = 200

WHICH = [
    SelectChoice("", "…"),
    SelectChoice("first", "the first, before the clocks go back"),
    SelectChoice("second", "the second, after it"),
]


class EntryForm(SentForm):
    """An entry. `zone` is the time zone in which its times were shown, `version` the state that was shown."""

    notes = TextAreaField("What was done", [Length(max=LONGEST_NOTES), NoControlCharacters(lines=True)])
    project = IdField("Project")
    task = IdField("Task")
    tags = TagsField("Tags", [Length(max=LONGEST_TAGS), NoControlCharacters()])
    billable = BooleanField("Billable")
    day = DateField("Date", [InputRequired("Give a date.")])
    start = TimeField("Start", [InputRequired("Give the time of the start.")])
    start_second = SelectField("Which start", [Optional()], choices=WHICH)
    end = TimeField("End")
    end_second = SelectField("Which end", [Optional()], choices=WHICH)
    duration = DurationField("or duration")
    zone = HiddenField("Time zone", [Length(max=100), NoControlCharacters()])
    version = HiddenField("Version", [Length(max=40), NoControlCharacters()])

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        for field in self:
            field.id = f"entry-{field.name}"  # the timer bar is on the same page

    def typed(self) -> Typed:
        """Return the times of a form that is valid."""
        return Typed(
            self.day.data,
            self.start.data,
            self.end.data,
            self.duration.data,
            _second(self.start_second.data),
            _second(self.end_second.data),
        )


def with_instead(sent: MultiDict) -> MultiDict:
    """Return what was sent, with the time of the button by which another one was chosen, where it was such a button."""
    changed = sent.copy()
    for name in ("start", "end"):
        try:
            instead = datetime.fromisoformat(sent.get(f"{name}_instead", ""))
        except ValueError:
            continue
        changed[name] = f"{instead:%H:%M}"
        if name == "start":
            changed["day"] = f"{instead:%Y-%m-%d}"
    return changed


def _second(which: str | None) -> bool | None:
    return {"first": False, "second": True}.get(which or "")
