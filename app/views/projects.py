"""Projects: the list, and a page for each with its hours, its tasks and its people.

Everybody sees the projects, archived ones behind a filter, and their own hours on them. Rates, amounts and the hours
of others are for administrators, who also make, edit and archive projects.
"""

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import billing, board, db, security, timekeeping
from app.forms.projects import ProjectForm
from app.forms.text import search_text
from app.queries import projects, tasks
from app.security import for_admins, is_first_sending, viewer

blueprint = Blueprint("projects", __name__)

MONTHS = 12
LAST_PAGE = 1000


class Bar(NamedTuple):
    """The hours of a month, and how long its bar is, in percent of the longest; without `days`, of all other times."""

    label: str
    minutes: int
    percent: int
    days: tuple[date, date] | None  # the first and the last one


# --- The list ---


@blueprint.get("/projects")
def page() -> str:
    """Projects, by name, with the hours of this month and in all: one's own, or everybody's for administrators."""
    archived = request.args.get("status") == "archived"
    search = search_text(request.args.get("q"))
    number = min(max(request.args.get("page", 1, type=int), 1), LAST_PAGE)
    cursor = db.cursor()
    found, has_more = projects.listed(cursor, archived, search, number)
    return render_template(
        "projects/page.html",
        projects=found,
        hours=projects.hours(
            cursor, [project.id for project in found], _whose(), (_begin(_month(0)), _begin(_month(1))), security.now()
        ),
        archived=archived,
        search=search,
        number=number,
        has_more=has_more,
    )


# --- One project ---


@blueprint.get("/projects/<id:project_id>")
def project(project_id: int) -> ResponseReturnValue:
    """A project. Members see their own hours on it, administrators everybody's and what is left to bill."""
    cursor = db.cursor()
    found = projects.get(cursor, project_id) or abort(404)
    return _project_page(found)


def _project_page(found: projects.Project, problem: str = "") -> str:
    cursor = db.cursor()
    months = [_month(later - MONTHS + 1) for later in range(MONTHS + 1)]
    spent = projects.spent(cursor, found.id, _whose(), [_begin(month) for month in months], security.now())
    by_span, by_person = Counter[int](), Counter[str]()
    for part in spent:
        by_span[part.span] += part.minutes
        by_person[part.username or "Nobody"] += part.minutes
    billable = sum(part.billable_minutes for part in spent)
    unbilled = None
    if viewer().is_admin and found.billable:
        unbilled = billable - projects.invoiced_minutes(cursor, found.id, security.now())
    return render_template(
        "projects/project.html",
        project=found,
        problem=problem,
        minutes=by_span.total(),
        billable_minutes=billable,
        unbilled_minutes=unbilled,
        unbilled=_amount(unbilled, found.hourly_rate),
        bars=_bars(by_span, months),
        people=by_person.most_common(),
        cards=sorted(
            tasks.cards(cursor, tasks.Filter(project_id=found.id), security.now()), key=_what_is_worked_on_first
        ),
        board=board,
        today=security.today(),
    )


def _what_is_worked_on_first(card: tasks.Card) -> int:
    return {"in_progress": 0, "pending": 1, "done": 3}.get(card.status, 2)


def _coin() -> Decimal:
    return billing.coin_of(security.current_settings().currency)


def _amount(minutes: int | None, rate: Decimal | None) -> Decimal | None:
    """Return what the minutes cost: the whole project is one line. None where there are none, or no rate is agreed."""
    return None if minutes is None or rate is None else billing.amount(minutes, rate, _coin())


def _bars(by_span: Counter[int], months: list[date]) -> list[Bar]:
    """Return the months from the first one with hours on, or all after earlier hours, and what lies around them."""
    first = min((span for span in by_span if 0 < span <= MONTHS), default=MONTHS)
    spans = [(0, "Earlier")] if by_span[0] else []
    spans += [(span, f"{months[span - 1]:%b %Y}") for span in range(1 if by_span[0] else first, MONTHS + 1)]
    spans += [(MONTHS + 1, "Later")] if by_span[MONTHS + 1] else []
    longest = max((by_span[span] for span, _ in spans if span), default=0)
    return [
        Bar(
            label,
            by_span[span],
            100 * by_span[span] // longest if span and longest else 0,
            (months[span - 1], months[span] - timedelta(days=1)) if 0 < span <= MONTHS else None,
        )
        for span, label in spans
    ]


def _whose() -> int | None:
    """Return of whom the viewer sees hours: None for everybody."""
    return None if viewer().is_admin else viewer().id


