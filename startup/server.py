"""Becoming Gunicorn: the same process, the same PID, so that signals reach it."""

import os
import re
import socket
import sys

from startup import log
from startup.configuration import Configuration
from startup.errors import UsageError
from startup.migrations import FOLDER

PROJECT = os.path.dirname(FOLDER)


def check_port(configuration: Configuration) -> None:
    """Raise UsageError when the address to serve on is taken or does not exist here."""
    if _own_bind():
        return
    where = (configuration.listen_address, configuration.port)
    family = socket.AF_INET6 if ":" in configuration.listen_address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Gunicorn does
        try:
            probe.bind(where)
        except OSError as error:
            raise UsageError(
                f"Cannot serve on {where[0]}, port {where[1]}: {error.strerror}."
                " Set PORT or LISTEN_ADDRESS to another, or end what listens there"
            ) from None


def become_gunicorn(configuration: Configuration) -> None:
    """Replace this process by Gunicorn; GUNICORN_CMD_ARGS and gunicorn.conf.py apply. Does not return."""
    shown = f"[{configuration.listen_address}]" if ":" in configuration.listen_address else configuration.listen_address
    log.write(f"Serving on {_own_bind() or f'http://{shown}:{configuration.port}'}")
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "app:create_app()"]
    os.chdir(PROJECT)
    os.execv(gunicorn[0], gunicorn)


def _own_bind() -> str | None:
    """The address that the operator gave to Gunicorn directly."""
    bind = re.search(r"(?:^|\s)(?:-b|--bind)[ =]*(\S+)", os.environ.get("GUNICORN_CMD_ARGS", ""))
    return bind and bind[1]
