"""The first request of a UTC day keeps the figures of the day, in this database and nowhere else.

settings.allow_analytics switches it off. Each worker remembers the day that it has seen to; the database settles which
of them writes.
"""

from datetime import date, datetime, time, timedelta

import psycopg2
from flask import Flask, Response

from app import db, security
from app.queries import analytics
from startup import log


def init_app(app: Flask) -> None:
    """Look after each answer to somebody who is signed in whether a new day has begun."""
    seen_to: list[date] = []

    def keep_figures(response: Response) -> Response:
        today = security.now().date()
        if seen_to != [today] and response.status_code < 400 and security.person():
            try:
                if security.current_settings().allow_analytics:
                    midnight = datetime.combine(today, time.min)
                    with db.change() as cursor:
                        analytics.keep_figures_of(cursor, today, midnight - timedelta(days=1), midnight)
                    seen_to[:] = [today]
            except (db.DatabaseAwayError, psycopg2.Error) as error:  # the page is right all the same
                log.warning(f"The figures of the day were not kept: {db.one_line(error)}")
        return response

    app.after_request(keep_figures)
