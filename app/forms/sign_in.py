"""Signing in."""

from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length


class SignInForm(FlaskForm):
    username = StringField("Name", [InputRequired("Type your name."), Length(max=80)])
    password = PasswordField("Password", [InputRequired("Type your password."), Length(max=1000)])
