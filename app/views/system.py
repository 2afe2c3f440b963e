"""The state of the system, for administrators."""

from collections.abc import Callable
from datetime import date, timedelta

from flask import Blueprint, Response, abort, current_app, render_template
from jinja2.filters import do_filesizeformat

from app import charts, db, headers, security
from app.queries import analytics, system
from startup import __version__, migrations

MOST_TABLES = 10
MOST_STATEMENTS = 10
MOST_FINDINGS = 100
DAYS = 90

blueprint = Blueprint("system", __name__, url_prefix="/system")


@blueprint.get("")
@security.for_admins
def page() -> str:
    """Show the schema, the migrations, the report of an adoption and what the server counts."""
    verification, verified_at = current_app.extensions["readiness"].verification(db.connection())
    cursor = db.cursor()
    applied = system.migrations(cursor)
    known = {migration.id for migration in applied}
    findings, finding_count = system.adoption_report(cursor, MOST_FINDINGS)
    return render_template(
        "system/page.html",
        verification=verification,
        verified_at=verified_at.replace(tzinfo=None),
        version=__version__,
        applied=applied,
        pending=[file.id for file in migrations.read_folder() if file.id not in known],
        findings=findings,
        more_findings=finding_count - len(findings),
        database=system.database(cursor),
        tables=system.biggest_tables(cursor, MOST_TABLES),
        statements=system.slowest_statements(cursor, MOST_STATEMENTS),
        settings=security.current_settings(),
        series=analytics.series(cursor, _since()),
        written_as=written_as,
    )


@blueprint.get("/chart/<path:metric>.svg")
@security.for_admins
def chart(metric: str) -> Response:
    """Draw the figures of one metric over the last days."""
    points = analytics.series(db.cursor(), _since()).get(metric)
    if points is None:
        abort(404)
    days, values = zip(*points, strict=True)
    picture = charts.line([day.isoformat() for day in days], list(values), charts.SMALL, written_as(metric))
    return Response(picture, mimetype="image/svg+xml", headers={"Content-Security-Policy": headers.PICTURE_POLICY})


def written_as(metric: str) -> Callable[[float], str]:
    """Return how the figures of a metric are written: bytes in units of 1024, others with all their digits."""
    if "bytes" in metric:
        return lambda value: do_filesizeformat(value, binary=True)
    return "{:,.12g}".format


def _since() -> date:
    return security.now().date() - timedelta(days=DAYS)
