"""Projects: the list, and a page for each with its hours and its people."""

from flask import Blueprint, render_template

blueprint = Blueprint("projects", __name__)


@blueprint.get("/projects")
def page() -> str:
    """Projects."""
    return render_template("projects/page.html")
