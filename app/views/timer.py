"""The timer: start, switch, stop, continue, from the bar on every page. What the bar shows is in app/timer_bar.py.

Every change first locks the row of the user, so that two tabs that start at once leave one running timer, and names
the entry that it means, so that a tab that lay open stops nothing newer.
"""

import zlib
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import Blueprint, abort, flash, render_template
from flask.typing import ResponseReturnValue
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor

from app import db, formats, navigation, overlaps, security, spans, timekeeping, timer_bar, timers, typed
from app.forms.timer import KEEP, KEEP_ALL, START, EditForm, ForgottenForm, StartForm, StopForm, WorkForm, work_of
from app.queries import sessions, tasks, time_entries, timer
from app.queries.time_entries import Overlap
from app.queries.timer import Timer
from app.timer_bar import Shown

NO_SUCH_PROJECT = "There is no such project any more: choose another."
NO_SUCH_TASK = "There is no such task any more: choose another."
ARCHIVED = "“{}” is archived: choose another project."
ONE_AT_MOST = (
    "Stop it first: this database lets a person have one running timer, by an index that python runner.py verify names."
)
CHANGED = "This timer was changed meanwhile; it is now called “{}”. Save again to put what stands below in its place."
IN_THE_FUTURE = "“{}” had not begun yet by this clock. It was stopped after a second; edit its times."

blueprint = Blueprint("timer", __name__, url_prefix="/timer")


class Work(NamedTuple):
    """What is worked on, once it has been found fit."""

    notes: str | None
    project_id: int | None
    task_id: int | None
    tags: str | None
    billable: bool


class Refused(Exception):
    """Rolls the change back and answers with a page that says why, and keeps what was typed."""

    def __init__(self, status: int, heading: str, sentence: str = "", **page: Any):
        super().__init__(sentence)
        self.status = status
        self.page = {"heading": heading, "sentence": sentence, **page}


@blueprint.before_request
def read_settings() -> None:
    """Read the settings before a change begins, in which the request's own snapshot is closed."""
    security.current_settings()


# --- What is shown ---


@blueprint.get("/state")
@security.passive
def state() -> ResponseReturnValue:
    """Tell a page that lies open whether its bar is still right, and what time it is."""
    return {"key": timer_bar.bar().key, "now": timer_bar.milliseconds(_moment())}


@blueprint.get("/bar")
@security.passive
def fragment() -> ResponseReturnValue:
    """The bar alone, for a page whose own is no longer right."""
    return render_template("timer/_bar.html")


# --- What is done ---


@blueprint.post("/start")
def start() -> ResponseReturnValue:
    """Start a timer; where a user has one at most, what runs is stopped in the same transaction."""
    form = StartForm()
    if not form.validate():
        raise _unfit(form)
    with db.change() as cursor:
        timer.lock(cursor, security.viewer().id)
        if security.is_first_sending(cursor):
            _start(cursor, _work(cursor, form), form)
    return navigation.back()


@blueprint.post("/continue/<id:entry_id>")
def resume(entry_id: int) -> ResponseReturnValue:
    """Start a timer for the same work as an earlier entry."""
    with db.change() as cursor:
        timer.lock(cursor, security.viewer().id)
        entry = _own(cursor, entry_id)
        if entry.end is not None and security.is_first_sending(cursor):
            form = StartForm(formdata=None, data=work_of(entry))
            _start(cursor, _work(cursor, form), form)
    return navigation.back()


@blueprint.post("/stop")
def stop() -> ResponseReturnValue:
    """Stop the timer that the form names, and no other."""
    form = StopForm()
    with db.change() as cursor:
        timer.lock(cursor, security.viewer().id)
        entry = _own(cursor, form.entry.data)
        if not security.is_first_sending(cursor):
            return navigation.back()
        _must_run(entry)
        if timer_bar.shown_of(entry).asks:
            raise Refused(409, "When did it end?", asked=timer_bar.shown_of(entry), form=ForgottenForm(formdata=None))
        sentence = _stop(cursor, entry, _moment())
    flash(sentence)
    return navigation.back()


@blueprint.get("/edit/<id:entry_id>")
def edit_page(entry_id: int) -> ResponseReturnValue:
    """The form for what runs."""
    entry = _own(db.cursor(), entry_id)
    _must_run(entry)
    shown = {"start": _local(entry.start), "zone": security.zone().key, "version": _version(entry)}
    form = EditForm(formdata=None, data=work_of(entry) | shown)
    return _page("Edit the running timer", form=form, edited=entry)


