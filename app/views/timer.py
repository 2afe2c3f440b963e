"""The timer: start, switch, stop, continue, from the bar on every page.

Every change first locks the row of the user, so that two tabs that start at once leave one running timer, and names
the entry that it means, so that a tab that lay open stops nothing newer.
"""

import zlib
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import Blueprint, abort, flash, g, render_template, request
from flask.typing import ResponseReturnValue
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import cursor as Cursor

from app import db, formats, navigation, overlaps, security, spans, timekeeping, timers, typed
from app.forms.timer import (
    KEEP,
    KEEP_ALL,
    LOCAL_TIME,
    START,
    EditForm,
    ForgottenForm,
    StartForm,
    StopForm,
    WorkForm,
    work_of,
)
from app.queries import projects, sessions, tasks, time_entries, timer
from app.queries.time_entries import Overlap
from app.queries.timer import Timer

NO_SUCH_PROJECT = "There is no such project any more: choose another."
NO_SUCH_TASK = "There is no such task any more: choose another."
ARCHIVED = "“{}” is archived: choose another project."
ONE_AT_MOST = (
    "Stop it first: this database lets a person have one running timer, by an index that python runner.py verify names."
)
CHANGED = "This timer was changed meanwhile; it is now called “{}”. Save again to put what stands below in its place."
IN_THE_FUTURE = "“{}” had not begun yet by this clock. It was stopped after a second; edit its times."

blueprint = Blueprint("timer", __name__, url_prefix="/timer")


class Shown(NamedTuple):
    """A running timer, and what has to be asked about it. `seconds` is how long it has run; `zone` is of its times."""

    entry: Timer
    seconds: int
    is_forgotten: bool
    is_too_long: bool
    activity: datetime
    zone: str

    @property
    def asks(self) -> bool:
        """Whether its user has to say what became of it."""
        return self.is_forgotten or self.is_too_long

    @property
    def activity_fits(self) -> bool:
        """Whether it could end at the last activity."""
        return not timers.is_too_long(self.entry.start, self.activity)


class Bar(NamedTuple):
    """What the bar shows. `key` differs when anything of it does; `next` is the page to come back to; `keep` is the
    answer that keeps running what asks."""

    running: list[Shown]
    keep: str | None
    latest: Timer | None
    suggestions: list[Timer]
    form: StartForm | None
    now: datetime
    next: str
    key: str
    is_single: bool

    @property
    def asks(self) -> bool:
        """Whether there is such a question about any of them."""
        return any(shown.asks for shown in self.running)


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


@blueprint.app_context_processor
def for_templates() -> dict[str, Any]:
    """Give the templates what the bar shows, None for nobody and while the database cannot be asked."""
    return {"timer_bar": bar(), "project_choices": project_choices, "task_groups": task_groups}


def bar() -> Bar | None:
    """Return what the bar shows, read once a request."""
    user = security.person()
    if user is None or g.get("is_failing") or _is_broken():
        return None
    if "timer_bar" not in g:
        recent = timer.running_and_recent(db.cursor(), user.id, security.now())
        shown = [_shown(entry) for entry in recent.running]
        must_answer = any(one.asks for one in shown)
        g.timer_bar = Bar(
            running=shown,
            keep=_keep(shown),
            latest=recent.latest,
            suggestions=recent.suggestions,
            form=None if must_answer else StartForm(formdata=None),
            now=security.now(),
            next=_come_back(),
            key=_key(shown),
            is_single=security.current_settings().single_active_timer,
        )
    return g.timer_bar


def project_choices() -> list[projects.Choice]:
    """Return the projects that forms offer, read once a request."""
    if "project_choices" not in g:
        g.project_choices = projects.choices(db.cursor(), security.viewer().id)
    return g.project_choices


def task_groups() -> list[tuple[projects.Choice, list[tuple[int, str]]]]:
    """Return the tasks that forms offer, by project in the order of the projects, read once a request."""
    if "task_groups" not in g:
        of_project: dict[int, list[tuple[int, str]]] = {}
        for task_id, name, project_id in tasks.choices(db.cursor()):
            of_project.setdefault(project_id, []).append((task_id, name))
        g.task_groups = [(choice, of_project[choice.id]) for choice in project_choices() if choice.id in of_project]
    return g.task_groups


