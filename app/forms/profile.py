"""What one changes of oneself."""

from datetime import date

from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, RadioField, SelectField, ValidationError
from wtforms.validators import EqualTo

from app import formats
from app.forms.text import at_most, filled

SHORTEST_PASSWORD = 12
EXAMPLE = date(2026, 3, 9)


def _ways_to_write_a_day() -> dict[str, str]:
    names = {name: formats.locale_of(name) for name in formats.DATE_LOCALES}
    ways = sorted((locale.get_display_name("en"), name) for name, locale in names.items())
    return {
        "": f"{EXAMPLE.isoformat()}, the same in every language",
        **{name: f"{formats.day_in(EXAMPLE, names[name])}, {shown}" for shown, name in ways},
    }


class DisplayForm(FlaskForm):
    time_format = RadioField(
        "Time", choices={"24h": "14:05", "12h": "2:05 pm"}, invalid_choice_message="Choose one of these."
    )
    date_locale = SelectField("Date", choices=_ways_to_write_a_day(), invalid_choice_message="Choose one of these.")
    shortcuts = BooleanField("Keys are shortcuts: N starts, S stops, ? lists them all")


class PasswordForm(FlaskForm):
    current = PasswordField("Current password", [filled("Type the password that you have now."), at_most(1000)])
    new = PasswordField("New password", [filled("Type a new password."), at_most(1000)])
    again = PasswordField("New password again", [EqualTo("new", "The two new passwords differ.")])

    def validate_new(self, field: PasswordField) -> None:
        if len(field.data) < SHORTEST_PASSWORD:
            raise ValidationError(f"At least {SHORTEST_PASSWORD} characters; a few words that nobody knows will do.")
