"""Time entries, by day: the front page."""

from flask import Blueprint, render_template

blueprint = Blueprint("entries", __name__)


@blueprint.get("/")
def page() -> str:
    """Entries."""
    return render_template("entries/page.html")
