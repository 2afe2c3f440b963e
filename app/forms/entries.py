"""Time entries: typed by hand or edited, and looked for."""

from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict
from wtforms import DateField, HiddenField, SelectField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from app.forms.base import SentForm
from app.forms.fields import (
    FIRST,
    SECOND,
    BillableByProject,
    DurationField,
    IdField,
    InTimeZone,
    NotesField,
    TagsField,
    TimeField,
    second_of,
)
from app.forms.text import NoControlCharacters
from app.spans import Typed

LONGEST_SEARCH = 200

WHICH = [
    SelectChoice("", "…"),
    SelectChoice(FIRST, "the first, before the clocks go back"),
    SelectChoice(SECOND, "the second, after it"),
]


class EntryForm(SentForm, BillableByProject, InTimeZone):
    """An entry. `version` is the state that was shown."""

    notes = NotesField("What was done")
    project = IdField("Project")
    task = IdField("Task")
    tags = TagsField("Tags")
    day = DateField("Date", [InputRequired("Give a date.")])
    start = TimeField("Start", [InputRequired("Give the time of the start.")])
    start_second = SelectField("Which start", [Optional()], choices=WHICH)
    end = TimeField("End")
    end_second = SelectField("Which end", [Optional()], choices=WHICH)
    duration = DurationField("or duration")
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
            second_of(self.start_second.data),
            second_of(self.end_second.data),
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