@blueprint.post("/edit/<id:entry_id>")
def edit(entry_id: int) -> ResponseReturnValue:
    """Change what runs, and since when."""
    form = EditForm()
    others: list[Overlap] = []
    with db.change() as cursor:
        timer.lock(cursor, security.viewer().id)
        entry = _own(cursor, entry_id)
        _must_run(entry)
        if not form.validate():
            raise _unfit(form, edited=entry)
        begun = _begun(form, entry)
        work = _work(cursor, form, edited=entry)
        if (work, begun) == (_work_held(entry), entry.start):
            return navigation.back()  # it was clicked twice
        if form.version.data and form.version.data != _version(entry):
            form.version.data, form.version.raw_data = _version(entry), None  # sent once more, it is meant
            raise Refused(409, "Edit the running timer", CHANGED.format(entry.label), form=form, edited=entry)
        timer.change(cursor, entry.id, work.project_id, work.task_id, begun, work.notes, work.tags, work.billable)
        if begun != entry.start:
            others = time_entries.overlapping(cursor, security.viewer().id, begun, _moment(), entry.id)
    overlaps.tell(others)
    return navigation.back()


@blueprint.post("/forgotten")
def forgotten() -> ResponseReturnValue:
    """Do with a forgotten timer what its user says: keep running all that ask, or end it at one of three moments.

    What was to start when the question was asked starts then, in the same transaction.
    """
    form = ForgottenForm()
    waiting = StartForm() if form.then.data == START else None
    if waiting and not waiting.validate():
        raise _unfit(waiting)
    sentence, another = "", None
    with db.change() as cursor:
        timer.lock(cursor, security.viewer().id)
        entry = _own(cursor, form.entry.data)
        if not security.is_first_sending(cursor):
            return navigation.back()
        _must_run(entry)
        asked = timer_bar.shown_of(entry)
        if not asked.asks:
            raise Refused(409, "It goes on", "Somebody said already that this timer goes on. It runs.")
        if form.answer.data in (KEEP, KEEP_ALL) and not asked.is_too_long:
            keep = timer_bar.keep_answer(_running(cursor), waiting)
            if keep not in (form.answer.data, KEEP):  # of one that is left, all are meant
                sentence = "The answers are other ones now: choose again."
                raise Refused(409, "When did it end?", sentence, asked=asked, waiting=waiting)
            sessions.touch(cursor, security.viewer().session_id, security.now())
        else:
            sentence = _stop(cursor, entry, _ended(form, asked, waiting))
            another = _to_answer(_running(cursor)) if waiting else None
        if waiting and not another:
            _start_now(cursor, _work(cursor, waiting), waiting)
    if sentence:
        flash(sentence)
    if another:
        raise _forgotten(another, waiting)
    return navigation.back()


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> ResponseReturnValue:
    """Answer with the page of what was refused."""
    return _page(**refused.page), refused.status


# --- Parts of it ---


def _start(cursor: Cursor, work: Work, form: StartForm) -> None:
    """Start a timer, or ask first: while a question is open no activity is noted, nor that of the new one."""
    if asked := _to_answer(_running(cursor)):
        raise _forgotten(asked, form)
    _start_now(cursor, work, form)


def _start_now(cursor: Cursor, work: Work, form: StartForm) -> None:
    moment = _moment()
    if security.current_settings().single_active_timer:
        for shown in _running(cursor):
            _stop(cursor, shown.entry, moment)
    try:
        time_entries.insert(
            cursor, security.viewer().id, work.project_id, work.task_id, moment, None, None, work.notes, work.tags,
            work.billable, "timer",
        )  # fmt: skip
    except UniqueViolation:  # of an index that releases 1.6 to 2.3 of the predecessor made, whatever the settings say
        raise Refused(409, "Another timer runs", ONE_AT_MOST, form=form) from None


def _running(cursor: Cursor) -> list[Shown]:
    recent = timer.running_and_recent(cursor, security.viewer().id, security.now(), looked_through=0)
    return [timer_bar.shown_of(entry) for entry in recent.running]


def _to_answer(running: list[Shown]) -> Shown | None:
    """Return the first timer about which its user has to be asked."""
    return next((shown for shown in running if shown.asks), None)


def _forgotten(asked: Shown, waiting: StartForm) -> Refused:
    """Ask about a timer before the next one starts, whose fields go along with the answer."""
    name = f"“{formats.shortened(waiting.notes.data)}”" if waiting.notes.data else "the next one"
    return Refused(
        409, "A timer was forgotten", f"Say first what became of it: then {name} starts.", asked=asked, waiting=waiting
    )


def _stop(cursor: Cursor, entry: Timer, moment: datetime) -> str:
    """Stop the timer and return the sentence that says what was recorded."""
    end = timers.end_of(entry.start, moment)
    credited = timekeeping.credited_seconds(entry.start, end, security.current_settings().rounding_minutes)
    timer.stop(cursor, entry.id, end, credited)
    if moment < entry.start:
        return IN_THE_FUTURE.format(formats.shortened(entry.label))
    written = formats.hours(timekeeping.credited_minutes(credited))
    return f"Stopped “{formats.shortened(entry.label)}” after {written}."


