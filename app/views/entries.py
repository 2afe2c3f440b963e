"""Time entries, by day: the front page; and each entry typed, edited, deleted and brought back."""

import functools
from datetime import datetime
from typing import Any

from babel.numbers import get_currency_symbol
from flask import Blueprint, abort, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg2.errors import ForeignKeyViolation, UniqueViolation
from psycopg2.extensions import cursor as Cursor

from app import db, entry_list, formats, ids, navigation, overlaps, security, tags, timekeeping, timers, typed
from app.forms.entries import EntryForm, with_instead
from app.forms.fields import word_of
from app.queries import entry_pages, people, projects, tasks, time_entries, timer
from app.queries.time_entries import Deleted, Entry, Overlap
from app.spans import Span, SpanError, shown, span_of, which

blueprint = Blueprint("entries", __name__)

DELETED_BY_ADMIN = "An administrator deleted this entry. Ask them to bring it back if it should be there."
INVOICED = "This entry is on an invoice, so it stays as it is. Cancel the invoice first."


class ChoiceIsGoneError(Exception):
    """The task was moved to another project since it was chosen."""


# --- The list ---


@blueprint.get("/")
def page() -> ResponseReturnValue:
    """Entries of the viewer, or for administrators of the user in ?user=, by day and the newest first."""
    user_id, username = _whose()
    listed = entry_list.read(user_id)
    return render_template(
        "entries/page.html",
        page=listed.page,
        days=listed.days,
        username=username,
        filters=listed.filters,
        is_filtered=listed.is_filtered,
        older=listed.older,
        newer=listed.newer,
        today=security.today(),
        currency=get_currency_symbol(security.current_settings().currency, locale=formats.LANGUAGE),
        shown_notes=entry_pages.SHOWN_NOTES,
        tags_of=tags.split,
        address=functools.cache(entry_list.address),  # a page has few projects and tags, and many entries
        address_by_id=entry_list.address_by_id,
    )


def _whose() -> tuple[int, str | None]:
    """Return whose entries are asked for, by id, and by name where they are another's."""
    if "user" not in request.args:
        return security.viewer().id, None
    asked = ids.parse(request.args["user"])
    if asked == security.viewer().id:
        return asked, None
    username = people.name_of(db.cursor(), asked) if security.viewer().is_admin and asked else None
    if username is None:
        abort(404)
    return asked, username


# --- An entry by hand ---


@blueprint.get("/entries/new")
def add() -> ResponseReturnValue:
    """The form for an entry that was not timed."""
    form = EntryForm(formdata=None, day=security.today(), zone=security.zone().key)
    return _form_page(form, None)


@blueprint.post("/entries")
def create() -> ResponseReturnValue:
    """Add an entry that was typed."""
    form = EntryForm(with_instead(request.form))
    span = _span_typed(form, None)
    if span is None or not _checked_choices(db.cursor(), form, None):
        return _form_page(form, None), 422
    viewer, others = security.viewer(), None
    try:
        with db.change() as cursor:
            if security.is_first_sending(cursor):
                billable = _hold_choices(cursor, form)
                entry_id = time_entries.insert(cursor, viewer.id, *_columns(form, span, _credited(span), billable))
                others = time_entries.overlapping(cursor, viewer.id, span.start, span.end, entry_id)
    except (ForeignKeyViolation, ChoiceIsGoneError):
        return _choice_is_gone(form, None)
    if others is not None:
        _tell("Added", span, others)
    return navigation.back()


# --- Editing ---


@blueprint.get("/entries/<id:entry_id>/edit")
def edit(entry_id: int) -> ResponseReturnValue:
    """The form of an entry; with the header X-Part alone, for a script that puts it into the list."""
    entry = _visible(db.cursor(), entry_id)
    if time_entries.is_invoiced(db.cursor(), entry_id):
        return _refusal(INVOICED)
    return _form_page(_form_of(entry), entry)


@blueprint.post("/entries/<id:entry_id>/edit")
def save(entry_id: int) -> ResponseReturnValue:
    """Change an entry, unless somebody else did meanwhile."""
    form = EntryForm(with_instead(request.form))
    gone = time_entries.deleted(db.cursor(), entry_id)
    if gone and _may_see(gone.user_id):
        if not _may_restore(gone):
            return _refusal(DELETED_BY_ADMIN)
        return _refusal("This entry was deleted meanwhile.", entry_id)
    entry = _visible(db.cursor(), entry_id)
    if time_entries.is_invoiced(db.cursor(), entry_id):
        return _refusal(INVOICED)
    if form.version.data != entry.version:
        if _is_saved(form, entry):
            return navigation.back()
        form.version.data = entry.version
        return _form_page(form, entry, is_stale=True), 409
    span = _span_typed(form, entry)
    if span is None or not _checked_choices(db.cursor(), form, entry):
        return _form_page(form, entry), 422

    is_moved = span != (entry.start, entry.end)
    credited = _credited(span) if is_moved else entry.duration_seconds
    others: list[Overlap] = []
    try:
        with db.change() as cursor:
            time_entries.lock(cursor, entry_id)
            is_same = time_entries.get(cursor, entry_id) == entry and not time_entries.is_invoiced(cursor, entry_id)
            if is_same:
                billable = _hold_choices(cursor, form)
                time_entries.update(cursor, entry_id, *_columns(form, span, credited, billable))
            if is_same and is_moved and entry.user_id:
                end = span.end or security.now()
                others = time_entries.overlapping(cursor, entry.user_id, span.start, end, entry_id)
    except (ForeignKeyViolation, ChoiceIsGoneError):
        return _choice_is_gone(form, entry)
    if not is_same:
        return save(entry_id)  # which finds what it was changed to in this very moment
    if is_moved and span.end:
        _tell("Saved", span, others)
    elif is_moved:
        overlaps.tell(others)
    return navigation.back()


