"""Signing in and out, registering, and the links of invitations."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import psycopg2
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from app import db, errors, passwords, security, throttling, typed
from app.forms.sign_in import NewPasswordForm, RegisterForm, SignInForm
from app.queries import invitations, sign_in_failures, users
from app.typed import Typed

STILL_THERE = "What you typed before is still here. Look at it, and send it again."
OTHER_SESSION = (
    "You signed in anew since this form was opened, or it was open for too long. Look at it, and send it again."
)

Form = TypeVar("Form", SignInForm, RegisterForm)

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/sign-in")
@security.public
def page() -> ResponseReturnValue:
    """The form."""
    if security.is_signed_in():
        return redirect(security.safe_next(request.args.get("next")))
    return _page(SignInForm())


@blueprint.post("/sign-in")
@security.public
def enter() -> ResponseReturnValue:
    """Sign in by name and password."""
    form = SignInForm()
    if not form.validate():
        return _page(form), 422
    name, source = form.username.data, throttling.source_of(request.remote_addr)
    with db.change() as cursor:
        allowed_at = sign_in_failures.begin_attempt(cursor, name, source, security.now())
    if allowed_at is not None:
        return _too_soon(_page, form, allowed_at)
    account = users.account(db.cursor(), name)
    # Each of these takes as long, and is answered alike: no such user, no password yet, deactivated, a wrong password.
    is_right = passwords.is_right(form.password.data, account.password_hash if account else None)
    if not is_right or not account.is_active:
        form.password.errors = ["Name and password do not go together."]
        return _page(form), 422
    renewed = passwords.hash_of(form.password.data) if passwords.is_outdated(account.password_hash) else None
    viewer = None
    with db.change() as cursor:
        users.lock(cursor, account.id)
        kept = users.password_hash(cursor, account.id)
        if kept == account.password_hash or passwords.is_right(form.password.data, kept):
            if renewed:
                users.renew_hash(cursor, account.id, renewed, outdated=account.password_hash)
            sign_in_failures.forgive(cursor, name, source)
            viewer = security.begin_session(cursor, account.id)
    if viewer is None:  # deactivated since, or with another password
        form.password.errors = ["Name and password do not go together."]
        return _page(form), 422
    security.sign_in(viewer)
    if kept := _kept():
        return render_template("error.html", name="You are signed in again", advice=STILL_THERE, typed=kept)
    return redirect(security.safe_next(request.args.get("next")), 303)


@blueprint.app_errorhandler(security.SignedOutError)
def keep_what_was_typed(error: security.SignedOutError) -> ResponseReturnValue:
    """Ask who sent a form to sign in, after which it can be sent again."""
    sent = typed.of_request()
    if sent is None or not sent.shown:
        return redirect(url_for("sign_in.page"), 303)
    return _page(SignInForm(formdata=None), sent), 401


@blueprint.app_errorhandler(CSRFError)
def refuse_without_token(error: CSRFError) -> ResponseReturnValue:
    """Refuse a form without the token of this session; one of a page of ours can be sent again with it.

    A session that ended takes its token along, and a new one has another. Only the browser itself says where a form
    came from, by the header Origin.
    """
    is_ours = request.headers.get("Origin") == request.host_url.rstrip("/")
    if not is_ours or "X-Part" in request.headers or request.url_rule is None:
        return errors.page(error)
    try:
        if not security.may_enter():
            return keep_what_was_typed(security.SignedOutError())
    except (db.DatabaseAwayError, psycopg2.Error):
        g.is_failing = True
    return errors.page(error, typed.of_request(), OTHER_SESSION)


@blueprint.post("/sign-out")
def leave() -> ResponseReturnValue:
    """End the session of this browser."""
    security.sign_out()
    if security.name_by_proxy() is not None:
        return render_template("sign_in/still_known.html")
    return redirect(url_for("sign_in.page"), 303)


@blueprint.get("/register")
@security.public
def register_page() -> ResponseReturnValue:
    """The form in which people register themselves, where the settings let them."""
    if not security.current_settings().allow_self_register:
        abort(404)
    if security.is_signed_in():
        return redirect(url_for("entries.page"))
    return _register_page(RegisterForm())


@blueprint.post("/register")
@security.public
def register() -> ResponseReturnValue:
    """Make an ordinary user, and sign them in."""
    if not security.current_settings().allow_self_register:
        abort(404)
    form = RegisterForm()
    if not form.validate():
        return _register_page(form), 422
    source = throttling.source_of(request.remote_addr)
    with db.change() as cursor:
        # Every registration counts as an attempt at no name: whether a name is taken is told a few times an hour.
        allowed_at = sign_in_failures.begin_attempt(cursor, None, source, security.now())
    if allowed_at is not None:
        return _too_soon(_register_page, form, allowed_at)
    password_hash = passwords.hash_of(form.password.data)  # before it is known whether the name is free
    try:
        with db.change() as cursor:
            user_id = users.insert(cursor, form.username.data, "user")
            users.set_password(cursor, user_id, password_hash, security.now())
            viewer = security.begin_session(cursor, user_id)
    except users.NameTakenError:
        form.username.errors = ["This name is taken; choose another, or sign in if it is yours."]
        return _register_page(form), 409
    security.sign_in(viewer)
    return redirect(url_for("entries.page"), 303)


@blueprint.get("/invitation/<token>")
@security.public
def invitation_page(token: str) -> ResponseReturnValue:
    """The form in which whoever holds the link sets a password."""
    invitation = invitations.find(db.cursor(), token, security.now())
    if invitation is None or not invitation.is_valid:
        return _no_invitation(invitation)
    return render_template("sign_in/invitation.html", form=NewPasswordForm(), name=invitation.username)


@blueprint.post("/invitation/<token>")
@security.public
def accept_invitation(token: str) -> ResponseReturnValue:
    """Set the password, use the link up and sign in: all of it, or nothing."""
    invitation = invitations.find(db.cursor(), token, security.now())
    if invitation is None or not invitation.is_valid:
        return _no_invitation(invitation)
    form = NewPasswordForm(username=invitation.username)
    if not form.validate():
        return render_template("sign_in/invitation.html", form=form, name=invitation.username), 422
    password_hash = passwords.hash_of(form.password.data)
    viewer = None
    with db.change() as cursor:
        users.lock(cursor, invitation.user_id)
        if invitations.use(cursor, invitation.id, security.now()):
            users.set_password(cursor, invitation.user_id, password_hash, security.now())
            viewer = security.begin_session(cursor, invitation.user_id)
    if viewer is None:
        return _no_invitation(invitation)
    security.sign_in(viewer)
    return redirect(url_for("entries.page"), 303)


def _page(form: SignInForm, kept: Typed | None = None) -> str:
    can_register = security.current_settings().allow_self_register
    return render_template("sign_in/page.html", form=form, can_register=can_register, kept=kept or _kept())


def _kept() -> Typed | None:
    """Return what was typed into another form before it was asked who sent it."""
    return typed.unsealed(request.form.get("kept", ""))


def _register_page(form: RegisterForm) -> str:
    return render_template("sign_in/register.html", form=form)


def _too_soon(page: Callable[[Form], str], form: Form, allowed_at: datetime) -> ResponseReturnValue:
    sentence, headers = throttling.too_soon(allowed_at - security.now())
    form.password.errors = [sentence]
    return page(form), 429, headers


def _no_invitation(invitation: invitations.Invitation | None) -> ResponseReturnValue:
    return render_template("sign_in/no_invitation.html"), 404 if invitation is None else 410