def _work(cursor: Cursor, form: WorkForm, edited: Timer | None = None) -> Work:
    """Return what is worked on; a task brings its project along. Raises Refused where the two do not fit.

    `edited` is the entry that is changed: it may keep a project that has been archived since.
    """
    project_id, task_id = form.project.data, form.task.data
    if project_id is None and task_id is not None:
        project_id = tasks.project_of(cursor, task_id)
        if project_id is None:
            form.task.errors = [NO_SUCH_TASK]
    if project_id is not None and task_id is not None and not tasks.hold(cursor, task_id, project_id):
        form.task.errors = ["That task is one of another project: choose one of this project, or none."]
    project = timer.project(cursor, project_id) if project_id is not None else None
    if project_id is not None and project is None:
        form.project.errors = [NO_SUCH_PROJECT]
    elif project and not project.is_active and not (edited and edited.project_id == project_id):
        form.project.errors = [ARCHIVED.format(project.name)]
    if form.project.errors or form.task.errors:
        raise _unfit(form, edited=edited)
    billable = form.is_billable(usual=project is None or project.billable)
    return Work(form.notes.data or None, project_id, task_id, form.tags.data or None, billable)


def _work_held(entry: Timer) -> Work:
    return Work(entry.notes or None, entry.project_id, entry.task_id, entry.tags or None, entry.billable)


def _begun(form: EditForm, entry: Timer) -> datetime:
    """Return when the timer began; what was shown and not touched moves nothing, not even by its seconds."""
    zone = form.time_zone()
    if form.start.data == spans.shown(entry.start, zone) and not form.which.data:
        return entry.start
    begun = form.start.moment(form.which, zone, _moment())
    if begun is not None and begun > _moment():
        form.start.errors = ["That is in the future."]
    elif begun is not None and timers.is_too_long(begun, _moment()):
        form.start.errors = [timekeeping.TOO_LONG]
    if form.start.errors:
        raise _unfit(form, edited=entry)
    return begun


def _ended(form: ForgottenForm, asked: Shown, waiting: StartForm | None) -> datetime:
    """Return when the forgotten timer ended, as its user says. Raises Refused where it cannot have."""
    moment = _moment()
    if form.answer.data == "activity" and asked.activity_fits:
        if form.activity.data != asked.activity.isoformat():
            sentence = "The last activity is another one now."
            raise Refused(409, "When did it end?", sentence, asked=asked, form=form, waiting=waiting)
        return asked.activity
    if form.answer.data == "now" and not asked.is_too_long:
        return moment
    end = form.ended(asked.entry.start, moment)
    if end is None:
        raise Refused(422, "When did it end?", asked=asked, form=form, waiting=waiting)
    return end


def _own(cursor: Cursor, entry_id: int | None) -> Timer:
    """Return the viewer's entry, running or not; a page of 404 where it is somebody else's or gone."""
    entry = timer.of_user(cursor, security.viewer().id, entry_id) if entry_id else None
    if entry is None:
        abort(404)
    return entry


def _must_run(entry: Timer) -> None:
    if entry.end is not None:
        raise Refused(
            409, "It does not run any more",
            f"This timer was stopped already at {formats.when(entry.end)}. Nothing else was stopped or changed.",
        )  # fmt: skip


def _unfit(form: WorkForm, edited: Timer | None = None) -> Refused:
    for field, sentence in ((form.project, NO_SUCH_PROJECT), (form.task, NO_SUCH_TASK)):
        if field.process_errors:  # what was sent is no number
            field.errors = [sentence]
    return Refused(422, "Edit the running timer" if edited else "Start a timer", form=form, edited=edited)


def _version(entry: Timer) -> str:
    """Return what differs when anything of a timer does that can be edited."""
    return f"{zlib.crc32(repr(entry).encode()):08x}"


def _page(heading: str, sentence: str = "", **page: Any) -> str:
    """The page around a form of the bar, which then shows only what runs."""
    shown = timer_bar.bar()
    keep = timer_bar.keep_answer(shown.running, page.get("waiting")) if shown else None
    if shown and page.get("asked"):
        shown = None
    elif shown and page.get("form"):
        shown = shown._replace(form=None)
    return render_template(
        "timer/page.html", heading=heading, sentence=sentence, timer_bar=shown, keep=keep, next=timer_bar.come_back(),
        lost=typed.of_request(),
        **{"form": None, "asked": None, "edited": None, "waiting": None, **page},
    )  # fmt: skip


def _moment() -> datetime:
    """Return this very moment (UTC, no zone). `security.now()` may be older than what another request did since,
    while this one waited for the lock."""
    return datetime.now(UTC).replace(tzinfo=None)


def _local(moment: datetime) -> datetime:
    return timekeeping.to_local(moment, security.zone()).replace(tzinfo=None)