# --- Deleting, and bringing back ---


@blueprint.post("/entries/<id:entry_id>/delete")
def delete(entry_id: int) -> ResponseReturnValue:
    """Delete an entry, and offer to bring it back. A second time does nothing."""
    with db.change() as cursor:
        time_entries.lock(cursor, entry_id)
        entry = time_entries.get(cursor, entry_id)
        gone = time_entries.deleted(cursor, entry_id)
        if entry is None and gone and _may_see(gone.user_id):
            is_deleted = is_invoiced = False
        else:
            entry = _visible(cursor, entry_id)
            is_invoiced = time_entries.is_invoiced(cursor, entry_id)
            is_deleted = not is_invoiced
        if is_deleted:
            time_entries.delete(cursor, entry_id, security.viewer().id)
    if is_invoiced:
        return _refusal(INVOICED)
    if is_deleted:
        name = formats.shortened(entry.notes or entry.project or "an entry without notes")
        flash({"text": f"Deleted: {name}", "url": url_for("entries.restore", entry_id=entry_id)}, "undo")
    return navigation.back()


@blueprint.post("/entries/<id:entry_id>/restore")
def restore(entry_id: int) -> ResponseReturnValue:
    """Bring back an entry that was deleted: for who deleted it, and for administrators. A second time does nothing."""
    is_single = security.current_settings().single_active_timer
    is_refused, may_restore = False, True
    try:
        with db.change() as cursor:
            gone = time_entries.deleted(cursor, entry_id)
            if gone is None:
                _visible(cursor, entry_id)
            elif not _may_see(gone.user_id):
                abort(404)
            elif not _may_restore(gone):
                may_restore = False
            elif gone.is_running and is_single and gone.user_id and time_entries.one_runs(cursor, gone.user_id):
                is_refused = True
            else:
                time_entries.restore(cursor, entry_id)
    except ForeignKeyViolation:
        return _refusal("Its project or its user was deleted since, so it cannot come back.")
    except UniqueViolation:  # of an index that an old database has, which lets one timer run whatever the settings say
        is_refused = True
    if not may_restore:
        return _refusal(DELETED_BY_ADMIN)
    if is_refused:
        return _refusal("Another timer runs. Stop it first, then bring this one back.", entry_id)
    return navigation.back()


# --- What the views share ---


def _may_see(user_id: int | None) -> bool:
    return security.viewer().is_admin or user_id == security.viewer().id


def _may_restore(gone: Deleted) -> bool:
    """Tell whether the viewer, who may see the entry, may undo its deletion. An administrator's stands."""
    return security.viewer().is_admin or gone.deleted_by in (None, security.viewer().id)


def _visible(cursor: Cursor, entry_id: int) -> Entry:
    entry = time_entries.get(cursor, entry_id)
    if entry is None or not _may_see(entry.user_id):
        abort(404)
    return entry


def _form_of(entry: Entry) -> EntryForm:
    zone = security.zone()
    start = shown(entry.start, zone)
    return EntryForm(
        formdata=None,
        notes=entry.notes or "",
        project=entry.project_id,
        task=entry.task_id,
        tags=entry.tags,
        billable=entry.billable,
        day=start.date(),
        start=start.time(),
        start_second=word_of(which(entry.start, zone)),
        end=shown(entry.end, zone).time() if entry.end else None,
        end_second=word_of(which(entry.end, zone)) if entry.end else "",
        zone=zone.key,
        version=entry.version,
    )


def _span_typed(form: EntryForm, entry: Entry | None) -> Span | None:
    """Return the span that the form says; None after putting what is wrong beside the fields."""
    is_valid = form.validate()
    is_running = entry is not None and entry.end is None
    is_open = form.end.data is None and form.duration.data is None
    if is_open and not is_running and not form.end.errors and not form.duration.errors:
        form.end.errors = ["Give an end or a duration."]
        is_valid = False
    if not is_valid:
        return None
    typed = form.typed()
    if is_running:
        typed = typed._replace(end=None, minutes=None)
    kept = Span(entry.start, entry.end) if entry else None
    try:
        span = span_of(typed, form.time_zone(), security.now(), kept)
        if is_running and span != kept:
            _check_running_start(span.start)
    except SpanError as error:
        field = form["duration" if error.field == "minutes" else error.field]
        field.errors, field.instead, field.twice = [str(error)], error.instead, error.twice
        return None
    return span


