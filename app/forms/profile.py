"""What one changes of oneself."""

from datetime import date

from wtforms import BooleanField, PasswordField, RadioField, SelectField, ValidationError
from wtforms.validators import EqualTo

from app import formats
from app.forms.base import SentForm
from app.forms.text import at_most, filled
from app.passwords import SHORTEST, problem_with

EXAMPLE = date(2026, 3, 9)


def _ways_to_write_a_day() -> dict[str, str]:
    names = {name: formats.locale_of(name) for name in formats.DATE_LOCALES}
    ways = sorted((locale.get_display_name("en"), name) for name, locale in names.items())
    return {
        "": f"{EXAMPLE.isoformat()}, the same in every language",
        **{name: f"{formats.day_in(EXAMPLE, names[name])}, {shown}" for shown, name in ways},
    }


class DisplayForm(SentForm):
    """How times and dates are written, and whether keys are shortcuts."""

    time_format = RadioField(
        "Time", choices={"24h": "14:05", "12h": "2:05 pm"}, invalid_choice_message="Choose one of these."
    )
    date_locale = SelectField("Date", choices=_ways_to_write_a_day(), invalid_choice_message="Choose one of these.")
    shortcuts = BooleanField("Keys are shortcuts: N starts, S stops, ? lists them all")


class PasswordForm(SentForm):
    """Changes the password of the user called `username`."""

    current_password = PasswordField(
        "Current password", [filled("Type the password that you have now."), at_most(1000)]
    )
    new_password = PasswordField(
        "New password",
        [filled("Type a new password."), at_most(1000)],
        description=f"At least {SHORTEST} characters.",
        render_kw={"minlength": SHORTEST},
    )
    repeated = PasswordField("New password again", [EqualTo("new_password", "The two new passwords differ.")])

    def __init__(self, *arguments: object, username: str, **keywords: object):
        super().__init__(*arguments, **keywords)
        self._name = username

    def validate_new_password(self, field: PasswordField) -> None:
        if problem := problem_with(field.data, self._name):
            raise ValidationError(problem)
