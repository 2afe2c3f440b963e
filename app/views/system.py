"""The state of the system, and figures for Prometheus. For administrators."""

from flask import Blueprint, render_template

from app.security import for_admins

blueprint = Blueprint("system", __name__)


@blueprint.get("/system")
@for_admins
def page() -> str:
    """System."""
    return render_template("system/page.html")
