"""Signing in, registering, and setting a password by an invitation."""

from wtforms import Field, PasswordField, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length

from app.forms.base import SentForm
from app.forms.text import NoControlCharacters, NoUnseenCharacters, stripped
from app.passwords import SHORTEST, problem_with

TYPE_A_PASSWORD = "Type a password."  # noqa: S105


class SignInForm(SentForm):
    """Signs in by name and password."""

    username = StringField("Name", [InputRequired("Type your name."), Length(max=80), NoControlCharacters()])
    password = PasswordField("Password", [InputRequired("Type your password."), Length(max=1000)])


class NewPasswordForm(SentForm):
    """Sets the first password of the user called `username`, or another one in its place."""

    password = PasswordField(
        "Password",
        [InputRequired(TYPE_A_PASSWORD)],
        description=f"At least {SHORTEST} characters; a few words that you like are a good one.",
    )
    repeated = PasswordField("Password again")

    def __init__(self, *arguments: object, username: str | None = None, **keywords: object):
        super().__init__(*arguments, **keywords)
        self._name = username

    def validate_password(self, field: Field) -> None:
        if problem := problem_with(field.data, self.of_whom()):
            raise ValidationError(problem)

    def of_whom(self) -> str:
        """Return the name of the user whose password it will be, as far as it is known."""
        return self._name or ""

    def validate_repeated(self, field: Field) -> None:
        if not self.password.errors and field.data != self.password.data:
            raise ValidationError("The two differ; type both anew.")


class RegisterForm(NewPasswordForm):
    """Makes an ordinary user of whoever fills it in."""

    username = StringField(
        "Name",
        [
            DataRequired("Type the name that you want to be known by."),
            Length(max=80),
            NoUnseenCharacters(),
        ],
        filters=[stripped],
    )

    def of_whom(self) -> str:
        return self.username.data or ""
