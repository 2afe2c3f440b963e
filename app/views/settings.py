"""The settings of this installation. For administrators."""

import hashlib
from typing import Any, NamedTuple

import psycopg2
from flask import Blueprint, Response, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Field

from app import db, logo, security
from app.forms.settings import DELIMITERS, LogoForm, SettingsForm, offered_currencies, offered_time_zones
from app.queries import installation
from app.queries.settings import Settings
from app.security import for_admins, public

STALE = (
    "Somebody else saved the settings while this page was open, so nothing was saved now. Your input is kept below; "
    "where it differs, the value that is saved stands beside it. Save again to put yours in its place."
)

PRODUCT = "TimeTracker"
# What a database has whose administrator never said how the company is called.
UNNAMED = ("", "Your Company Name")
DEFAULTS = Settings()._asdict() | {
    "invoice_prefix": "INV", "invoice_start_number": 1000, "backup_time": "02:00", "backup_retention_days": 30,
}  # fmt: skip

blueprint = Blueprint("settings", __name__)


class Frame(NamedTuple):
    """What stands at the head of every page: the company's logo, its name, or ours."""

    name: str = PRODUCT
    logo_version: str | None = None


@blueprint.app_context_processor
def offer_frame() -> dict[str, Any]:
    """Give the templates `frame`."""
    return {"frame": frame}


def frame() -> Frame:
    """Return how the pages are headed; a page about an error does not ask the database for it."""
    is_asked = "settings" in g or request.blueprint == "sign_in" or g.get("_login_user") is not None
    if g.get("is_failing") or not is_asked:
        return Frame()
    try:
        settings = security.current_settings()
    except (db.DatabaseAwayError, psycopg2.Error):
        return Frame()
    return Frame(PRODUCT if settings.company_name in UNNAMED else settings.company_name, settings.logo_version)


@blueprint.get("/settings")
@for_admins
def page() -> str:
    """The forms."""
    return _page(_form_of(installation.read(db.cursor())))


@blueprint.post("/settings")
@for_admins
def save() -> ResponseReturnValue:
    """Change the settings, unless somebody else did since the page was loaded."""
    form = SettingsForm()
    if not form.validate():
        return _page(form), 422
    wanted = {field.name: field.data for field in _settings_of(form)}
    with db.change() as cursor:
        saved = installation.read(cursor, lock=True)
        differing = {name: saved.values[name] for name in wanted if saved.values and saved.values[name] != wanted[name]}
        is_stale = saved.version != form.version.data and bool(differing or not saved.values)
        if saved.version == form.version.data:
            installation.save(cursor, wanted)
    security.forget_settings()
    if is_stale:
        form.version.data = saved.version
        return _page(form, differing), 409
    flash("The settings are saved.")
    return redirect(url_for("settings.page"), 303)


@blueprint.post("/settings/logo")
@for_admins
def upload_logo() -> ResponseReturnValue:
    """Take an image as the company's logo."""
    form = LogoForm(request.files)
    if not form.validate():
        return _page(logo_form=form), 422
    upload = form.company_logo_filename.data
    try:
        png = logo.read(upload.read(logo.LARGEST_UPLOAD + 1))
    except logo.LogoError as error:
        form.company_logo_filename.errors = [str(error)]
        return _page(logo_form=form), 422
    with db.change() as cursor:
        installation.save_logo(cursor, _shown_name(upload.filename), png)
    flash("The logo is saved.")
    return redirect(url_for("settings.page", _anchor="logo"), 303)


@blueprint.post("/settings/logo/remove")
@for_admins
def remove_logo() -> ResponseReturnValue:
    """Go back to the name."""
    with db.change() as cursor:
        installation.remove_logo(cursor)
    flash("The logo is removed.")
    return redirect(url_for("settings.page", _anchor="logo"), 303)


@blueprint.get("/logo")
@public
def company_logo() -> Response:
    """The logo. Its address carries its version, so that a browser may keep it."""
    png = installation.logo(db.cursor())
    if png is None:
        abort(404)
    version = hashlib.sha256(png).hexdigest()[:12]
    response = Response(png, mimetype="image/png")
    response.set_etag(version)
    is_lasting = request.args.get("v") == version
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable" if is_lasting else "private, no-cache"
    return response.make_conditional(request)


def _settings_of(form: SettingsForm) -> list[Field]:
    return [field for field in form if field.name not in ("version", "csrf_token")]


def _form_of(row: installation.Row) -> SettingsForm:
    return SettingsForm(formdata=None, data={**DEFAULTS, **row.values, "version": row.version})


def _page(
    form: SettingsForm | None = None, differing: dict[str, Any] | None = None, logo_form: LogoForm | None = None
) -> str:
    row = installation.read(db.cursor())
    form = form or _form_of(row)
    # A delimiter of an old database that is none of these is shown, and refused.
    if form.export_delimiter.data not in DELIMITERS:
        form.export_delimiter.choices = {form.export_delimiter.data or "": "Choose one", **DELIMITERS}
    return render_template(
        "settings/page.html",
        form=form,
        saved=differing or {},
        stale=STALE if differing is not None else None,
        logo_form=logo_form or LogoForm(formdata=None),
        filename=row.values.get("company_logo_filename", ""),
        time_zones=offered_time_zones(),
        currencies=offered_currencies(),
    )


def _shown_name(filename: str | None) -> str:
    """Return the name of an uploaded file as it can be shown, without folders and what is not seen."""
    name = (filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in name if character.isprintable())[:255] or "logo"
