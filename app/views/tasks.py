"""Tasks, as a board of three columns."""

from flask import Blueprint, render_template

blueprint = Blueprint("tasks", __name__)


@blueprint.get("/tasks")
def page() -> str:
    """Tasks."""
    return render_template("tasks/page.html")
