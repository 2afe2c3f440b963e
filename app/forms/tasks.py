"""Tasks."""

import re
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import starmap

from wtforms import DateField, HiddenField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length, Optional

from app import formats
from app.board import COLUMNS, PRIORITIES, estimated_minutes, word
from app.forms.base import SentForm
from app.forms.fields import IdField, ParsedField
from app.forms.text import NoControlCharacters, stripped

# Less than numeric(5,2) holds, by what is no minute any more.
LONGEST_ESTIMATE = 999 * 60 + 59
ESTIMATE = re.compile(r"([0-9]{1,6})(?::([0-5][0-9])|[.,]([0-9]{1,4}))? ?h?")


class EstimateField(ParsedField):
    """An estimate of hours, `12`, `12:30` or `12.5`; `data` is a Decimal of hours, None when it is empty."""

    def parse(self, text: str) -> Decimal:
        found = ESTIMATE.fullmatch(text.lower())
        if found is None:
            raise ValueError("Type the hours as 12, 12:30 or 12.5.")
        hours = Decimal(f"{found[1]}.{found[3] or 0}") + Decimal(found[2] or 0) / 60
        if hours * 60 > LONGEST_ESTIMATE:
            raise ValueError("An estimate is at most 999:59. Make several tasks of it.")
        return hours.quantize(Decimal("0.01"), ROUND_HALF_UP)

    def written(self, data: Decimal) -> str:
        return formats.hours(estimated_minutes(data) or 0)


class TaskForm(SentForm):
    """A task. `version` is the state that was shown; what can be chosen is said by `offer`."""

    name = StringField(
        "Name", [DataRequired("Say what is to be done."), Length(max=200), NoControlCharacters()], filters=[stripped]
    )
    project = IdField("Project", [DataRequired("Choose the project.")])
    status = SelectField("Status", default="pending")
    priority = SelectField("Priority", default="medium")
    assigned_to = IdField("Assigned to")
    due_date = DateField("Due", [Optional()])
    estimated_hours = EstimateField("Estimate", [Optional()])
    description = TextAreaField(
        "Description", [Optional(), Length(max=10_000), NoControlCharacters(lines=True)], filters=[stripped]
    )
    version = HiddenField()

    def offer(self, projects: list[tuple[int, str]], people: list[tuple[int, str]], status: str, priority: str) -> None:
        """Say what can be chosen; `status` and `priority` are what the task has, be they of an old database."""
        self.project.choices = _choices([("", "Choose …"), *projects])
        self.assigned_to.choices = _choices([("", "Nobody"), *people])
        self.status.choices = _choices((COLUMNS | {status: word(status)}).items())
        self.priority.choices = _choices((PRIORITIES | {priority: word(priority)}).items())

    def validate_project(self, field: IdField) -> None:
        """One of those that were offered."""
        if field.data not in [choice.value for choice in field.choices]:
            raise ValidationError("That project cannot be chosen any more. Choose another one.")

    def validate_assigned_to(self, field: IdField) -> None:
        """One of those that were offered."""
        if field.data is not None and field.data not in [choice.value for choice in field.choices]:
            raise ValidationError("That person cannot be chosen any more. Choose another one.")

    def validate_due_date(self, field: DateField) -> None:
        """A year of which nobody is mistaken."""
        if field.data and not date(1970, 1, 1) <= field.data <= date(2999, 12, 31):
            raise ValidationError("Choose a day between 1970 and 2999.")


def _choices(named: Iterable[tuple[int | str, str]]) -> list[SelectChoice]:
    return list(starmap(SelectChoice, named))
