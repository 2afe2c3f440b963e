"""Becoming Gunicorn: the same process, the same PID, so that signals reach it."""

import errno
import os
import re
import signal
import socket
import sys

from startup import log
from startup.configuration import Configuration
from startup.errors import UsageError
from startup.migrations import FOLDER

PROJECT = os.path.dirname(FOLDER)

REMEDIES = {
    errno.EADDRINUSE: "Set PORT to another, or end what listens there",
    errno.EACCES: "Set PORT to one above 1023, such as 8080",
}


def check_port(configuration: Configuration) -> None:
    """Raise UsageError when the address to serve on is taken or does not exist here."""
    if _own_bind():
        return
    host, port = configuration.listen_address, configuration.port
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Gunicorn does
            probe.bind((host, port))
    except OSError as error:
        remedy = REMEDIES.get(error.errno, "Set LISTEN_ADDRESS to an address of this machine, such as 127.0.0.1")
        raise UsageError(f"Cannot serve on {host}, port {port}: {error.strerror}. {remedy}") from None


def become_gunicorn(configuration: Configuration) -> None:
    """Replace this process by Gunicorn; GUNICORN_CMD_ARGS and gunicorn.conf.py apply. Does not return."""
    shown = f"[{configuration.listen_address}]" if ":" in configuration.listen_address else configuration.listen_address
    log.write(f"Serving on {_own_bind() or f'http://{shown}:{configuration.port}'}")
    os.environ["LISTEN_ADDRESS"] = configuration.listen_address  # gunicorn.conf.py reads them again
    os.environ["PORT"] = str(configuration.port)
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "app:create_app()"]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until Gunicorn has its own handler; Python's gives a traceback
    os.chdir(PROJECT)
    os.execv(gunicorn[0], gunicorn)


def _own_bind() -> str | None:
    """The address that the operator gave to Gunicorn directly."""
    bind = re.search(r"(?:^|\s)(?:-b|--bind)[ =]*(\S+)", os.environ.get("GUNICORN_CMD_ARGS", ""))
    return bind and bind[1]