@blueprint.get("/state")
@security.passive
def state() -> ResponseReturnValue:
    """Tell a page that lies open whether its bar is still right, and what time it is."""
    return {"key": bar().key, "now": _milliseconds(_moment())}


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
        if _shown(entry).asks:
            raise Refused(409, "When did it end?", asked=_shown(entry), form=ForgottenForm(formdata=None))
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
        asked = _shown(entry)
        if not asked.asks:
            raise Refused(409, "It goes on", "Somebody said already that this timer goes on. It runs.")
        if form.answer.data in (KEEP, KEEP_ALL) and not asked.is_too_long:
            if _keep(_running(cursor), waiting) not in (form.answer.data, KEEP):  # of one that is left, all are meant
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
    return [_shown(entry) for entry in recent.running]


def _to_answer(running: list[Shown]) -> Shown | None:
    """Return the first timer about which its user has to be asked."""
    return next((shown for shown in running if shown.asks), None)


def _keep(running: list[Shown], waiting: StartForm | None = None) -> str | None:
    """Return the answer that keeps running what asks, None where nothing can be kept.

    Activity is noted for all timers at once, so that all are kept or none: none beside one that is too long, nor, where
    one may run, beside what is to start.
    """
    asking = [shown for shown in running if shown.asks]
    if any(shown.is_too_long for shown in asking) or (waiting and security.current_settings().single_active_timer):
        return None
    return KEEP_ALL if len(asking) > 1 else KEEP


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
    shown = bar()
    keep = _keep(shown.running, page.get("waiting")) if shown else None
    if shown and page.get("asked"):
        shown = None
    elif shown and page.get("form"):
        shown = shown._replace(form=None)
    return render_template(
        "timer/page.html", heading=heading, sentence=sentence, timer_bar=shown, keep=keep, next=_come_back(),
        lost=typed.of_request(),
        **{"form": None, "asked": None, "edited": None, "waiting": None, **page},
    )  # fmt: skip


def _shown(entry: Timer) -> Shown:
    now, last_seen = security.now(), security.viewer().last_seen_at
    return Shown(
        entry=entry,
        seconds=max(int((now - entry.start).total_seconds()), 0),
        is_forgotten=timers.is_forgotten(entry.start, last_seen, now, security.current_settings().idle_timeout_minutes),
        is_too_long=timers.is_too_long(entry.start, now),
        activity=timers.last_activity(entry.start, last_seen),
        zone=security.zone().key,
    )


def _key(running: list[Shown]) -> str:
    return f"{zlib.crc32(repr([(shown.entry, shown.asks) for shown in running]).encode()):08x}"


def _is_broken() -> bool:
    """Tell whether a statement of this request failed, so that no other can be sent before the transaction ends."""
    return "connection" in g and g.connection.info.transaction_status == TRANSACTION_STATUS_INERROR


def _come_back() -> str:
    """Return the page that is looked at, to come back to it; of a page of the timer, the one that it came from."""
    if request.method == "GET" and request.url_rule is not None and request.blueprint != "timer":
        return request.full_path.rstrip("?")
    return security.safe_next(request.values.get("next"))


def _moment() -> datetime:
    """Return this very moment (UTC, no zone). `security.now()` may be older than what another request did since,
    while this one waited for the lock."""
    return datetime.now(UTC).replace(tzinfo=None)


def _milliseconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _local(moment: datetime) -> datetime:
    return timekeeping.to_local(moment, security.zone()).replace(tzinfo=None)


def _local_minute(moment: datetime) -> str:
    """Return a moment as a field of a local time takes it."""
    return f"{_local(moment):{LOCAL_TIME}}"


blueprint.add_app_template_filter(_milliseconds, "milliseconds")
blueprint.add_app_template_filter(_local_minute, "local_minute")
