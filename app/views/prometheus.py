"""Figures for Prometheus."""

import hmac
import ipaddress

import psycopg2
from flask import Blueprint, Response, abort, current_app, request

from app import db, metrics
from app.queries import system
from app.security import public
from startup.errors import DatabaseUnusableError

FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@public
def page() -> Response:
    """Answer who brings METRICS_TOKEN; where there is none, who asks from this machine and through no proxy."""
    if not _is_allowed():
        abort(404)
    return Response(metrics.exposition(_figures()), content_type="text/plain; version=0.0.4; charset=utf-8")


def _figures() -> dict[str, tuple[str, float]]:
    """Return what the database says; without one that it is away, for that is when somebody looks."""
    try:
        cursor = db.cursor()
        database, applied = system.database(cursor), system.migrations(cursor)
        verification, verified_at = current_app.extensions["readiness"].verification(db.connection())
    except (db.DatabaseAwayError, psycopg2.Error, DatabaseUnusableError):
        return {"database_up": ("Whether the database answers", 0)}
    figures = {
        "database_up": ("Whether the database answers", 1),
        "database_bytes": ("Size of the database", database.bytes),
        "database_backends": ("Sessions of everybody in the database", database.connections),
        "database_backends_most": ("Sessions that the server allows", database.most_connections),
        "migrations_applied": ("Migrations that were applied", len(applied)),
        "schema_verified": ("Whether the schema is the one that this version needs", verification.ok),
        "schema_verified_timestamp_seconds": ("When that was looked at", verified_at.timestamp()),
    }
    if database.cache_hit_rate is not None:
        figures["database_cache_hit_ratio"] = ("Share of blocks found in the cache", database.cache_hit_rate)
    return figures


def _is_allowed() -> bool:
    token = current_app.config["METRICS_TOKEN"]
    if token:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:  # a socket of the file system has no address
        return False
