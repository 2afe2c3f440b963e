"""Where one can go from each page."""

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue

from app.security import safe_next, viewer

FOR_EVERYBODY = [
    ("entries.page", "Timer"),
    ("week.page", "Week"),
    ("projects.page", "Projects"),
    ("tasks.page", "Tasks"),
    ("reports.page", "Reports"),
]
FOR_ADMINS = [("people.page", "People"), ("settings.page", "Settings"), ("system.page", "System")]


def navigation() -> list[tuple[str, str]]:
    """Return the endpoints and names of the pages that the viewer may open."""
    return [*FOR_EVERYBODY, *(FOR_ADMINS if viewer().is_admin else []), ("profile.page", viewer().username)]


def back() -> ResponseReturnValue:
    """Lead to the page that the form names to come back to."""
    return redirect(safe_next(request.form.get("next")), 303)


def init_app(app: Flask) -> None:
    """Offer `navigation` to the templates."""
    app.context_processor(lambda: {"navigation": navigation})
