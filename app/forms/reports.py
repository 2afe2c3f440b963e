"""What is asked of a report. All of it comes in the address; what cannot be read is left at its default."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from wtforms import DateField, Field, Form, IntegerField, SelectChoice, SelectField, StringField, ValidationError
from wtforms.validators import Length, Optional

from app import ids
from app.forms.text import NoControlCharacters
from app.queries.reports import Choice
from app.reporting import COLUMNS, FIRST_DAY, LAST_DAY, PERIODS, ROWS

# What queries.reports takes from around a tag.
BLANKS = " \t\r\n"
NO_CHOICE = "There is no such choice: take one of the list."


class ChoiceField(SelectField):
    """A choice of some that never change; `data` is None for none."""

    def __init__(self, label: str, choices: dict[str, str], empty: str | None = None, **options: Any):
        shown = [SelectChoice(value, title) for value, title in choices.items()]
        super().__init__(
            label, choices=shown if empty is None else [SelectChoice("", empty), *shown], coerce=_text, **options
        )
        self._values = set(choices)

    def pre_validate(self, form: Form) -> None:
        if self.data is not None and self.data not in self._values:
            raise ValidationError(NO_CHOICE)


class KindsField(ChoiceField):
    """A choice that an address may make more than once; `all` are those that were made."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.all = frozenset(valuelist) - {""}
        self.data = min(self.all, default=None)

    def pre_validate(self, form: Form) -> None:
        if not getattr(self, "all", frozenset()) <= self._values:
            raise ValidationError(NO_CHOICE)


class RowField(SelectField):
    """A choice among rows by their id; `data` is None for none. The view gives the choices, and knows who may what."""

    def __init__(self, label: str, **options: Any):
        super().__init__(label, choices=[], coerce=_text, validate_choice=False, **options)

    def offer(self, choices: Iterable[Choice]) -> None:
        """Let it show these, and the one that was chosen."""
        self.data = None if self.data is None else str(self.data)
        self.choices = [
            SelectChoice("", "All"),
            *(SelectChoice(str(row.id), f"{row.name} \N{EN DASH} {row.of}" if row.of else row.name) for row in choices),
        ]

    def post_validate(self, form: Form, validation_stopped: bool) -> None:
        if self.data is None:
            return
        self.data = ids.parse(self.data)
        if self.data is None:
            raise ValidationError("There is no such choice: take one of the list.")


class DayField(DateField):
    """A day, as browsers send it."""

    def process_formdata(self, valuelist: list[str]) -> None:
        if not valuelist or not valuelist[0]:
            return
        try:
            self.data = date.fromisoformat(valuelist[0])
        except ValueError:
            self.data = None
            raise ValueError("That is no day. Type it as in 2026-03-09.") from None
        if not FIRST_DAY <= self.data <= LAST_DAY:
            raise ValueError(f"Reports reach from {FIRST_DAY.year} to {LAST_DAY.year}.")


class NumberField(IntegerField):
    """The number of a page."""

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist and valuelist[0]:
            if not (valuelist[0].isascii() and valuelist[0].isdecimal() and len(valuelist[0]) <= 9):
                self.data = None
                raise ValueError("Pages have numbers, from 1 on.")
            self.data = int(valuelist[0])


class PlaceField(StringField):
    """Where the page before ended: the start (UTC, no zone) and the id of its last entry, with a comma between them."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        if not valuelist or not valuelist[0]:
            return
        start, _, entry_id = valuelist[0].partition(",")
        try:
            moment = datetime.fromisoformat(start)
        except ValueError:
            moment = None
        last = ids.parse(entry_id)
        if moment is None or moment.tzinfo or last is None:
            raise ValueError("The list does not go on there. Begin again at its first page.")
        self.data = moment, last


def after_from(form: Form, field: Field) -> None:
    """Refuse an end before the beginning."""
    if form.from_.data and field.data and field.data < form.from_.data:
        raise ValidationError("The last day comes before the first.")


class ReportForm(Form):
    """A report, as its address asks for it: `asked` gives what can be understood, and errors tell the rest."""

    period = ChoiceField("Period", PERIODS, empty="")
    from_ = DayField("From", [Optional()], name="from")
    to = DayField("To", [Optional(), after_from])
    rows = ChoiceField("Rows", ROWS)
    columns = ChoiceField("Columns", COLUMNS, empty="Automatic")
    user = RowField("Person")
    project = RowField("Project")
    client = StringField(
        "Client",
        [Length(max=200, message="Names of clients have 200 characters at most."), NoControlCharacters()],
        filters=[lambda typed: (typed or "").strip(" ")],  # as queries.reports compares it
    )
    task = RowField("Task")
    tag = StringField("Tags", [Length(max=500, message="Tags have 500 characters at most."), NoControlCharacters()])
    without = KindsField(
        "Only without", {name: title.lower() for name, title in ROWS.items() if name != "none"}, empty="\N{EN DASH}"
    )
    billable = ChoiceField("Billable", {"yes": "Billable", "no": "Not billable"}, empty="All")
    page = NumberField("Page", [Optional()])
    after = PlaceField("After")

    def asked(self, name: str) -> Any:
        """Return what was asked by the field, None where nothing was, or nothing that can be understood."""
        field = self[name]
        return None if field.errors else field.data

    @property
    def lacks(self) -> frozenset[str]:
        """What the entries are to lack."""
        return getattr(self.without, "all", frozenset()) if not self.without.errors else frozenset()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, each trimmed and once."""
        return tuple(dict.fromkeys(tag for part in (self.asked("tag") or "").split(",") if (tag := part.strip(BLANKS))))


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
