"""The front page: an overview of what is in the database."""

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template

from app import db, timekeeping
from app.queries import overview, settings

# A page stays light however much is in the database; what is left out is counted.
MOST_ROWS = 50

# The bars of a quiet week stay in proportion to a working day.
SHORTEST_FULL_BAR = 8 * 60

blueprint = Blueprint("front", __name__)


@blueprint.get("/")
def page() -> str:
    """Running timers, this week's hours and the projects, to read only: nobody signs in yet."""
    cursor = db.cursor()
    now = datetime.now(UTC)
    zone_name = settings.time_zone(cursor)
    known_zone = timekeeping.time_zone(zone_name)
    zone = known_zone or ZoneInfo("UTC")
    week = timekeeping.week_around(now, zone)

    by_day: Counter[int] = Counter()
    by_project: Counter[int | None] = Counter()
    for worked in overview.worked_days(cursor, week.bounds, now):
        by_day[worked.day] += worked.minutes
        by_project[worked.project_id] += worked.minutes
    without_project = by_project.pop(None, 0)
    projects, project_count = overview.projects(cursor, by_project, MOST_ROWS)
    projects.sort(key=lambda project: -by_project[project.id])
    timers, timer_count = overview.running_timers(cursor, now, MOST_ROWS)

    return render_template(
        "front/page.html",
        zone=zone,
        unknown_zone=None if known_zone else zone_name,
        today=now.astimezone(zone).date(),
        days=[(day, by_day[number]) for number, day in enumerate(week.days)],
        full_bar=max([SHORTEST_FULL_BAR, *by_day.values()]),
        total=by_day.total(),
        projects=[(project, by_project[project.id]) for project in projects],
        more_projects=project_count - len(projects),
        minutes_of_more=by_project.total() - sum(by_project[project.id] for project in projects),
        without_project=without_project,
        timers=timers,
        more_timers=timer_count - len(timers),
    )
