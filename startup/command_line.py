"""From the command line to a command, and from whatever ends it to one line on stderr and an exit code."""

import gc
import os
import sys
from collections.abc import Callable

import psycopg2
from psycopg2.errors import InsufficientPrivilege, RaiseException, ReadOnlySqlTransaction

from startup import log, missing_package
from startup.configuration import read_configuration
from startup.errors import DatabaseUnusableError, SchemaDiffersError, StartError, UsageError
from startup.signals import end_on_signals, ignore_signals

# What the administrators of a database decide, such as by an event trigger.
REFUSALS = (RaiseException, InsufficientPrivilege, ReadOnlySqlTransaction)

ANSWERS = (0, SchemaDiffersError.exit_code)  # what counts only together with the output
READER_GONE = 128 + 13  # as the shell says of a program that SIGPIPE ended


def run(arguments: list[str], story: dict[str, Callable], description: str) -> int:
    """Run the command that `arguments` name; give the exit code.

    `story` are the commands that start TimeTracker, its first one the default. The others are imported only when
    they are asked for, and argparse only when there are options: a start has neither.
    """
    gc.freeze()  # what was imported is no garbage: looking for some in it, mostly at the end, takes a tenth of a start
    _replace_closed_streams()
    end_on_signals()
    try:
        code = _outcome(arguments, story, description)
    except SystemExit as ending:  # a signal, or --help
        code = ending.code
    lost = _finish_output()
    _finish(sys.stderr)
    ignore_signals()
    return lost if lost and code in ANSWERS else code


def _outcome(arguments: list[str], story: dict[str, Callable], description: str) -> int:
    try:
        name, options = next(iter(arguments or story)), {}
        if len(arguments) > 1 or name not in story:
            from startup.arguments import parse
            from startup.inspection import COMMANDS

            story = story | COMMANDS
            name, options = parse(arguments, story, description)
        story[name](read_configuration(os.environ), **options)
    except StartError as error:
        for problem in error.problems:
            log.error(problem)
        return error.exit_code
    except ModuleNotFoundError as error:
        log.error(missing_package(error))
        return UsageError.exit_code
    except Exception as error:
        if isinstance(error, OSError) and (lost := _finish_output(error)):
            return lost
        if not _is_of_the_server(error):
            sys.excepthook(*sys.exc_info())
            return StartError.exit_code
        what = "refused" if isinstance(error, REFUSALS) else "broke off"
        log.error(f"PostgreSQL {what}: {' '.join(str(error).split())}. Look at the server, then start again")
        return DatabaseUnusableError.exit_code
    return 0


def _replace_closed_streams() -> None:
    """Open os.devnull for stdin, stdout and stderr where the parent closed them.

    Else their numbers go to the next files that are opened, such as the socket to the database, and whatever a library
    writes to descriptor 2 goes there. open() takes the lowest free number: the one that is missing.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)  # by Gunicorn
            setattr(sys, name, stream)


def _finish_output(raised: OSError | None = None) -> int:
    """Write what stdout still holds. When it, or what `raised` this error, cannot be written: say so, give a code."""
    failure = _finish(sys.stdout)
    if raised and not failure and raised.filename is None:
        from errno import EDQUOT, EFBIG, ENOSPC, EPIPE

        # As with PYTHONUNBUFFERED, which leaves nothing to write again.
        failure = raised if raised.errno in (EDQUOT, EFBIG, ENOSPC, EPIPE) else None
    if isinstance(failure, BrokenPipeError):  # such as by `| head -1`, which has what it wants
        return READER_GONE
    if failure:
        log.error(f"The output could not be written: {failure.strerror}. Look at where stdout goes, then run it again")
        return UsageError.exit_code
    return 0


def _finish(stream) -> OSError | None:
    """Write what a stream still holds; give the reason when that fails.

    The rest goes to os.devnull then: Python, which tries again when it ends, would make the exit code 120.
    """
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _is_of_the_server(error: Exception) -> bool:
    """Whether the server's state ended us, not a mistake of ours; psycopg2 tells a crash as a bare DatabaseError."""
    is_of_the_session = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return is_of_the_session or isinstance(error, REFUSALS) or type(error) is psycopg2.DatabaseError
