"""Projects."""

import re
from decimal import Decimal
from itertools import starmap

from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length, Optional

from app.forms.base import SentForm
from app.forms.fields import ParsedField
from app.forms.text import NoControlCharacters, stripped

# What numeric(9,2) holds.
HIGHEST_RATE = Decimal("9999999.99")
RATE = re.compile(r"[0-9]+(?:[.,][0-9]{1,2})?")

STATUSES = {"active": "Active", "archived": "Archived"}


class RateField(ParsedField):
    """An hour's price as a Decimal, with a point or a comma; None when it is empty."""

    def parse(self, text: str) -> Decimal:
        if text.startswith(("-", "\u2212")):
            raise ValueError("A rate is not negative.")
        if not RATE.fullmatch(text):
            raise ValueError("Type the rate as 80 or 80.50, without a currency and with at most two decimals.")
        if len(text) > 20 or Decimal(text.replace(",", ".")) > HIGHEST_RATE:
            raise ValueError("A rate is at most 9999999.99.")
        return Decimal(text.replace(",", "."))

    def written(self, data: Decimal) -> str:
        """To the cent, and to the last of further decimals, which an old database may have."""
        whole, _, decimals = f"{data:f}".partition(".")
        return f"{whole}.{decimals.rstrip('0'):0<2}"


class ProjectForm(SentForm):
    """A project. `version` is the state that was shown."""

    name = StringField(
        "Name",
        [DataRequired("Give the project a name."), Length(max=200), NoControlCharacters()],
        filters=[stripped],
    )
    client = StringField(
        "Client",
        [
            DataRequired("Name the client, or your own company."),
            Length(max=200),
            NoControlCharacters(),
        ],
        filters=[stripped],
    )
    billable = BooleanField("Billable", default=True)
    hourly_rate = RateField("Hourly rate", [Optional()])
    billing_ref = StringField(
        "Billing reference", [Optional(), Length(max=100), NoControlCharacters()], filters=[stripped]
    )
    description = TextAreaField(
        "Description", [Optional(), Length(max=10_000), NoControlCharacters(lines=True)], filters=[stripped]
    )
    status = SelectField("Status", choices=list(starmap(SelectChoice, STATUSES.items())), default="active")
    version = HiddenField()

    def keep_status(self, status: str) -> None:
        """Let the project keep a status that an old database gave it."""
        if status not in STATUSES:
            self.status.choices = [*self.status.choices, SelectChoice(status)]
