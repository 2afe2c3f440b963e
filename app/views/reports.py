"""Reports: what was worked, in any range, grouped as one likes. All that is asked stands in the address."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from app import billing, charts, csv_export, db, formats, headers, reporting, security, tags
from app.forms.reports import ReportForm
from app.queries import reports
from app.reporting import Bucket, Row, Selection
from app.security import current_settings, now, viewer, zone
from app.timekeeping import to_local

ROWS_OF_A_PAGE = 50
ENTRIES_OF_A_PAGE = 100
BARS = 12

blueprint = Blueprint("reports", __name__)


@dataclass
class Asked:
    """What was asked, as far as it can be understood. `period` is None where days were named."""

    form: ReportForm
    period: str | None
    selection: Selection
    rows: str
    columns: str
    users: list[reports.Choice]
    projects: list[reports.Choice]
    tasks: list[reports.Choice]

    @property
    def days(self) -> Bucket:
        """The days of the report."""
        return Bucket(self.selection.first, self.selection.last)


@dataclass
class Report:
    """The figures. `total` counts each entry once, also where the rows share some."""

    columns: list[Bucket]
    rows: list[Row]
    labels: dict[int | str | None, tuple[str, str]]
    total: Row


@blueprint.get("/reports")
def page() -> ResponseReturnValue:
    """Sums of a range, in rows and columns."""
    return _page(_asked())


@blueprint.get("/reports/entries")
def entries() -> ResponseReturnValue:
    """The entries behind a figure, and their sum."""
    asked = _asked()
    if asked.form.errors:
        return _page(asked)
    begin, end = reporting.bounds([asked.days], zone())
    after = reports.Place(*asked.form.after.data) if asked.form.after.data else None
    found = reports.entries(db.cursor(), asked.selection, begin, end, now(), ENTRIES_OF_A_PAGE + 1, after)
    total = reporting.total_of(_rows(asked.selection, [begin, end], asked.rows))
    if asked.rows == "tag":
        total = _whole(asked.selection, [begin, end])
    listed = found[:ENTRIES_OF_A_PAGE]
    is_more = len(found) > ENTRIES_OF_A_PAGE
    return render_template(
        "reports/entries.html",
        asked=asked,
        chips=_chips(asked),
        entries=listed,
        total=total,
        report=_address("reports.page", asked.selection, **_looks(asked)),
        export=_address("reports.csv", asked.selection),
        further=_address(
            "reports.entries",
            asked.selection,
            rows=request.args.get("rows"),
            after=f"{listed[-1].start.isoformat()},{listed[-1].id}",
        )
        if is_more
        else None,
    )


@blueprint.get("/reports/chart.svg")
def chart() -> ResponseReturnValue:
    """The columns of a report as a picture; with columns=none a bar for each row."""
    asked = _asked()
    if asked.form.errors:
        abort(422, description="; ".join(text for texts in asked.form.errors.values() for text in texts))
    size = charts.NARROW if request.args.get("size") == "narrow" else charts.WIDE
    report = _report(asked)
    if asked.columns == "none":
        shown = report.rows[:BARS]
        names = [" \N{EN DASH} ".join(filter(None, report.labels[row.key])) for row in shown]
        picture = charts.bars(names, [row.total.minutes for row in shown], size)
    else:
        labels = [_short(column, asked.columns) for column in report.columns]
        picture = charts.columns(labels, _series(report, asked.rows), size)
    return Response(picture, mimetype="image/svg+xml", headers={"Content-Security-Policy": headers.PICTURE_POLICY})


@blueprint.get("/reports.csv")
def csv() -> ResponseReturnValue:
    """The entries of a report as a file, sent while it is read: it may be larger than the memory."""
    asked = _asked()
    if asked.form.errors:
        return _page(asked)
    first, last = asked.days
    name = f"timetracker-{first}.csv" if first == last else f"timetracker-{first}-to-{last}.csv"
    answer = Response(mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})
    if request.method == "GET":
        begin, end = reporting.bounds([asked.days], zone())
        selection, delimiter, time_zone, at = asked.selection, current_settings().export_delimiter, zone(), now()

        # It runs after the request has ended its snapshot, and begins another one, which ends with it: also where the
        # browser hangs up, for then the server closes the generator.
        def file() -> Any:
            found = reports.export(db.cursor(), selection, begin, end, at)
            yield from csv_export.pieces(found, delimiter, time_zone, at)

        answer.response = stream_with_context(file())
    return answer


def _page(asked: Asked) -> ResponseReturnValue:
    report = _report(asked)
    pages = max(1, -(-len(report.rows) // ROWS_OF_A_PAGE))
    number = min(max(asked.form.asked("page") or 1, 1), pages)
    shown = report.rows[(number - 1) * ROWS_OF_A_PAGE : number * ROWS_OF_A_PAGE]
    looks = _looks(asked)
    period = {"period": asked.period} if asked.period else {}
    html = render_template(
        "reports/page.html",
        asked=asked,
        form=_shown_form(asked),
        report=report,
        rows=[
            (row, *report.labels[row.key], asked.selection.of_row(asked.rows, row.key), _dot(asked, place))
            for place, row in enumerate(shown, (number - 1) * ROWS_OF_A_PAGE)
        ],
        columns=[(at, column, _heading(column, asked.columns)) for at, column in enumerate(report.columns, 1)]
        if asked.columns != "none"
        else [],
        heading=reporting.ROWS[asked.rows] if asked.rows != "none" else "",
        period_title=reporting.PERIODS.get(asked.period or ""),
        show_amounts=viewer().is_admin,
        is_filtered=any(
            asked.form[name].data or asked.form[name].errors
            for name in ("client", "task", "tag", "user", "billable", "without")
        ),
        figures=_figure_address(asked),
        periods=[
            (name, title, _address("reports.page", asked.selection, days=False, period=name, **looks))
            for name, title in reporting.PERIODS.items()
        ],
        pages=pages,
        number=number,
        further=lambda to: _address("reports.page", asked.selection, days=not period, page=to, **period, **looks),
        chart=_address("reports.chart", asked.selection, **looks),
        narrow_chart=_address("reports.chart", asked.selection, size="narrow", **looks),
        export=_address("reports.csv", asked.selection),
        has_chart=bool(report.rows) and (asked.rows, asked.columns) != ("none", "none"),
    )
    return html, 422 if asked.form.errors else 200


def _asked() -> Asked:
    form = ReportForm(request.args)
    form.validate()
    person = viewer()
    user = form.asked("user")
    if not person.is_admin and user not in (None, person.id):
        abort(404)
    cursor = db.cursor()
    project, task = form.asked("project"), form.asked("task")
    users = reports.user_choices(cursor, user) if person.is_admin else []
    projects = reports.project_choices(cursor, project)
    for chosen, choices in ((user if person.is_admin else None, users), (project, projects)):
        if chosen is not None and chosen not in (choice.id for choice in choices):
            abort(404)
    tasks = reports.task_choices(cursor, project, task)
    if task is not None and task not in (choice.id for choice in tasks):
        abort(404)

    whose = user if person.is_admin else person.id
    days, period = _days(form, whose)
    billable = form.asked("billable")
    selection = Selection(
        *days,
        user=whose,
        project=project,
        client=form.asked("client") or None,
        task=task,
        tags=form.tags,
        without=form.lacks,
        billable=None if billable is None else billable == "yes",
    )
    rows = form.asked("rows") or ("none" if request.endpoint == "reports.entries" else "project")
    columns = reporting.columns_for(days, form.asked("columns"))
    return Asked(form, period, selection, rows, columns, users, projects, tasks)


def _days(form: ReportForm, user: int | None) -> tuple[Bucket, str | None]:
    """The days of the report, and the name of their period. Days that were named win, unless they are the period's."""
    today = security.today()
    period = form.asked("period")
    first, last = form.asked("from_"), form.asked("to")
    if form.from_.errors or form.to.errors:
        first = last = None
    if first is None and last is None:
        period = period or reporting.DEFAULT_PERIOD
        return (_all_days(user, today) if period == "all" else reporting.days_of(period, today)), period
    first = first or min(last, _all_days(user, today).first)
    last = last or max(first, today)
    named = Bucket(first, last)
    is_period = period is not None and period != "all" and reporting.days_of(period, today) == named
    return named, period if is_period else None


