"""The command line of the few calls that have options."""

import argparse
from collections.abc import Iterable

from startup.differences import TYPES
from startup.errors import UsageError


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(f"{message}; python runner.py --help lists the commands")


def parse(arguments: list[str], commands: Iterable[str], description: str) -> tuple[str, dict]:
    """Give which of the commands it is, and its options. Raises UsageError; --help prints `description` and leaves."""
    parser = _Parser(usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    subparsers = parser.add_subparsers(dest="command", parser_class=_Parser)
    command = {name: subparsers.add_parser(name, add_help=False) for name in commands}
    command["verify"].add_argument("tables", nargs="*")
    command["verify"].add_argument("--only", choices=TYPES)
    for name in ("verify", "status", "report"):
        command[name].add_argument("--json", action="store_true", dest="as_json")
    command["invite"].add_argument("user")
    command["localize"].add_argument("zone", nargs="?")
    if {"-h", "--help"} & set(arguments):
        print(description)
        raise SystemExit(0)
    options = vars(parser.parse_args(arguments))
    del options["help"]
    return options.pop("command") or "serve", options
