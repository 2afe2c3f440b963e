"""The week as a grid: projects and tasks by seven days."""

from flask import Blueprint, render_template

blueprint = Blueprint("week", __name__)


@blueprint.get("/week")
def page() -> str:
    """Week."""
    return render_template("week/page.html")
