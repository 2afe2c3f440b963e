"""What one says of oneself: password, formats, sessions."""

from flask import Blueprint, render_template

blueprint = Blueprint("profile", __name__)


@blueprint.get("/profile")
def page() -> str:
    """Profile."""
    return render_template("profile/page.html")
