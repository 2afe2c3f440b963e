"""Tasks, as a board of three columns. Everybody may make, edit and move them; the hours on a card are everybody's.

A card is moved by its buttons, which need no JavaScript, and with it by mouse and keyboard (static/board.js).
"""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import board, db, ids, security
from app.forms.tasks import TaskForm
from app.forms.text import search_text
from app.queries import projects, tasks
from app.security import viewer

blueprint = Blueprint("tasks", __name__)

GONE = "This project was deleted meanwhile. Choose another one."
FILTERS = ("project", "assigned", "priority", "q")


# --- The board ---


@blueprint.get("/tasks")
def page() -> str:
    """The board, as its filters in the address say."""
    return _board_page()


def _board_page(problem: str = "") -> str:
    wanted = _filter()
    cursor = db.cursor()
    most = tasks.IN_A_COLUMN if wanted.project_id is None else tasks.IN_A_COLUMN_OF_A_PROJECT
    cards = tasks.cards(cursor, wanted, security.now(), most)
    columns = {status: [card for card in cards if card.status == status] for status in board.COLUMNS}
    chosen = projects.choices(cursor, viewer().id)
    return render_template(
        "tasks/page.html",
        columns=columns,
        others=[card for card in cards if card.status not in board.COLUMNS],
        filter=wanted,
        filters=_filters(),
        projects=chosen,
        project=_project_beside(wanted.project_id, [choice.id for choice in chosen]),
        people=tasks.people(cursor),
        board=board,
        today=security.today(),
        most=most,
        problem=problem,
    )


def _project_beside(project_id: int | None, offered: list[int]) -> projects.Project | None:
    """Return a project that is none of those offered: an archived one, or one of more than a list holds."""
    if project_id is None or project_id in offered:
        return None
    return projects.get(db.cursor(), project_id)


def _filter() -> tasks.Filter:
    assigned = request.args.get("assigned", "")
    people = {"me": viewer().id, "nobody": 0}
    return tasks.Filter(
        project_id=ids.parse(request.args.get("project", "")),
        assigned_to=people[assigned] if assigned in people else ids.parse(assigned),
        priority=request.args["priority"] if request.args.get("priority") in board.PRIORITIES else "",
        search=search_text(request.args.get("q")),
    )


def _filters() -> dict[str, str]:
    """Return what the address says of the filters, to come back to the same board."""
    return {name: request.args[name] for name in FILTERS if request.args.get(name)}


# --- Moving ---


@blueprint.post("/tasks/<id:task_id>/move")
def move(task_id: int) -> ResponseReturnValue:
    """Put a task into the column `to`, unless somebody changed it since it was shown: then tell it, with 409.

    The address may carry the `version` that was shown. A script, which accepts JSON, is answered with the card anew.
    """
    target = request.form.get("to", "")
    if target not in board.COLUMNS:
        abort(400)
    with db.change() as cursor:
        found = tasks.lock(cursor, task_id) or abort(404)
        seen = request.args.get("version", found.version)
        is_stale = seen != found.version and found.status != target
        if not is_stale and found.status != target:
            tasks.move(cursor, task_id, target, _times(found, target))
    said = f"{found.name}: {board.COLUMNS[target]}."
    if is_stale:
        where = board.word(found.status)
        said = f"Somebody else changed “{found.name}” meanwhile: it is in {where}. Move it again if you still want to."
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        return _moved_card(task_id, said), 409 if is_stale else 200
    if is_stale:
        return _board_page(said), 409
    flash(said)
    return redirect(url_for("tasks.page", **_filters(), _anchor=f"task-{task_id}"), 303)


def _moved_card(task_id: int, said: str) -> dict[str, str]:
    [card] = tasks.cards(db.cursor(), tasks.Filter(task_id=task_id), security.now()) or abort(404)
    html = render_template("tasks/moved.html", card=card, board=board, filters=_filters(), today=security.today())
    return {"card": html, "status": card.status, "said": said}


def _times(found: tasks.Task, target: str) -> board.Times:
    times = board.Times(found.started_at, found.completed_at)
    return board.times_after_move(target, times, security.now())


# --- Making and changing ---


@blueprint.get("/tasks/new")
def new() -> str:
    """The form of a new task, in the project and the column that the address names."""
    column = request.args.get("status", "pending")
    data = {
        "project": ids.parse(request.args.get("project", "")),
        "status": column if column in board.COLUMNS else "pending",
    }
    form = TaskForm(formdata=None, data=data)
    _offer(form, None)
    return _form_page(form)


