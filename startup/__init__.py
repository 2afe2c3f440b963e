"""The parts of a start, told as a story by runner.py; the app asks some of them too. Imports no Flask."""

import sys

from startup import log

__version__ = "0.1.0"


def missing_package(error: ModuleNotFoundError) -> str:
    """Say which package this Python lacks, and how to get it."""
    return (
        f"{sys.executable} does not have the package {error.name}: run .venv/bin/python runner.py, after"
        " python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt"
    )


try:
    import psycopg2  # noqa: F401
except ModuleNotFoundError as error:
    log.error(missing_package(error))
    sys.exit(2)
