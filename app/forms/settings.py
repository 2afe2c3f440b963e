"""The settings, in the groups in which the page shows them. A test holds the fields to the columns of the table."""

import functools
import re
import zoneinfo
from typing import Any

from babel.core import get_global
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    EmailField,
    Field,
    Form,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)

from app import timekeeping
from app.forms.base import SentForm
from app.forms.text import JOINERS, NoUnseenCharacters, Validator, at_most, filled, plain_lines, stripped

DELIMITERS = {",": "Comma ,", ";": "Semicolon ;", "\t": "Tab", "|": "Bar |"}
CONTINENTS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@functools.cache
def time_zones() -> dict[str, str]:
    """Return the names of all time zones by themselves in small letters."""
    return {name.lower(): name for name in zoneinfo.available_timezones()}


@functools.cache
def offered_time_zones() -> list[str]:
    """Return the time zones that are places, and UTC: what one would look for."""
    return ["UTC", *sorted(name for name in time_zones().values() if name.startswith(CONTINENTS))]


@functools.cache
def offered_currencies() -> list[str]:
    """Return the codes of the currencies that are money somewhere now."""
    uses = (use for uses in get_global("territory_currencies").values() for use in uses)
    return sorted({code for code, _, end, is_tender in uses if end is None and is_tender})


one_line = NoUnseenCharacters(allowed=JOINERS)
lines = NoUnseenCharacters(allowed=JOINERS + "\r\n")


def between(least: int, most: int) -> Validator:
    """Refuse what is no whole number in that range."""

    def check(form: Form, field: Field) -> None:
        # What could not be read as a number has a sentence already, which is WTForms' own and says less.
        if field.data is None or not least <= field.data <= most:
            field.errors = []
            raise ValidationError(f"Expected a whole number from {least} to {most:,}.")

    return check


def _capital(text: str | None) -> str:
    return stripped(text).upper()


def _hour(text: str | None) -> str:
    text = stripped(text)
    return "0" + text if re.fullmatch(r"\d:\d\d", text, re.ASCII) else text


def _zone(text: str | None) -> str:
    text = stripped(text).replace(" ", "_")
    return time_zones().get(text.lower(), text)


class SettingsForm(SentForm):
    """All settings at once. `version` is the state that was shown."""

    version = HiddenField()

    timezone = StringField("Time zone", [at_most(50), one_line], filters=[_zone])
    currency = StringField("Currency", [one_line], filters=[_capital])
    rounding_minutes = IntegerField("Round to minutes", [between(1, 60)])
    single_active_timer = BooleanField("One running timer for each person")
    idle_timeout_minutes = IntegerField("Ask about a forgotten timer after minutes", [between(1, 1440)])

    allow_self_register = BooleanField("People may register themselves")
    allow_analytics = BooleanField("Count how TimeTracker does")
    export_delimiter = SelectField(
        "Delimiter of CSV exports", choices=DELIMITERS, invalid_choice_message="Choose one of these."
    )

    company_name = StringField("Name", [at_most(200), one_line], filters=[stripped])
    company_address = TextAreaField("Address", [at_most(1000), lines], filters=[plain_lines])
    company_email = EmailField("E-mail", [at_most(200), one_line], filters=[stripped])
    company_phone = StringField("Phone", [at_most(50), one_line], filters=[stripped])
    company_website = StringField("Website", [at_most(200), one_line], filters=[stripped])
    company_tax_id = StringField("Tax number", [at_most(100), one_line], filters=[stripped])
    company_bank_info = TextAreaField("Bank account", [at_most(1000), lines], filters=[plain_lines])

    invoice_prefix = StringField("Prefix of invoice numbers", [at_most(10), one_line], filters=[stripped])
    invoice_start_number = IntegerField("First invoice number", [between(1, 2_000_000_000)])
    invoice_terms = TextAreaField("Terms of payment", [at_most(2000), lines], filters=[plain_lines])
    invoice_notes = TextAreaField("Notes below each invoice", [at_most(2000), lines], filters=[plain_lines])

    backup_time = StringField("Time of the daily backup", filters=[_hour])
    backup_retention_days = IntegerField("Keep backups for days", [between(1, 3650)])

    def validate(self, extra_validators: Any = None) -> bool:
        """Tell whether all is well. A field that was not sent at all is no empty one: it would delete what is kept."""
        is_well = super().validate(extra_validators)
        for field in self:
            if (
                not field.raw_data
                and not isinstance(field, BooleanField)
                and field.name not in ("csrf_token", "version")
            ):
                field.errors, is_well = ["This was not sent. Type it again."], False
        return is_well

    def validate_timezone(self, field: StringField) -> None:
        if field.data not in time_zones().values() or timekeeping.time_zone(field.data) is None:
            raise ValidationError("There is no time zone of that name. Expected one such as Europe/Rome, or UTC.")

    def validate_currency(self, field: StringField) -> None:
        if field.data not in get_global("all_currencies"):
            raise ValidationError("There is no currency of that code. Expected three letters of ISO 4217, such as EUR.")

    def validate_backup_time(self, field: StringField) -> None:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", field.data, re.ASCII):
            raise ValidationError("Expected a time from 00:00 to 23:59, such as 02:00.")

    def validate_company_email(self, field: EmailField) -> None:
        if field.data and not re.fullmatch(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+", field.data):
            raise ValidationError("This is no e-mail address. Expected one such as info@example.org.")

    def validate_company_website(self, field: StringField) -> None:
        if field.data and not re.fullmatch(r"(https?://)?[^\s/:@<>\"']+\.[^\s<>\"']+", field.data):
            raise ValidationError("This is no website. Expected one such as www.example.org.")


class LogoForm(SentForm):
    """Uploads the company's logo; the file is looked at by app/logo.py."""

    company_logo_filename = FileField("Logo", [filled("Choose a file first.")])
