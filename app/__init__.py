"""The web application. `create_app` only wires the parts together; each part is a module of its own."""

import os
from collections.abc import Mapping
from contextlib import closing

from flask import Flask

from app import (
    analytics,
    choices,
    db,
    errors,
    formats,
    headers,
    ids,
    metrics,
    navigation,
    security,
    static_files,
    timer_bar,
)
from app.queries import secrets
from app.readiness import Readiness
from app.views import (
    entries,
    health,
    people,
    profile,
    projects,
    prometheus,
    reports,
    settings,
    sign_in,
    system,
    tasks,
    timer,
    week,
)
from startup.configuration import Configuration, read_configuration
from startup.connection import wait_for_database

AREAS = (entries, health, people, profile, projects, prometheus, reports, settings, sign_in, system, tasks, timer, week)


def create_app(environ: Mapping[str, str] = os.environ) -> Flask:
    """Return the application for the settings in `environ`.

    Raises startup.errors.UsageError for settings that cannot be used; DatabaseUnusableError, psycopg2.Error or
    LookupError when SECRET_KEY is not among them and cannot be read from the database either.
    """
    configuration = read_configuration(environ)

    app = Flask(__name__)
    app.url_map.converters["id"] = ids.IdConverter
    app.config.update(
        SECRET_KEY=configuration.secret_key or _kept_secret_key(configuration),
        BASE_URL=configuration.base_url,
        TRUST_PROXY=configuration.trust_proxy,
        AUTH_PROXY_HEADER=configuration.auth_proxy_header,
        AUTH_PROXY_NETWORKS=configuration.auth_proxy_networks,
        METRICS_TOKEN=configuration.metrics_token,
    )
    db.init_app(app, db.Database(configuration.conninfo))
    app.extensions["readiness"] = Readiness()
    for part in (metrics, errors, formats, headers, static_files, navigation, choices, timer_bar, security, analytics):
        part.init_app(app)
    for area in AREAS:
        app.register_blueprint(area.blueprint)
    return app


def _kept_secret_key(configuration: Configuration) -> str:
    # Gunicorn preloads the app, so this is asked once, before the fork, on a connection that is closed again:
    # a worker that is replaced while the database is away still comes up. It waits, for the session of the start
    # may not have ended yet where the role has no other.
    with (
        closing(wait_for_database(configuration.conninfo, configuration.database_wait_seconds)) as connection,
        connection.cursor() as cursor,
    ):
        return secrets.secret_key(cursor)
