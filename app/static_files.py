"""Static files, served by WhiteNoise and kept by the browser for a year: their address changes with their content."""

import functools
import hashlib
from pathlib import Path
from typing import Any

from flask import Flask
from whitenoise import WhiteNoise

from app.headers import HEADERS, HEADERS_OVER_TLS

A_YEAR = 365 * 24 * 60 * 60


class StaticFiles(WhiteNoise):
    """Adds the headers that depend on the request, and so are not kept with the file."""

    @staticmethod
    def serve(static_file: Any, environ: dict[str, Any], start_response: Any) -> Any:
        more = list(HEADERS_OVER_TLS.items()) if environ["wsgi.url_scheme"] == "https" else []

        def start(status: str, headers: list[tuple[str, str]]) -> Any:
            return start_response(status, headers + more)

        return WhiteNoise.serve(static_file, environ, start)


def init_app(app: Flask) -> None:
    """Serve the static folder, and let `url_for('static', ...)` carry the version of the file.

    It comes before `security`, which puts around it what tells the scheme behind a proxy. A compressed copy beside a
    file (style.css.gz, which the image's build makes) is sent to who takes it.
    """
    folder = Path(app.static_folder or "")

    @functools.cache
    def version(filename: str) -> str:
        return hashlib.sha256((folder / filename).read_bytes()).hexdigest()[:12]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values.setdefault("v", version(values["filename"]))

    app.wsgi_app = StaticFiles(
        app.wsgi_app,
        root=folder,
        prefix="static/",
        max_age=A_YEAR,
        allow_all_origins=False,
        add_headers_function=_add_headers,
    )


def _add_headers(headers: Any, path: str, url: str) -> None:
    for name, value in HEADERS.items():
        if name != "Cache-Control":
            headers[name] = value
