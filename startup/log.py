"""The start-up log: one line a step on stderr, as plain text or as JSON lines (LOG_FORMAT=json)."""

import json
import os
import re
import sys
import time

# Asked before the configuration is read: a wrong environment or command line is told in this format too.
AS_JSON = os.environ.get("LOG_FORMAT", "").strip() == "json"

# A value that the operator gave, or what some server answered, must not end the line or reach the terminal.
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def write(message: str, level: str = "info", **fields: object) -> None:
    """Write one line; `fields` are added to a JSON line only. Levels: info, notice, warning, error.

    What cannot be written is left out: a full disk under the log, or a reader that has gone, ends nothing.
    """
    if sys.stderr is None:  # closed by the parent; print() would take stdout
        return
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if AS_JSON:
        line = json.dumps({"time": now, "level": level, "message": message} | fields, default=str)
    else:
        line = f"{now} {'' if level == 'info' else level + ': '}{CONTROL_CHARACTERS.sub(' ', message)}"
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # ValueError: it is closed
        return


def step(message: str, since: float, until: float | None = None, **fields: object) -> None:
    """Write that a step which lasted from `since` (time.perf_counter()) until now, or `until`, is done."""
    milliseconds = round(((until or time.perf_counter()) - since) * 1000)
    write(f"{message} ({milliseconds} ms)", milliseconds=milliseconds, **fields)


def notice(message: str, **fields: object) -> None:
    """Write what the operator may like to know."""
    write(message, "notice", **fields)


def warning(message: str, **fields: object) -> None:
    """Write what the operator should look at; the start goes on."""
    write(message, "warning", **fields)


def error(message: str, **fields: object) -> None:
    """Write why the start ends."""
    write(message, "error", **fields)