@blueprint.post("/tasks/new")
def create() -> ResponseReturnValue:
    """Make a task, also where its form is sent twice."""
    form = TaskForm()
    _offer(form, None)
    if not form.validate():
        return _form_page(form), 422
    with db.change() as cursor:
        is_there = projects.hold(cursor, form.project.data)
        if is_there and security.is_first_sending(cursor):
            times = board.times_after_move(form.status.data, board.Times(None, None), security.now())
            tasks.insert(cursor, _values(form), times, viewer().id)
            flash(f"{form.name.data} is there.")
    if not is_there:
        _offer(form, None)
        form.project.errors = [GONE]
        return _form_page(form), 409
    return redirect(url_for("tasks.page", project=form.project.data), 303)


@blueprint.get("/tasks/<id:task_id>")
def edit(task_id: int) -> str:
    """A task, as the form in which it is changed."""
    found = tasks.get(db.cursor(), task_id) or abort(404)
    form = TaskForm(formdata=None, data={**found._asdict(), "project": found.project_id, "version": found.version})
    _offer(form, found)
    return _form_page(form, found)


@blueprint.post("/tasks/<id:task_id>")
def save(task_id: int) -> ResponseReturnValue:
    """Change a task, unless somebody else did since the form was opened: then ask first."""
    found = tasks.get(db.cursor(), task_id) or abort(404)
    form = TaskForm(data={"estimated_hours": found.estimated_hours})
    _offer(form, found)
    if not form.validate():
        return _form_page(form, found), 422
    with db.change() as cursor:
        found = tasks.lock(cursor, task_id) or abort(404)
        is_stale = form.version.data != found.version
        leaves_entries = form.project.data != found.project_id and tasks.has_entries(cursor, task_id)
        is_there = projects.hold(cursor, form.project.data)
        if not is_stale and not leaves_entries and is_there:
            times = board.Times(found.started_at, found.completed_at)
            if form.status.data != found.status and form.status.data in board.COLUMNS:
                times = _times(found, form.status.data)
            tasks.update(cursor, task_id, _values(form), times)
    if not is_there:
        _offer(form, found)
        form.project.errors = [GONE]
        return _form_page(form, found), 409
    if leaves_entries:
        form.project.errors = ["Time was spent on it in its project, so it stays there. Make a new task instead."]
        return _form_page(form, found), 409
    if is_stale:
        form.version.data = found.version
        return _form_page(form, found, "Somebody else changed this task meanwhile. Save again to replace that."), 409
    flash("Saved.")
    return redirect(url_for("tasks.page", project=form.project.data), 303)


@blueprint.post("/tasks/<id:task_id>/delete")
def delete(task_id: int) -> ResponseReturnValue:
    """Delete a task on which no time was spent: for who made it, and for administrators."""
    with db.change() as cursor:
        found = tasks.lock(cursor, task_id) or abort(404)
        if not _may_delete(found):
            abort(403)
        is_used = tasks.has_entries(cursor, task_id)
        if not is_used:
            tasks.delete(cursor, task_id)
    if is_used:
        form = TaskForm(formdata=None, data={**found._asdict(), "project": found.project_id, "version": found.version})
        _offer(form, found)
        return _form_page(form, found, "Time was spent on it, so it cannot be deleted. Move it to Done instead."), 409
    flash(f"{found.name} is deleted.")
    return redirect(url_for("tasks.page", project=found.project_id), 303)


def _may_delete(task: tasks.Task) -> bool:
    return viewer().is_admin or viewer().id == task.created_by


def _offer(form: TaskForm, found: tasks.Task | None) -> None:
    """Let the form offer active projects and people, and what the task has already, be it archived or deactivated."""
    cursor = db.cursor()
    chosen = [
        (choice.id, f"{choice.name} \N{EN DASH} {choice.client}" if choice.client else choice.name)
        for choice in projects.choices(cursor, viewer().id)
    ]
    people = tasks.people(cursor)
    if found and found.project_id not in [value for value, _ in chosen]:
        chosen.append((found.project_id, found.project))
    beside = _project_beside(form.project.data, [value for value, _ in chosen])
    if beside and beside.status == "active":
        chosen.append((beside.id, beside.name))
    if found and found.assigned_to and found.assigned_to not in [value for value, _ in people]:
        people.append((found.assigned_to, found.assignee or ""))
    form.offer(chosen, people, found.status if found else "pending", found.priority if found else "medium")


def _form_page(form: TaskForm, found: tasks.Task | None = None, problem: str = "") -> str:
    return render_template(
        "tasks/form.html",
        form=form,
        task=found,
        problem=problem,
        may_delete=found is not None and _may_delete(found) and not tasks.has_entries(db.cursor(), found.id),
    )


def _values(form: TaskForm) -> dict[str, object]:
    return {
        "name": form.name.data,
        "project": form.project.data,
        "status": form.status.data,
        "priority": form.priority.data,
        "assigned_to": form.assigned_to.data,
        "due_date": form.due_date.data,
        "estimated_hours": form.estimated_hours.data,
        "description": form.description.data or None,
    }
