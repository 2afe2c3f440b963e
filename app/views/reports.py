"""Reports: what was worked, in any range, grouped as one likes."""

from flask import Blueprint, render_template

blueprint = Blueprint("reports", __name__)


@blueprint.get("/reports")
def page() -> str:
    """Reports."""
    return render_template("reports/page.html")
