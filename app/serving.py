"""What Gunicorn loads: the app, or one line for the operator and the exit code that a start would give."""

from flask import Flask

from app import create_app
from startup import log
from startup.errors import StartError


def application() -> Flask:
    """Return the app for the environment.

    Leaves by SystemExit where the settings or the database keep it from being made: the database may have gone away
    since the runner proved it.
    """
    try:
        return create_app()
    except StartError as error:
        for problem in error.problems:
            log.error(problem)
        raise SystemExit(error.exit_code) from None
