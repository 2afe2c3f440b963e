"""Figures for Prometheus: requests, their latency, connections. Right across Gunicorn's workers.

Gunicorn's configuration names a folder in memory (PROMETHEUS_MULTIPROC_DIR) in which each worker keeps its figures;
whichever worker is asked adds them up. Without that folder, in tests, a process counts for itself.
"""

import os
import time
from collections.abc import Iterable

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_own = CollectorRegistry()
REQUESTS = Counter(
    "timetracker_requests", "Requests that were answered", ["method", "endpoint", "status"], registry=_own
)
LATENCY = Histogram(
    "timetracker_request_seconds", "From the request to its answer", ["endpoint"], buckets=LATENCIES, registry=_own
)
IN_PROGRESS = Gauge(
    "timetracker_requests_in_progress", "Requests being answered", multiprocess_mode="livesum", registry=_own
)
CONNECTIONS = Gauge(
    "timetracker_database_connections",
    "Connections that the threads of the app hold to the database",
    multiprocess_mode="livesum",
    registry=_own,
)


def init_app(app: Flask) -> None:
    """Measure every request but those for static files."""
    app.before_request(_begin)
    app.after_request(_count)
    app.teardown_request(_end)


def _begin() -> None:
    g.began = time.perf_counter()
    IN_PROGRESS.inc()


def _count(response: Response) -> Response:
    endpoint = request.endpoint or "unknown"
    if "began" in g:
        LATENCY.labels(endpoint).observe(time.perf_counter() - g.began)
    # A method is a label, and anybody can make one up.
    method = request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
    REQUESTS.labels(method, endpoint, response.status_code).inc()
    return response


def _end(error: BaseException | None) -> None:
    if g.pop("began", None) is not None:
        IN_PROGRESS.dec()


class _Asked:
    """Figures that were asked for just now."""

    def __init__(self, figures: dict[str, tuple[str, float]]):
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, (documentation, value) in self._figures.items():
            yield GaugeMetricFamily(f"timetracker_{name}", documentation, value)


def exposition(figures: dict[str, tuple[str, float]]) -> bytes:
    """Return all figures in Prometheus' text format, with `figures`: name -> (what it is, value)."""
    asked = CollectorRegistry()
    asked.register(_Asked(figures))
    counted = _own
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
    return generate_latest(counted) + generate_latest(asked)
