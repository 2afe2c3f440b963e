"""Static files are kept by the browser for a year: their address changes with their content."""

import functools
import hashlib
from pathlib import Path
from typing import Any

from flask import Flask

A_YEAR = 365 * 24 * 60 * 60


def init_app(app: Flask) -> None:
    """Let `url_for('static', ...)` carry the version of the file, and browsers keep it."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = A_YEAR
    folder = Path(app.static_folder or "")

    @functools.cache
    def version(filename: str) -> str:
        return hashlib.sha256((folder / filename).read_bytes()).hexdigest()[:12]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values.setdefault("v", version(values["filename"]))
