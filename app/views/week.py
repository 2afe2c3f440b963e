"""The week as a grid: what one works on by seven days."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg2.errors import ForeignKeyViolation
from psycopg2.extensions import cursor as Cursor

from app import db, formats, grid, navigation, overlaps, security, spans, timekeeping
from app.grid import Change
from app.queries import tasks, time_entries, week
from app.queries.time_entries import Overlap
from app.queries.week import Cell, Named, Work
from app.spans import SpanError
from app.timekeeping import AbsentTimeError, Days

# Where time goes that was typed without saying when: after what is there, or from the morning on.
MORNING = time(9)
MOST_ROWS = 100
MOST_NAMED = 3
FIRST_MONDAY, LAST_MONDAY = date(1970, 1, 5), date(2999, 12, 23)

NOTHING = Cell(0, 0, None, False)

blueprint = Blueprint("week", __name__, url_prefix="/week")


class Row(NamedTuple):
    """A row of the grid."""

    work: Work
    named: Named
    cells: list[Cell]


class Typed(NamedTuple):
    """What was typed into a cell, and what the page said that it was; None where the page is to say what it is now.

    It is said anew only to those who are told so: else the next sending would write over what they have not seen.
    """

    text: str
    was: str | None


class ConflictError(Exception):
    """A cell cannot become what was asked for; `errors` are the sentences by the names of the fields."""

    def __init__(self, errors: dict[str, str]):
        super().__init__(errors)
        self.errors = errors


@blueprint.get("")
def page() -> ResponseReturnValue:
    """Show the week of today."""
    return _page(_monday(security.today()))


@blueprint.get("/<monday>")
def of(monday: str) -> ResponseReturnValue:
    """Show the week of a day, such as 2026-03-23. With ?rows=last also the rows of the week before it."""
    return _page(_monday(_day(monday)))


@blueprint.post("/<monday>")
def save(monday: str) -> ResponseReturnValue:
    """Write what was typed, all of it or nothing; then bring the rows that were asked for."""
    days = timekeeping.days_from(_monday(_day(monday)), grid.DAYS, security.zone())
    changes, errors, rows = grid.read(request.form)
    rows = [work for work in [*rows, _added()] if work and (work[0] or work[1])][-MOST_ROWS:]
    names = [*errors, *(grid.field_name(change.work, change.day) for change in changes)]
    typed = {name: Typed(request.form[name], request.form.get(f"was-{name}", "")) for name in names}
    if errors:
        return _page(days.days[0], rows, errors, typed), 422
    try:
        with db.change() as cursor:
            deleted, others = _apply(cursor, changes, days)
    except ConflictError as conflict:
        told = {name: typed[name]._replace(was=None) for name in conflict.errors}
        return _page(days.days[0], rows, conflict.errors, typed | told), 409
    if deleted:
        said = f"Deleted: {_listed([cell for _, cell in deleted])}"
        flash({"text": said, "url": url_for("week.restore"), "entries": [entry_id for entry_id, _ in deleted]}, "undo")
    if changes:
        flash(f"Saved {formats.hours(sum(_counted(change) for change in changes))} in {_cells(len(changes))}.", "done")
    overlaps.tell(others)
    kept = [grid.row_name(work) for work in rows]
    before = "last" if request.form.get("then") == "last" else None
    return redirect(url_for("week.of", monday=days.days[0].isoformat(), row=kept, rows=before), 303)


@blueprint.post("/restore")
def restore() -> ResponseReturnValue:
    """Bring back the entries of the cells that were emptied together. A second time does nothing."""
    lost = 0
    for entry_id in request.form.getlist("entry", type=int):
        try:
            with db.change() as cursor:
                gone = time_entries.deleted(cursor, entry_id)
                # No cell deletes what is somebody else's or runs, nor is this the undo of who deleted it elsewhere.
                if gone and (
                    gone.user_id != security.viewer().id
                    or gone.deleted_by not in (None, security.viewer().id)
                    or gone.is_running
                ):
                    abort(404)
                time_entries.restore(cursor, entry_id)
        except ForeignKeyViolation:
            lost += 1
    if lost == 1:
        flash("One entry cannot come back: its project was deleted since.", "error")
    elif lost:
        flash(f"{lost} entries cannot come back: their projects were deleted since.", "error")
    return navigation.back()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _cells(count: int) -> str:
    return "one cell" if count == 1 else f"{count} cells"


def _day(text: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        abort(404)
    if not FIRST_MONDAY <= day <= LAST_MONDAY:
        abort(404)
    return day


def _monday(day: date) -> date:
    return min(max(timekeeping.monday_of(day), FIRST_MONDAY), LAST_MONDAY)


# --- The page ---


def _page(
    monday: date,
    extra: list[Work] | None = None,
    errors: dict[str, str] | None = None,
    typed: dict[str, Typed] | None = None,
) -> str:
    cursor, user_id = db.cursor(), security.viewer().id
    days = timekeeping.days_from(monday, grid.DAYS, security.zone())
    cells = week.cells(cursor, user_id, days.bounds, security.now())
    used = {work for work, _ in cells}
    wanted = used | {*(extra or []), *_asked_for()}
    if request.args.get("rows") == "last":
        before = timekeeping.days_from(monday - timedelta(days=grid.DAYS), grid.DAYS, security.zone())
        wanted |= set(week.works(cursor, user_id, before.bounds[0], before.bounds[-1]))
    rows = [
        Row(work, named, [cells.get((work, day), NOTHING) for day in range(grid.DAYS)])
        for work, named in week.names(cursor, wanted).items()
        if named.takes_entries or work in used or work in (extra or [])
    ]
    rows.sort(key=_by_name)
    totals = [sum(row.cells[day].minutes for row in rows) for day in range(grid.DAYS)]
    return render_template(
        "week/page.html",
        days=days.days,
        today=security.today(),
        rows=rows,
        totals=totals,
        total=sum(totals),
        typed=typed or {},
        errors=errors or {},
        row_name=grid.row_name,
        field_name=grid.field_name,
        earlier=_beside(monday, -grid.DAYS),
        later=_beside(monday, grid.DAYS),
    )


def _asked_for() -> list[Work]:
    """Return the rows that the address names."""
    found = [grid.work_of(name) for name in request.args.getlist("row")[:MOST_ROWS]]
    return [work for work in found if work is not None]


def _added() -> Work | None:
    """Return the row that is added by the two selects."""
    if request.form.get("then") != "row":
        return None
    work = grid.work_of(f"{request.form.get('project') or 0}-{request.form.get('task') or 0}")
    if work is not None and work[1] is not None:  # a task says which project it is of
        return (tasks.project_of(db.cursor(), work[1]), work[1])
    return work


def _by_name(row: Row) -> tuple[bool | str, ...]:
    named = row.named
    return (
        named.project is None,
        (named.project or "").lower(),
        (named.client or "").lower(),
        (named.task or "").lower(),
    )


def _beside(monday: date, days: int) -> date | None:
    return monday + timedelta(days=days) if FIRST_MONDAY <= monday + timedelta(days=days) <= LAST_MONDAY else None


# --- Writing ---


def _apply(cursor: Cursor, changes: list[Change], days: Days) -> tuple[list[tuple[int, str]], list[Overlap]]:
    """Make the changes, the cells as they are now being compared with what was shown.

    Returns what was deleted, the id of each entry and which cell it was; and the first entries that what was written
    overlaps with. Raises ConflictError.
    """
    user_id = security.viewer().id
    works = {change.work for change in changes}
    week.hold(cursor, user_id, works, days.bounds[0], days.bounds[-1])
    cells = week.cells(cursor, user_id, days.bounds, security.now())
    named = week.names(cursor, works)
    errors, deleted, written = {}, [], []
    for change in changes:
        cell = cells.get((change.work, change.day), NOTHING)
        problem = _problem(cursor, change, cell, named.get(change.work), days.days[change.day])
        if problem:
            errors[grid.field_name(change.work, change.day)] = problem
        elif not _is_done(change, cell):  # else it was sent twice
            entry = _write(cursor, change, cell, named[change.work], days)
            if entry is None:
                deleted.append((cell.entry_id, f"{named[change.work].title}, {formats.day(days.days[change.day])}"))
            else:
                written.append(entry)
    if errors:
        raise ConflictError(errors)
    others = {
        other.id: other
        for entry_id, start, end in written
        for other in time_entries.overlapping(cursor, user_id, start, end, entry_id)
    }
    return deleted, list(others.values())[: time_entries.NAMED_OVERLAPS]


def _problem(cursor: Cursor, change: Change, cell: Cell, named: Named | None, day: date) -> str | None:
    """Say why the cell of that local day cannot become what was asked for, or None."""
    if _is_done(change, cell):
        return None
    if cell.is_running:
        return "A timer runs in this cell. Stop it first."
    if cell.shown is None and change.shown is not None:
        return "It was emptied meanwhile. Type it once more if you mean it."
    if cell.shown != change.shown:
        return f"It was changed to {formats.hours(cell.minutes)} meanwhile. Type it once more if you mean it."
    if cell.count > 1:
        return "There are several entries in this cell. Open the day to change them."
    if cell.entry_id:
        is_invoiced = time_entries.is_invoiced(cursor, cell.entry_id)
        return "It is on an invoice, so it stays as it is." if is_invoiced else None
    if named is None or not named.is_open:
        return "The project is archived, or no longer there. Choose another one."
    if not named.fits:
        return "That task belongs to another project."
    try:
        spans.check_start(datetime.combine(day, time.min), security.zone(), security.now())
    except SpanError as error:
        return str(error)
    return None


def _is_done(change: Change, cell: Cell) -> bool:
    """Tell whether the cell counts what was typed. An entry that is rounded to nothing is one all the same."""
    return cell.shown == (_counted(change) if change.wanted else None)


def _counted(change: Change) -> int:
    """Return the minutes that the cell will show: what was typed, rounded as the settings say."""
    day = datetime.combine(date.min, time.min)
    seconds = timekeeping.credited_seconds(
        day, day + timedelta(minutes=change.wanted), security.current_settings().rounding_minutes
    )
    return seconds // 60


def _write(
    cursor: Cursor, change: Change, cell: Cell, named: Named, days: Days
) -> tuple[int, datetime, datetime] | None:
    """Return the id, the start and the end (UTC, no zone) of the entry that was written; None if it was deleted."""
    viewer, rounding = security.viewer(), security.current_settings().rounding_minutes
    length = timedelta(minutes=change.wanted)
    if cell.entry_id and not change.wanted:
        time_entries.delete(cursor, cell.entry_id, viewer.id)
        return None
    if cell.entry_id:
        start = time_entries.get(cursor, cell.entry_id).start
    else:
        start = _beginning(cursor, viewer.id, change.day, days)
    end = start + length
    credited = timekeeping.credited_seconds(start, end, rounding)
    if cell.entry_id:
        week.set_end(cursor, cell.entry_id, end, credited)
        return cell.entry_id, start, end
    entry_id = time_entries.insert(
        cursor, viewer.id, *change.work, start, end, credited, None, None, billable=named.billable
    )
    return entry_id, start, end


def _beginning(cursor: Cursor, user_id: int, day: int, days: Days) -> datetime:
    """Return when an entry of that day begins (UTC, no zone): after the last one, or in the morning."""
    try:
        morning = timekeeping.to_stored(datetime.combine(days.days[day], MORNING), security.zone(), second=False)
    except AbsentTimeError as absent:
        morning = timekeeping.to_stored(absent.after, security.zone(), second=False)
    last = week.last_end(cursor, user_id, days.bounds[day], days.bounds[day + 1])
    return last if last and morning < last < days.bounds[day + 1] else morning
