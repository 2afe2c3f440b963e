"""Who asks, and what they may do. Every page is for people who are signed in, unless its view is `public`.

Flask-Login keeps the session's token in the signed cookie; the row of sign_in_sessions behind it decides, at each
request, so that a session that was revoked or a user who was deactivated is out at once.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf import CSRFProtect

from app import db, timekeeping
from app.queries import sessions, settings, timer
from app.queries.settings import Settings

View = TypeVar("View", bound=Callable[..., Any])

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
    """Return who is signed in as far as this request has found out by now, without asking the database."""
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
    return timekeeping.time_zone(current_settings().timezone) or ZoneInfo("UTC")


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


def sign_in(token: str, signed_in: sessions.SignedIn) -> None:
    """Let the browser carry the session from now on. What it carried before it signed in is forgotten."""
    session.clear()
    session.permanent = True
    login_user(Viewer(token, signed_in))


def sign_out() -> None:
    """End the session of this browser."""
    with db.change() as cursor:
        sessions.end(cursor, viewer().token)
    logout_user()
    session.clear()


def safe_next(target: str | None) -> str:
    """Return `target` if it is a path of this application, else the address of the front page."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return url_for("entries.page")
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or any(ord(character) < 32 for character in target):
        return url_for("entries.page")
    return target


def init_app(app: Flask) -> None:
    """Ask for every request who it is of, and for each form that changes something for the token against CSRF."""
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=sessions.LIFETIME,
        WTF_CSRF_TIME_LIMIT=None,  # it lives as long as the session: a form that lay open over night can be sent
    )
    CSRFProtect(app)
    login_manager = LoginManager(app)
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
    if not is_signed_in():
        here = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("sign_in.page", next=here))
    if getattr(view, "is_for_admins", False) and not viewer().is_admin:
        abort(403)
    return None


def _note_use(response: Any) -> Any:
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "is_public", False) or getattr(view, "is_passive", False) or request.endpoint == "static":
        return response
    if (
        response.status_code < 500
        and is_signed_in()
        and now() - viewer().last_seen_at > TOUCH_AFTER
        and not _is_asked_about_a_timer()
    ):
        with db.change() as cursor:
            sessions.touch(cursor, viewer().session_id, now())
    return response


def _is_asked_about_a_timer() -> bool:
    """Tell whether a timer ran on while nobody was seen. Until that is answered, the last activity stays as it is."""
    idle_since = now() - timedelta(minutes=current_settings().idle_timeout_minutes)
    if not viewer().last_seen_at < idle_since < now():
        return False
    return timer.is_any_older(db.cursor(), viewer().id, idle_since)