def _month(later: int) -> date:
    """Return the first day of this month, or of one that comes so many months later."""
    today = security.today()
    return timekeeping.first_of_month(today.year, today.month + later)


def _begin(day: date) -> datetime:
    return timekeeping.days_from(day, 1, security.zone()).bounds[0]


# --- Making and changing ---


@blueprint.get("/projects/new")
@for_admins
def new() -> str:
    """The form of a new project."""
    return _form_page(ProjectForm(formdata=None))


@blueprint.post("/projects/new")
@for_admins
def create() -> ResponseReturnValue:
    """Make a project, also where its form is sent twice."""
    form = ProjectForm()
    if not form.validate():
        return _form_page(form), 422
    with db.change() as cursor:
        if not is_first_sending(cursor):
            return redirect(url_for("projects.page"), 303)
        project_id = projects.insert(cursor, _values(form))
    flash(f"{form.name.data} is there.")
    return redirect(url_for("projects.project", project_id=project_id), 303)


@blueprint.get("/projects/<id:project_id>/edit")
@for_admins
def edit(project_id: int) -> str:
    """The form of a project that is there."""
    found = projects.get(db.cursor(), project_id) or abort(404)
    form = ProjectForm(formdata=None, data={**found._asdict(), "version": found.version})
    form.keep_status(found.status)
    return _form_page(form, found)


@blueprint.post("/projects/<id:project_id>/edit")
@for_admins
def save(project_id: int) -> ResponseReturnValue:
    """Change a project, unless somebody else did since the form was opened: then ask first."""
    found = projects.get(db.cursor(), project_id) or abort(404)
    form = ProjectForm(data={"hourly_rate": found.hourly_rate})
    form.keep_status(found.status)
    if not form.validate():
        return _form_page(form, found), 422
    with db.change() as cursor:
        found = projects.lock(cursor, project_id) or abort(404)
        is_stale = form.version.data != found.version
        if not is_stale:
            projects.update(cursor, project_id, _values(form))
    if is_stale:
        form.version.process_data(found.version)
        return _form_page(form, found, "Somebody else changed this project meanwhile. Save again to replace that."), 409
    flash("Saved.")
    return redirect(url_for("projects.project", project_id=project_id), 303)


@blueprint.post("/projects/<id:project_id>/archive")
@for_admins
def archive(project_id: int) -> ResponseReturnValue:
    """Take a project out of the lists. Its hours stay, and a timer that runs on it goes on."""
    return _set_status(project_id, "archived", "Archived. Its hours stay in every report.")


@blueprint.post("/projects/<id:project_id>/activate")
@for_admins
def activate(project_id: int) -> ResponseReturnValue:
    """Let time be spent on a project again."""
    return _set_status(project_id, "active", "Active again.")


@blueprint.post("/projects/<id:project_id>/delete")
@for_admins
def delete(project_id: int) -> ResponseReturnValue:
    """Delete a project to which nothing ever belonged. The schema would delete its entries and invoices with it."""
    with db.change() as cursor:
        found = projects.lock(cursor, project_id) or abort(404)
        usage = projects.usage(cursor, project_id)
        if not any(usage):
            projects.delete(cursor, project_id)
    if any(usage):
        held = " and ".join(name.replace("_", " ") for name, is_there in usage._asdict().items() if is_there)
        return _project_page(found, f"It has {held}, so it cannot be deleted. Archive it instead."), 409
    flash(f"{found.name} is deleted.")
    return redirect(url_for("projects.page"), 303)


def _set_status(project_id: int, status: str, message: str) -> ResponseReturnValue:
    with db.change() as cursor:
        if not projects.set_status(cursor, project_id, status):
            abort(404)
    flash(message)
    return redirect(url_for("projects.project", project_id=project_id), 303)


def _form_page(form: ProjectForm, found: projects.Project | None = None, problem: str = "") -> str:
    return render_template(
        "projects/form.html",
        form=form,
        project=found,
        problem=problem,
        clients=projects.clients(db.cursor()),
        currency=security.current_settings().currency,
        usage=projects.usage(db.cursor(), found.id) if found else None,
    )


def _values(form: ProjectForm) -> dict[str, object]:
    return {
        "name": form.name.data,
        "client": form.client.data,
        "description": form.description.data or None,
        "billable": form.billable.data,
        "hourly_rate": form.hourly_rate.data,
        "billing_ref": form.billing_ref.data or None,
        "status": form.status.data,
    }
