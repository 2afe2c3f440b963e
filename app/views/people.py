"""People: who may sign in, and as what. For administrators."""

from flask import Blueprint, render_template

from app.security import for_admins

blueprint = Blueprint("people", __name__)


@blueprint.get("/people")
@for_admins
def page() -> str:
    """People."""
    return render_template("people/page.html")
