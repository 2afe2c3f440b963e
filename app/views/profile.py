"""What one says of oneself: password, formats, sessions."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Conflict

from app import db, passwords, security
from app.forms.profile import DisplayForm, PasswordForm
from app.queries import people, preferences, sessions

blueprint = Blueprint("profile", __name__)


@blueprint.get("/profile")
def page() -> str:
    """The forms, and where one is signed in."""
    return _page()


@blueprint.post("/profile/display")
def change_display() -> ResponseReturnValue:
    """Choose how times and dates are written, and whether keys are shortcuts."""
    form = DisplayForm()
    if not form.validate():
        return _page(display=form), 422
    with db.change() as cursor:
        preferences.save(
            cursor, security.viewer().id, form.time_format.data, form.date_locale.data, form.shortcuts.data
        )
    flash("Saved.")
    return redirect(url_for("profile.page"), 303)


@blueprint.post("/profile/password")
def change_password() -> ResponseReturnValue:
    """Change the password. Every other session ends, and links that set a password become void."""
    form, viewer = PasswordForm(), security.viewer()
    if not form.validate():
        return _page(password=form), 422
    old = preferences.password_hash(db.cursor(), viewer.id)
    if not passwords.is_right(form.current.data, old):
        form.current.errors = ["This is not your password."]
        return _page(password=form), 422
    new = passwords.hash_of(form.new.data)
    with db.change() as cursor:
        if not preferences.change_password(cursor, viewer.id, old or "", new, security.now()):
            raise Conflict("The password was changed elsewhere at the same moment. Go back and try again.")
        people.void_invitations(cursor, viewer.id)
        count = sessions.revoke_all(cursor, viewer.id, viewer.session_id)
    flash("The password is changed." + (" You are signed out everywhere else." if count else ""))
    return redirect(url_for("profile.page"), 303)


@blueprint.post("/profile/sessions/<int(max=2147483647):session_id>/end")
def end_session(session_id: int) -> ResponseReturnValue:
    """Sign out in one browser; in this one too, if it is the one."""
    with db.change() as cursor:
        was_there = sessions.revoke(cursor, security.viewer().id, session_id)
    if session_id == security.viewer().session_id:
        return redirect(url_for("sign_in.page"), 303)
    flash("That browser is signed out." if was_there else "That browser was signed out already.")
    return redirect(url_for("profile.page"), 303)


@blueprint.post("/profile/sessions/end-others")
def end_other_sessions() -> ResponseReturnValue:
    """Sign out everywhere else."""
    with db.change() as cursor:
        sessions.revoke_all(cursor, security.viewer().id, security.viewer().session_id)
    flash("You are signed out everywhere else.")
    return redirect(url_for("profile.page"), 303)


def _page(display: DisplayForm | None = None, password: PasswordForm | None = None) -> str:
    viewer, now = security.viewer(), security.now()
    kept = {"time_format": viewer.time_format, "date_locale": viewer.date_locale, "shortcuts": viewer.shortcuts}
    return render_template(
        "profile/page.html",
        display=display or DisplayForm(formdata=None, **kept),
        password=password or PasswordForm(formdata=None),
        has_password=preferences.password_hash(db.cursor(), viewer.id) is not None,
        sessions=sessions.list_of(db.cursor(), viewer.id, now),
        own_session=viewer.session_id,
    )
