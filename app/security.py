"""Who asks, and what they may do. Every page is for people who are signed in, unless its view is `public`.

Flask-Login keeps the session's token in the signed cookie; the row of sign_in_sessions behind it decides, at each
request, so that a session that was revoked or a user who was deactivated is out at once.
"""

import contextlib
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import psycopg2
from flask import Flask, Response, abort, current_app, g, redirect, render_template, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from app import db, timekeeping
from app.queries import sessions, settings, submitted_forms, timer, users
from app.queries.settings import Settings
from startup import log

View = TypeVar("View", bound=Callable[..., Any])


class SignedOutError(Exception):
    """A form was sent by somebody who is not signed in, or no longer. The answer keeps what was typed."""


# How often the use of a session is noted.
TOUCH_AFTER = timedelta(minutes=1)


class Viewer(UserMixin):
    """The person behind a request. Known to Flask-Login by the token of the session, not by the user's id."""

    def __init__(self, token: str, signed_in: sessions.SignedIn):
        self.token = token
        self.session_id = signed_in.session_id
        self.id = signed_in.user_id
        self.username = signed_in.username
        self.is_admin = signed_in.role == "admin"
        self.last_seen_at = signed_in.last_seen_at
        self.time_format = signed_in.time_format
        self.date_locale = signed_in.date_locale
        self.shortcuts = signed_in.shortcuts

    def get_id(self) -> str:
        return self.token


def viewer() -> Viewer:
    """Return who is signed in; only in views that are not public."""
    return current_user._get_current_object()


def is_signed_in() -> bool:
    """Tell whether somebody is signed in."""
    return current_user.is_authenticated


def person() -> Viewer | None:
    """Return who is signed in as far as this request has found out by now, without asking the database.

    None where nobody was asked for, as by an answer such as 404.
    """
    known = g.get("_login_user")
    return known if known is not None and known.is_authenticated else None


def now() -> datetime:
    """Return this moment in UTC, without a zone, as the database keeps times; the same one during a request."""
    if "now" not in g:
        g.now = datetime.now(UTC).replace(tzinfo=None)
    return g.now


def current_settings() -> Settings:
    """Return the settings, read once a request."""
    if "settings" not in g:
        g.settings = settings.read(db.cursor())
    return g.settings


def zone() -> ZoneInfo:
    """Return the time zone of the settings, in which days begin; UTC where this system knows none of that name."""
    if "zone" not in g:
        g.zone = timekeeping.time_zone(current_settings().timezone) or ZoneInfo("UTC")
    return g.zone


def today() -> date:
    """Return the day that it is in the time zone of the settings."""
    return timekeeping.to_local(now(), zone()).date()


def forget_settings() -> None:
    """Let what this request does from now on read the settings anew: it has changed them."""
    g.pop("settings", None)
    g.pop("zone", None)


def is_first_sending(cursor: db.Cursor) -> bool:
    """Tell whether the form of this request comes for the first time, by the token that it carries.

    It is part of the caller's change. A form without a token cannot have been sent before.
    """
    try:
        token = uuid.UUID(request.form.get("token", ""))
    except ValueError:
        return True
    return submitted_forms.is_first(cursor, token, viewer().id)


def public(view: View) -> View:
    """Mark a view that nobody has to sign in for."""
    view.is_public = True
    return view


def for_admins(view: View) -> View:
    """Mark a view that only administrators may see."""
    view.is_for_admins = True
    return view


def passive(view: View) -> View:
    """Mark a view that a page asks by itself: it is no sign that somebody is there."""
    view.is_passive = True
    return view


def begin_session(cursor: db.Cursor, user_id: int) -> Viewer | None:
    """Begin a session of the user in place of the one that this browser had; None where they are not active.

    It is part of the caller's change; `sign_in` follows once that is committed.
    """
    users.lock(cursor, user_id)
    if old := session.get("_user_id"):
        sessions.end(cursor, old)
    sessions.forget_expired(cursor, now())
    token = sessions.begin(cursor, user_id, now(), request.user_agent.string, request.remote_addr or "")
    users.note_sign_in(cursor, user_id, now())
    signed_in = sessions.signed_in(cursor, token, now())
    return Viewer(token, signed_in) if signed_in else None


def sign_in(viewer: Viewer) -> None:
    """Let the browser carry the session from now on. What it carried before it signed in is forgotten."""
    session.clear()
    g.pop("csrf_token", None)  # of the session before, for the page of this very request
    session.permanent = True
    login_user(viewer)


def sign_out() -> None:
    """End the session of this browser."""
    with db.change() as cursor:
        sessions.end(cursor, viewer().token)
    logout_user()
    session.clear()


def safe_next(target: str | None) -> str:
    """Return `target` if it is a path of this application, else the address of the front page.

    Browsers read a backslash as a slash and leave out tabs and line breaks: a path that has any of these, or begins
    with two slashes, may lead to another host.
    """
    is_path = target and target.startswith("/") and not target.startswith("//") and len(target) <= 2000
    if not is_path or "\\" in target or not target.isprintable():
        return url_for("entries.page")
    return target


