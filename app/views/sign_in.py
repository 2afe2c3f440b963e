"""Signing in and out."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import db, passwords, security
from app.forms.sign_in import SignInForm
from app.queries import sessions, users

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/sign-in")
@security.public
def page() -> ResponseReturnValue:
    """The form."""
    return render_template("sign_in/page.html", form=SignInForm())


@blueprint.post("/sign-in")
@security.public
def enter() -> ResponseReturnValue:
    """Sign in by name and password."""
    form = SignInForm()
    if not form.validate():
        return render_template("sign_in/page.html", form=form), 422
    account = users.account(db.cursor(), form.username.data)
    if not passwords.is_right(form.password.data, account.password_hash if account else None) or not account.is_active:
        form.password.errors = ["Name and password do not go together."]
        return render_template("sign_in/page.html", form=form), 422
    with db.change() as cursor:
        token = sessions.begin(cursor, account.id, security.now(), request.user_agent.string, request.remote_addr or "")
        signed_in = sessions.signed_in(cursor, token, security.now())
    security.sign_in(token, signed_in)
    return redirect(security.safe_next(request.args.get("next")))


@blueprint.post("/sign-out")
def leave() -> ResponseReturnValue:
    """End the session of this browser."""
    security.sign_out()
    return redirect(url_for("sign_in.page"))