def _is_saved(form: EntryForm, entry: Entry) -> bool:
    """Tell whether the entry holds what the form says, as it does when Save was clicked twice."""
    if not form.validate() or not _checked_choices(db.cursor(), form, entry):
        return False
    typed = form.typed()
    if entry.end is None:
        typed = typed._replace(end=None, minutes=None)
    elif typed.minutes is not None:
        typed = typed._replace(end=None)  # the end was left standing beside the new duration
    try:
        span = span_of(typed, form.time_zone(), security.now(), Span(entry.start, entry.end))
    except SpanError:
        return False
    held = (entry.project_id, entry.task_id, entry.start, entry.end, entry.duration_seconds, entry.notes, entry.tags)
    return _columns(form, span, entry.duration_seconds, form.billable.data) == (*held, entry.billable)


def _check_running_start(start: datetime) -> None:
    if start > security.now():
        raise SpanError("start", "A running timer cannot start in the future.")
    if timers.is_too_long(start, security.now()):
        raise SpanError("day", timekeeping.TOO_LONG)


def _checked_choices(cursor: Cursor, form: EntryForm, entry: Entry | None) -> bool:
    """Tell whether project and task go together, after taking over the project of a task that came without one.

    What is archived or done can be kept, but not chosen anew.
    """
    if form.task.data and not form.project.data:
        form.project.data = tasks.project_of(cursor, form.task.data)
    if form.task.data and not (form.project.data and tasks.belongs(cursor, form.task.data, form.project.data)):
        form.task.errors = ["That task belongs to another project."]
        return False
    kept = entry.project_id if entry else None
    if form.project.data and form.project.data != kept and not projects.is_active(cursor, form.project.data):
        form.project.errors = ["That project is archived or gone. Choose another one."]
        return False
    return True


def _hold_choices(cursor: Cursor, form: EntryForm) -> bool:
    """Keep the project, and the task in it, until the end of this transaction, and tell whether that is billable.

    Raises ChoiceIsGoneError.
    """
    if form.task.data and not tasks.hold(cursor, form.task.data, form.project.data):
        raise ChoiceIsGoneError
    project = timer.project(cursor, form.project.data) if form.project.data else None
    if form.project.data and project is None:
        raise ChoiceIsGoneError
    return form.is_billable(usual=project is None or project.billable)


def _credited(span: Span) -> int | None:
    if span.end is None:
        return None
    return timekeeping.credited_seconds(span.start, span.end, security.current_settings().rounding_minutes)


def _columns(form: EntryForm, span: Span, credited: int | None, billable: bool) -> tuple[Any, ...]:
    """Return what `insert` and `update` write, in their order."""
    return (
        form.project.data,
        form.task.data,
        span.start,
        span.end,
        credited,
        form.notes.data or None,
        form.tags.data,
        billable,
    )


def _tell(done: str, span: Span, others: list[Overlap]) -> None:
    """Say which times were written, over midnight or not, and with which other entries they overlap."""
    written = formats.start_and_end(span.start, span.end)
    over = {0: "", 1: " the next day"}.get(written.over, f" {written.over} days later")
    credited = formats.hours(timekeeping.credited_minutes(_credited(span)))
    flash(f"{done}: {written.start} to {written.end}{over} = {credited}", "saved")
    overlaps.tell(others)


def _choice_is_gone(form: EntryForm, entry: Entry | None) -> ResponseReturnValue:
    form.project.errors = ["The project or the task was deleted or moved just now. Choose another one."]
    return _form_page(form, entry), 409


def _form_page(form: EntryForm, entry: Entry | None, is_stale: bool = False) -> str:
    """Return the form as a page of its own, or alone for a script that puts it into the list."""
    return render_template(
        "entries/_form.html" if _is_part() else "entries/form.html",
        form=form,
        entry=entry,
        is_stale=is_stale,
        next=_next(),
    )


def _refusal(sentence: str, restorable: int | None = None) -> ResponseReturnValue:
    """Return the answer 409, with what was typed, and a button where the entry can be brought back."""
    template = "entries/_refusal.html" if _is_part() else "entries/refusal.html"
    lost = typed.of_request()
    return render_template(template, sentence=sentence, restorable=restorable, next=_next(), lost=lost), 409


def _is_part() -> bool:
    """Tell whether a script asks, which puts the answer into the list."""
    return request.headers.get("X-Part") == "form"


def _next() -> str:
    """Return where to go after the form: whence one came."""
    if request.method == "POST":
        return security.safe_next(request.form.get("next"))
    referrer = request.referrer or ""
    path = referrer[len(request.host_url) - 1 :] if referrer.startswith(request.host_url) else None
    return url_for("entries.page") if path and path.startswith("/entries/") else security.safe_next(path)
