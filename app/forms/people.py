"""Making users and changing them."""

from wtforms import SelectField, StringField

from app.forms.base import SentForm
from app.forms.text import NoUnseenCharacters, at_most, filled, stripped

ROLES = {"user": "Member: tracks time", "admin": "Administrator: sees and sets everything"}
NO_ROLE = "Choose one of the roles."
NAME = [filled("Type a name to sign in with."), at_most(80), NoUnseenCharacters()]


class AddForm(SentForm):
    """Makes a user."""

    username = StringField("Name", NAME, filters=[stripped])
    role = SelectField("Role", choices=ROLES, invalid_choice_message=NO_ROLE, default="user")


class RenameForm(SentForm):
    """Gives a user another name."""

    username = StringField("Name", NAME, filters=[stripped])


class RoleForm(SentForm):
    """Makes a user an administrator, or a member."""

    role = SelectField("Role", choices=ROLES, invalid_choice_message=NO_ROLE)
