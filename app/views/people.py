"""People: who may sign in, and as what. For administrators."""

from datetime import datetime

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from psycopg2.extensions import cursor as Cursor
from werkzeug.exceptions import Conflict

from app import db, security, spans, timekeeping, timers
from app.forms.people import AddForm, RenameForm, RoleForm
from app.forms.timer import EndForm
from app.queries import invitations, people, sessions, timer, users
from app.security import for_admins

# So many rows are quick to read; the others are found by their name.
LONGEST_LIST = 200

TAKEN = "Somebody has that name already."
LAST_ADMIN = (
    "This is the last active administrator: without one, nobody could open this page again. "
    "Make somebody else an administrator first."
)

blueprint = Blueprint("people", __name__)


@blueprint.get("/people")
@for_admins
def page() -> str:
    """The list, and a form that adds somebody."""
    return _list(AddForm(formdata=None))


@blueprint.post("/people")
@for_admins
def add() -> ResponseReturnValue:
    """Make a user and invite them; the link is shown once, on the page that comes next."""
    form = AddForm()
    if not form.validate():
        return _list(form), 422
    try:
        with db.change() as cursor:
            # Where the name is taken, this note is rolled back: of such a form nothing was done.
            is_first = security.is_first_sending(cursor)
            if is_first:
                user_id = users.insert(cursor, form.username.data, form.role.data)
                invitation = invitations.make(cursor, user_id, security.now())
            else:
                user_id = users.holder_of(cursor, form.username.data)
    except users.NameTakenError:
        form.username.errors = [TAKEN]
        return _list(form), 422
    if is_first:
        session["invitation"] = [user_id, invitation]
    elif user_id is None:
        flash("That form was sent before, and nobody was added now. Type the name again.")
        return redirect(url_for("people.page"), 303)
    else:
        flash("Already added. If no link is shown here, press Invite again for one.")
    return redirect(url_for("people.person", user_id=user_id), 303)


@blueprint.get("/people/<id:user_id>")
@for_admins
def person(user_id: int) -> str:
    """One user, with all that can be done about them."""
    return _person(user_id)


@blueprint.post("/people/<id:user_id>/name")
@for_admins
def rename(user_id: int) -> ResponseReturnValue:
    """Give the user another name to sign in with."""
    form = RenameForm()
    if not form.validate():
        return _person(user_id, rename_form=form), 422
    try:
        with db.change() as cursor:
            _lock(cursor, user_id)
            users.rename(cursor, user_id, form.username.data)
    except users.NameTakenError:
        form.username.errors = [TAKEN]
        return _person(user_id, rename_form=form), 422
    return _done(user_id, f"The name is {form.username.data} now.")


@blueprint.post("/people/<id:user_id>/role")
@for_admins
def change_role(user_id: int) -> ResponseReturnValue:
    """Make the user an administrator, or a member."""
    form = RoleForm()
    if not form.validate():
        return _person(user_id, role_form=form), 422
    with db.change() as cursor:
        _lock(cursor, user_id, remains_admin=form.role.data == "admin")
        people.set_role(cursor, user_id, form.role.data)
    is_oneself_no_more = user_id == security.viewer().id and form.role.data != "admin"
    if is_oneself_no_more:
        flash("You are a member now, and no administrator any more.")
        return redirect(url_for("profile.page"), 303)
    return _done(user_id, "An administrator now." if form.role.data == "admin" else "A member now.")


@blueprint.post("/people/<id:user_id>/invitation")
@for_admins
def invite(user_id: int) -> ResponseReturnValue:
    """Make a link by which the user sets a password; earlier links become void."""
    with db.change() as cursor:
        _lock(cursor, user_id)
        if not people.is_active(cursor, user_id):
            raise Conflict("This user is deactivated, so a link would not let them in. Activate them first.")
        token = invitations.make(cursor, user_id, security.now())
    session["invitation"] = [user_id, token]
    return redirect(url_for("people.person", user_id=user_id), 303)


@blueprint.post("/people/<id:user_id>/deactivate")
@for_admins
def deactivate(user_id: int) -> ResponseReturnValue:
    """Keep the user out: sessions end, links become void. What they tracked stays, and a timer goes on running."""
    with db.change() as cursor:
        _lock(cursor, user_id, remains_admin=False)
        people.set_active(cursor, user_id, False)
        people.void_invitations(cursor, user_id)
        sessions.revoke_all(cursor, user_id)
        running = people.timers(cursor, user_id)
    if user_id == security.viewer().id:
        return redirect(url_for("sign_in.page"), 303)
    return _done(user_id, "Deactivated, and signed out everywhere." + (" A timer still runs." if running else ""))


@blueprint.post("/people/<id:user_id>/activate")
@for_admins
def activate(user_id: int) -> ResponseReturnValue:
    """Let the user in again."""
    with db.change() as cursor:
        _lock(cursor, user_id)
        people.set_active(cursor, user_id, True)
    return _done(user_id, "Active again.")