def link(endpoint: str, **values: Any) -> str:
    """Return the whole URL of a page, for people to send to each other: BASE_URL says what it begins with."""
    base = current_app.config["BASE_URL"]
    return base + url_for(endpoint, **values) if base else url_for(endpoint, **values, _external=True)


def name_by_proxy() -> str | None:
    """Return whom the proxy says that the request is of; None without AUTH_PROXY_HEADER, and for any other peer.

    What counts is who really connected: X-Forwarded-For, which anybody can send, is not believed in this.
    """
    header, networks = current_app.config["AUTH_PROXY_HEADER"], current_app.config["AUTH_PROXY_NETWORKS"]
    if header is None:
        return None
    peer = request.environ.get("werkzeug.proxy_fix.orig", request.environ).get("REMOTE_ADDR") or ""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    if not any(address in network for network in networks):
        return None
    name = request.headers.get(header, "").strip()
    with contextlib.suppress(UnicodeError):  # headers come as Latin-1, and are mostly sent as UTF-8
        name = name.encode("latin-1").decode("utf-8")
    return name if name and name.isprintable() else None


class SessionInterface(SecureCookieSessionInterface):
    """The session in a signed cookie, which over TLS never leaves it."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def init_app(app: Flask) -> None:
    """Ask for every request who it is of, and for each form that changes something for the token against CSRF."""
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=sessions.LIFETIME,
        WTF_CSRF_TIME_LIMIT=None,  # it lives as long as the session: a form that lay open over night can be sent
    )
    app.session_interface = SessionInterface()
    if proxies := app.config["TRUST_PROXY"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)
    CSRFProtect(app)
    login_manager = LoginManager(app, add_context_processor=False)  # which asks the database, also on error pages
    login_manager.session_protection = None  # addresses change on a phone; sessions can be revoked
    login_manager.user_loader(_load)
    app.before_request(_admit)
    app.after_request(_note_use)
    app.context_processor(_for_templates)


def _for_templates() -> dict[str, Any]:
    """`person` is who is signed in, None on pages for anybody and while the database is away."""
    return {"person": None if g.get("is_failing") else person(), "form_token": uuid.uuid4}


def _load(token: str) -> Viewer | None:
    signed_in = sessions.signed_in(db.cursor(), token, now())
    return Viewer(token, signed_in) if signed_in else None


def _admit() -> ResponseReturnValue | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or request.endpoint == "static" or getattr(view, "is_public", False):
        return None
    if (name := name_by_proxy()) is not None and (refused := _enter_as(name)):
        return refused
    if not is_signed_in():
        if "X-Part" in request.headers:  # a script asks, which keeps what was typed
            abort(401)
        if request.method == "POST":
            raise SignedOutError
        here = request.full_path.rstrip("?")
        return redirect(url_for("sign_in.page", next=here if here != "/" else None))
    if getattr(view, "is_for_admins", False) and not viewer().is_admin:
        abort(403)
    return None


def may_enter() -> bool:
    """Tell whether the view of this request can be had without signing in first."""
    view = current_app.view_functions[request.endpoint]
    return getattr(view, "is_public", False) or is_signed_in() or name_by_proxy() is not None


def _enter_as(name: str) -> ResponseReturnValue | None:
    """Sign in whom the proxy names, unless this browser is signed in so; a page where there is no such active user."""
    if is_signed_in() and viewer().username == name:
        return None
    account = users.account(db.cursor(), name)
    if account is not None and is_signed_in() and viewer().id == account.id:
        return None
    entering = None
    if account is not None and account.is_active:
        with db.change() as cursor:
            entering = begin_session(cursor, account.id)
    if entering is None:
        log.warning(f"The proxy named {name}, which is no active user")
        advice = (
            "The proxy in front of TimeTracker names you so, and no active user is called that. Ask an administrator."
        )
        g.is_failing = True
        return Response(render_template("error.html", status=403, name=name, advice=advice), 403)
    sign_in(entering)
    return None


def _note_use(response: Any) -> Any:
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "is_public", False) or getattr(view, "is_passive", False) or request.endpoint == "static":
        return response
    known = person()
    is_there = known is not None and response.status_code < 500
    try:
        if is_there and now() - known.last_seen_at > TOUCH_AFTER and not _is_asked_about_a_timer():
            with db.change() as cursor:
                sessions.touch(cursor, known.session_id, now())
    except (db.DatabaseAwayError, psycopg2.Error) as error:  # the answer is there, and is given
        log.warning(f"That {known.username} is there was not noted: {db.one_line(error)}")
    return response


def _is_asked_about_a_timer() -> bool:
    """Tell whether a timer ran on while nobody was seen. Until that is answered, the last activity stays as it is."""
    idle = timedelta(minutes=current_settings().idle_timeout_minutes)  # an old database may say thousands of years
    if not timedelta() < idle < now() - viewer().last_seen_at:
        return False
    return timer.is_any_older(db.cursor(), viewer().id, now() - idle)
