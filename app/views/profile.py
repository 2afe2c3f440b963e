"""What one says of oneself: password, formats, sessions."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import db, passwords, security, throttling
from app.forms.profile import DisplayForm, PasswordForm
from app.queries import preferences, sessions, sign_in_failures, users

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
    """Change the password. Every other session ends, and links that set a password become void.

    Guessing the current one in a browser that lies open is as slow as it is at the sign-in.
    """
    viewer, source = security.viewer(), throttling.source_of(request.remote_addr)
    form = PasswordForm(username=viewer.username)
    if not form.validate():
        return _page(password=form), 422
    with db.change() as cursor:
        allowed_at = sign_in_failures.begin_attempt(cursor, viewer.username, source, security.now())
    if allowed_at is not None:
        sentence, headers = throttling.too_soon(allowed_at - security.now())
        form.current_password.errors = [sentence]
        return _page(password=form), 429, headers
    if not passwords.is_right(form.current_password.data, users.password_hash(db.cursor(), viewer.id)):
        form.current_password.errors = ["This is not your password."]
        return _page(password=form), 422
    new = passwords.hash_of(form.new_password.data)
    with db.change() as cursor:
        sign_in_failures.forgive(cursor, viewer.username, source)
        users.set_password(cursor, viewer.id, new, security.now(), except_session_id=viewer.session_id)
    flash("The password is changed, and every other browser is signed out.")
    return redirect(url_for("profile.page"), 303)


@blueprint.post("/profile/sessions/<id:session_id>/end")
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
        password=password or PasswordForm(formdata=None, username=viewer.username),
        has_password=users.password_hash(db.cursor(), viewer.id) is not None,
        sessions=sessions.list_of(db.cursor(), viewer.id, now),
        own_session=viewer.session_id,
    )