def _all_days(user: int | None, today: date) -> Bucket:
    earliest, latest = reporting.bounds([Bucket(reporting.FIRST_DAY, reporting.LAST_DAY)], zone())
    span = reports.span(db.cursor(), user, earliest, latest - timedelta(seconds=1))
    return Bucket(*(to_local(moment, zone()).date() for moment in span)) if span else Bucket(today, today)


def _report(asked: Asked) -> Report:
    columns = reporting.buckets(asked.days, asked.columns)
    bounds = reporting.bounds(columns, zone())
    rows = _rows(asked.selection, bounds, asked.rows)
    total = _whole(asked.selection, bounds) if asked.rows == "tag" else reporting.total_of(rows)
    return Report(columns, rows, _labels(asked.rows, rows), total)


def _whole(selection: Selection, bounds: list[datetime]) -> Row:
    """The total in which each entry counts once, whatever its tags."""
    return reporting.total_of(_rows(selection, bounds, "none"))


def _rows(selection: Selection, bounds: list[datetime], rows: str) -> list[Row]:
    cells, lines = reports.sums(db.cursor(), selection, bounds, rows, now())
    return reporting.rows_of(cells, lines, billing.coin_of(current_settings().currency))


def _labels(rows: str, found: list[Row]) -> dict[int | str | None, tuple[str, str]]:
    """What each row is called, and what stands below it, smaller."""
    absent = (f"No {reporting.ROWS[rows].lower()}", "") if rows != "none" else ("All entries", "")
    if rows in ("user", "project", "task"):
        names = reports.names(db.cursor(), rows, [row.key for row in found if row.key is not None])
        return {row.key: (names[row.key].name, names[row.key].of) if row.key is not None else absent for row in found}
    return {row.key: (row.key, "") if row.key else absent for row in found}


