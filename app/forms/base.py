"""The form that all others are."""

from typing import Any

from flask import request
from flask_wtf import FlaskForm


class SentForm(FlaskForm):
    """A form of texts, filled with what was sent as such.

    Flask-WTF would look among the uploaded files first, and into JSON: what is typed would be no text then.
    """

    def __init__(self, *arguments: Any, **options: Any):
        if not arguments and "formdata" not in options:
            options["formdata"] = request.form if request.method == "POST" else None
        super().__init__(*arguments, **options)
