"""What is typed into the timer bar."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from wtforms import HiddenField, RadioField, StringField
from wtforms.validators import Length

from app import formats, timekeeping, timers
from app.forms.base import SentForm
from app.forms.fields import (
    FIRST,
    SECOND,
    BillableByProject,
    IdField,
    InTimeZone,
    NotesField,
    ParsedField,
    TagsField,
    second_of,
)
from app.forms.text import NoControlCharacters
from app.spans import EARLIEST

START = "start"
# Answers that let a forgotten timer run on: the only one that asks, or all that do.
KEEP, KEEP_ALL = "keep", "keep all"
# As <input type="datetime-local"> sends and takes it.
LOCAL_TIME = "%Y-%m-%dT%H:%M"


class LocalTimeField(ParsedField):
    """A local day and time, as `2026-03-09T17:42`; `data` is it without a zone, None where nothing was typed."""

    def parse(self, text: str) -> datetime:
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            local = None
        if local is None or local.tzinfo is not None or len(text) < len("2026-03-09T17:42"):
            raise ValueError("Type a day and a time, such as 2026-03-09 17:42.")
        return local.replace(second=0, microsecond=0)

    def written(self, data: datetime) -> str:
        return f"{data:{LOCAL_TIME}}"

    def moment(self, which: RadioField, zone: ZoneInfo, now: datetime) -> datetime | None:
        """Return the moment (UTC, no zone) of what was typed, at the moment `now`.

        `which` says which of two is meant where a time comes twice. Where none can be told, the sentence stands in
        `errors`, and where `which` is wanted it has its choices.
        """
        if self.data is None:
            self.errors = self.errors or ["Type a day and a time."]
            return None
        local_now = timekeeping.to_local(now, zone).replace(tzinfo=None)
        # Neither end of the calendar can be held by every zone.
        if self.data.date() < EARLIEST or self.data - local_now > timedelta(days=365):
            too_early = f"That is before {EARLIEST.year}. Look for a slip in the date."
            self.errors = ["That is in the future." if self.data > local_now else too_early]
            return None
        try:
            return timekeeping.to_stored(self.data, zone, second_of(which.data))
        except timekeeping.AbsentTimeError as error:
            self.errors = [
                f"{self.data:%H:%M} was skipped on that day, when the clocks were put forward: "
                f"take {error.before:%H:%M} or {error.after:%H:%M}."
            ]
        except timekeeping.AmbiguousTimeError as error:
            which.choices = [
                (FIRST, _which_label(FIRST, error.first, zone)),
                (SECOND, _which_label(SECOND, error.second, zone)),
            ]
            self.errors = [f"{self.data:%H:%M} came twice on that day, when the clocks were put back: say which."]
        return None


class WorkForm(SentForm, BillableByProject):
    """What is worked on."""

    notes = NotesField("What are you working on?")
    project = IdField("Project")
    task = IdField("Task")
    tags = TagsField("Tags")


class StartForm(WorkForm):
    """Starts a timer."""


class EditForm(WorkForm, InTimeZone):
    """Changes what runs, and since when. `version` is the state that was shown."""

    version = HiddenField("Version", [Length(max=40), NoControlCharacters()])
    start = LocalTimeField("Since")
    which = RadioField("Which one?", choices=[], validate_choice=False)


class StopForm(SentForm):
    """Stops one timer."""

    entry = IdField("Timer")


class EndForm(SentForm, InTimeZone):
    """Says when a timer ended."""

    end = LocalTimeField("It ended at")
    which = RadioField("Which one?", choices=[], validate_choice=False)

    def ended(self, start: datetime, now: datetime) -> datetime | None:
        """Return when a timer ended that began at `start`, as was typed at the moment `now` (all UTC, no zone).

        None where it cannot have; the sentence stands in the errors of `end` then.
        """
        end = self.end.moment(self.which, self.time_zone(), now)
        if end is not None and end > now:
            self.end.errors = ["That is in the future."]
        elif end is not None and end <= start:
            self.end.errors = [f"It began at {formats.when(start)}: it ended after that."]
        elif end is not None and timers.is_too_long(start, end):
            self.end.errors = [timekeeping.TOO_LONG]
        return None if self.end.errors else end


class ForgottenForm(EndForm):
    """Answers what became of a forgotten timer. `activity` is the last activity that was shown, in UTC; with `then`
    the fields of a StartForm come along, of what was to start when the question was asked."""

    entry = IdField("Timer")
    answer = StringField()
    activity = StringField()
    then = HiddenField()


def work_of(entry: Any) -> dict[str, Any]:
    """Return what the fields of a WorkForm hold for an entry."""
    return {
        "notes": entry.notes,
        "project": entry.project_id,
        "task": entry.task_id,
        "tags": entry.tags or None,
        "billable": entry.billable,
    }


def _which_label(name: str, moment: datetime, zone: ZoneInfo) -> str:
    local = timekeeping.to_local(moment, zone)
    return f"{local:%H:%M} ({name}, {'summer' if local.dst() else 'winter'} time)"