def _series(report: Report, rows: str) -> list[list[int]]:
    """What is stacked in a chart: the largest rows, and the rest as one. Rows that share entries cannot be stacked."""
    if rows in ("none", "tag"):
        return [[_minutes(report.total, number) for number, _ in enumerate(report.columns, 1)]]
    stacked = report.rows[: charts.NAMED]
    rest = report.rows[charts.NAMED :]
    series = [[_minutes(row, number) for number, _ in enumerate(report.columns, 1)] for row in stacked]
    if rest:
        series.append([sum(_minutes(row, number) for row in rest) for number, _ in enumerate(report.columns, 1)])
    return series


def _minutes(row: Row, column: int) -> int:
    return row.cells[column].minutes if column in row.cells else 0


def _dot(asked: Asked, place: int) -> int | None:
    """The number of the colour of the row at that place in the chart, None where the chart does not tell rows apart."""
    if asked.columns == "none" or asked.rows in ("none", "tag"):
        return None
    return min(place, charts.NAMED)


def _looks(asked: Asked) -> dict[str, str | None]:
    """The rows and columns as they were asked for: what was left open stays open."""
    return {"rows": asked.form.asked("rows"), "columns": asked.form.asked("columns")}


def _address(endpoint: str, selection: Selection, days: bool = True, **parameters: object) -> str:
    """The address of these entries. A member's own id is left out: whoever it is sent to sees their own hours."""
    if not viewer().is_admin:
        selection = replace(selection, user=None)
    return url_for(endpoint, **selection.address(days), **parameters)


def _figure_address(asked: Asked) -> Callable[..., str]:
    """A function that gives the address of the entries of a cell; url_for would take most of a page's time."""
    base = url_for("reports.entries")
    hidden = {} if viewer().is_admin else {"user": None}

    @cache
    def of_row(selection: Selection, billable: bool | None) -> str:
        changes = hidden if billable is None else {**hidden, "billable": billable}
        return urlencode(replace(selection, **changes).address(days=False), doseq=True)

    @cache
    def of_days(days: Bucket) -> str:
        return f"{base}?from={days.first}&to={days.last}"

    def address(selection: Selection, column: Bucket | None = None, billable: bool | None = None, **more: str) -> str:
        parts = [of_days(column or asked.days), of_row(selection, billable), urlencode(more)]
        return "&".join(part for part in parts if part)

    return address


def _shown_form(asked: Asked) -> ReportForm:
    """The form with the days that are shown, and the choices that this viewer has."""
    form = asked.form
    if asked.period != "all" and not form.from_.errors and not form.to.errors:
        form.from_.raw_data = form.to.raw_data = None
        form.from_.data, form.to.data = asked.days
    form.user.offer(asked.users)
    form.project.offer(asked.projects)
    form.task.offer(asked.tasks)
    form.rows.data = asked.rows
    return form


def _chips(asked: Asked) -> list[str]:
    """In words what the entries of a list have in common, besides their days."""
    selection, found = asked.selection, []
    for chosen, choices in (
        (selection.user if asked.users else None, asked.users),
        (selection.project, asked.projects),
        (selection.task, asked.tasks),
    ):
        found += [choice.name for choice in choices if choice.id == chosen]
    found += [selection.client] if selection.client else []
    found += tags.split(",".join(selection.tags))
    found += [f"no {reporting.ROWS[name].lower()}" for name in sorted(selection.without)]
    if selection.billable is not None:
        found.append("billable" if selection.billable else "not billable")
    return found


def _heading(column: Bucket, unit: str) -> tuple[str, str]:
    """The two lines above a column."""
    first = column.first
    if unit == "day":
        weekday, _, short = formats.day(first).partition(" ")
        return weekday, short
    if unit == "week":
        return f"Week {first.isocalendar().week}", formats.short_day(first)
    if unit == "month":
        return f"{first:%b}", f"{first:%Y}"
    return f"{first:%Y}", ""


def _short(column: Bucket, unit: str) -> str:
    """The label below a column of a chart."""
    first = column.first
    return {
        "day": lambda: f"{first.day} {first:%b}",
        "week": lambda: f"W{first.isocalendar().week}",
        "month": lambda: f"{first:%b %y}",
        "year": lambda: f"{first:%Y}",
    }[unit]()
