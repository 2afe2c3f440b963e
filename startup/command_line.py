"""From the command line to a command, and from whatever ends it to one line on stderr and an exit code."""

import os
import sys
from collections.abc import Callable

import psycopg2
from psycopg2.errors import InsufficientPrivilege, RaiseException, ReadOnlySqlTransaction

from startup import log, missing_package
from startup.configuration import read_configuration
from startup.errors import DatabaseUnusableError, StartError, UsageError
from startup.signals import end_on_signals

# What the administrators of a database decide, such as by an event trigger.
REFUSALS = (RaiseException, InsufficientPrivilege, ReadOnlySqlTransaction)


def run(arguments: list[str], story: dict[str, Callable], description: str) -> int:
    """Run the command that `arguments` name; give the exit code.

    `story` are the commands that start TimeTracker, its first one the default. The others are imported only when
    they are asked for, and argparse only when there are options: a start has neither.
    """
    end_on_signals()
    try:
        name, options = next(iter(arguments or story)), {}
        if len(arguments) > 1 or name not in story:
            from startup.arguments import parse
            from startup.inspection import COMMANDS

            name, options = parse(arguments, description)
            story = story | COMMANDS
        story[name](read_configuration(os.environ), **options)
    except StartError as error:
        for problem in error.problems:
            log.error(problem)
        return error.exit_code
    except ModuleNotFoundError as error:
        log.error(missing_package(error))
        return UsageError.exit_code
    except Exception as error:
        if not _is_of_the_server(error):
            sys.excepthook(*sys.exc_info())
            return StartError.exit_code
        what = "refused" if isinstance(error, REFUSALS) else "broke off"
        log.error(f"PostgreSQL {what}: {' '.join(str(error).split())}. Look at the server, then start again")
        return DatabaseUnusableError.exit_code
    return 0


def _is_of_the_server(error: Exception) -> bool:
    """Whether the server's state ended us, not a mistake of ours; psycopg2 tells a crash as a bare DatabaseError."""
    is_of_the_session = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return is_of_the_session or isinstance(error, REFUSALS) or type(error) is psycopg2.DatabaseError
