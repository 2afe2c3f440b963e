"""The command line of the few calls that have options."""

import argparse

from startup.differences import TYPES
from startup.errors import UsageError


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(f"{message}; python runner.py --help lists the commands")


def parse(arguments: list[str], description: str) -> tuple[str, dict]:
    """Give the command and its options. Raises UsageError; --help prints `description` and leaves."""
    parser = _Parser(usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)
    for name in ("serve", "wait", "migrate", "plan", "snapshot"):
        commands.add_parser(name, add_help=False)
    verify = commands.add_parser("verify", add_help=False)
    verify.add_argument("tables", nargs="*")
    verify.add_argument("--only", choices=TYPES)
    verify.add_argument("--json", action="store_true", dest="as_json")
    for name in ("status", "report"):
        commands.add_parser(name, add_help=False).add_argument("--json", action="store_true", dest="as_json")
    commands.add_parser("invite", add_help=False).add_argument("user")
    localize = commands.add_parser("localize", add_help=False)
    localize.add_argument("zone", nargs="?")
    if {"-h", "--help"} & set(arguments):
        print(description)
        raise SystemExit(0)
    options = vars(parser.parse_args(arguments))
    command = options.pop("command") or "serve"
    del options["help"]
    return command, options
