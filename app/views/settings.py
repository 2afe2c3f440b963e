"""The settings of this installation. For administrators."""

from flask import Blueprint, render_template

from app.security import for_admins

blueprint = Blueprint("settings", __name__)


@blueprint.get("/settings")
@for_admins
def page() -> str:
    """Settings."""
    return render_template("settings/page.html")