@blueprint.post("/people/<id:user_id>/sign-out")
@for_admins
def sign_out_everywhere(user_id: int) -> ResponseReturnValue:
    """End all sessions of the user, but for the one that asks."""
    own = security.viewer().session_id if user_id == security.viewer().id else None
    with db.change() as cursor:
        _lock(cursor, user_id)
        count = sessions.revoke_all(cursor, user_id, own)
    return _done(user_id, "One session was ended." if count == 1 else f"{count} sessions were ended.")


@blueprint.post("/people/<id:user_id>/delete")
@for_admins
def delete(user_id: int) -> ResponseReturnValue:
    """Delete a user who never did anything here; whoever has entries, tasks or invoices can only be deactivated."""
    with db.change() as cursor:
        _lock(cursor, user_id, remains_admin=False, to_delete=True)
        name = people.name_of(cursor, user_id)
        if not people.delete(cursor, user_id):
            raise Conflict(f"{name} has entries, tasks or invoices, which would go too. Deactivate them instead.")
    flash(f"{name} was deleted.")
    return redirect(url_for("people.page"), 303)


@blueprint.post("/people/<id:user_id>/timers/<id:entry_id>/stop")
@for_admins
def stop_timer(user_id: int, entry_id: int) -> ResponseReturnValue:
    """Stop a timer of the user, now, when they were last seen or when one says; the entry can be edited afterwards."""
    form, at = EndForm(), request.form.get("at")
    rounding = security.current_settings().rounding_minutes
    with db.change() as cursor:
        _lock(cursor, user_id)
        running = people.lock_timer(cursor, user_id, entry_id)
        if running is None:
            raise Conflict("That timer does not run any more: somebody stopped or deleted it. Load the page again.")
        if at == "set":
            end = form.ended(running.start, security.now())
        else:
            seen = running.last_seen if at == "last seen" else None
            end = timers.end_of(running.start, seen or security.now())
            if timers.is_too_long(running.start, end):
                raise Conflict(f"{timekeeping.TOO_LONG} Go back, load the page again and say when this one ended.")
        if end is not None:
            timer.stop(cursor, entry_id, end, timekeeping.credited_seconds(running.start, end, rounding))
    if end is None:
        return _person(user_id, end_forms={entry_id: form}), 422
    return _done(user_id, "The timer was stopped.")


def _lock(cursor: Cursor, user_id: int, remains_admin: bool = True, to_delete: bool = False) -> None:
    """Lock the user and all administrators; see that an administrator is left, and that it is one who asks."""
    admins = people.lock(cursor, user_id, to_delete)
    if admins is None:
        abort(404)
    if not remains_admin and admins == {user_id}:
        raise Conflict(LAST_ADMIN)
    if security.viewer().id not in admins:
        abort(403)


def _list(form: AddForm) -> str:
    search = request.args.get("q", "").replace("\0", "")[:80].strip()
    found = people.page(db.cursor(), security.now(), _week(), search, LONGEST_LIST + 1)
    return render_template(
        "people/page.html", form=form, search=search, people=found[:LONGEST_LIST], has_more=len(found) > LONGEST_LIST
    )


def _person(
    user_id: int,
    rename_form: RenameForm | None = None,
    role_form: RoleForm | None = None,
    end_forms: dict[int, EndForm] | None = None,
) -> str:
    found = people.page(db.cursor(), security.now(), _week(), "", 1, user_id)
    if not found:
        abort(404)
    user, [for_user, token] = found[0], session.pop("invitation", [None, None])
    now, running = security.now(), people.timers(db.cursor(), user_id)
    return render_template(
        "people/person.html",
        user=user,
        link=security.link("sign_in.invitation_page", token=token) if for_user == user_id else None,
        rename_form=rename_form or RenameForm(formdata=None, username=user.username),
        role_form=role_form or RoleForm(formdata=None, role="admin" if user.role == "admin" else "user"),
        timers=running,
        end_forms={one.id: _end_form(one) for one in running} | (end_forms or {}),
        is_too_long=timers.is_too_long,
        sessions=sessions.list_of(db.cursor(), user_id, now),
        has_work=people.has_work(db.cursor(), user_id),
        now=now,
    )


def _end_form(running: people.Timer) -> EndForm:
    """Return the form that says when a timer ended: likely when its user was last seen."""
    zone, seen = security.zone(), running.last_seen
    likely = seen if seen and not timers.is_too_long(running.start, seen) else running.start
    return EndForm(formdata=None, end=spans.shown(likely, zone), zone=zone.key)


def _done(user_id: int, sentence: str) -> ResponseReturnValue:
    flash(sentence)
    return redirect(url_for("people.person", user_id=user_id), 303)


def _week() -> tuple[datetime, datetime]:
    """Return the moments (UTC, no zone) between which this week is."""
    today = security.today()
    bounds = timekeeping.days_from(timekeeping.monday_of(today), 7, security.zone()).bounds
    return bounds[0], bounds[-1]
