"""Starts that cost next to nothing, so that thousands can be killed: forks of a process that has imported everything.

A fork is a process of its own, with its own connection, and dies as any other. Run as a program this file is the
parent of the forks: it reads a request a line, answers with the pid and, when the fork has ended, with its exit code.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

SECONDS = 120


class Start:
    """A fork that runs runner.py: its `pid` and, once it has ended, its exit `code` and what it `said`."""

    def __init__(self, pid: int):
        self.pid = pid
        self.code: int | None = None
        self.said = ""

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Forks:
    """A process that forks starts of the program in `folder`, one at a time; a block that lends it ends it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self) -> "Forks":
        descriptor, log = tempfile.mkstemp()
        os.close(descriptor)
        self._log = Path(log)
        self._parent = subprocess.Popen(
            [sys.executable, __file__, log],
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *raised: object) -> None:
        self._parent.communicate()
        self._log.unlink()

    @contextlib.contextmanager
    def start(
        self, *arguments: str, url: str, before: Callable[[Start], object] = lambda start: None, **environment: str
    ) -> Iterator[Start]:
        """Lend a start with DATABASE_URL set; the block ends when it has ended (its code is negative for a kill).

        `before` is called with it when it is there and has not begun.
        """
        self._tell({"arguments": arguments, "environment": {"DATABASE_URL": url, **environment}})
        start = Start(int(self._parent.stdout.readline()))
        watchdog = threading.Timer(SECONDS, start.kill)
        watchdog.start()
        before(start)
        try:
            self._tell("go on")
            yield start
        finally:
            start.code = int(self._parent.stdout.readline())
            watchdog.cancel()
            start.said = self._log.read_text(encoding="utf-8")
        assert "Traceback" not in start.said, start.said

    def run(self, *arguments: str, url: str, **environment: str) -> Start:
        """The same, to its end."""
        with self.start(*arguments, url=url, **environment) as start:
            pass
        return start

    def _tell(self, what: object) -> None:
        print(json.dumps(what), file=self._parent.stdin, flush=True)


def fork_starts(log: str) -> None:
    """Be the parent of the forks."""
    sys.path.insert(0, os.getcwd())
    runner, startup = importlib.import_module("runner"), importlib.import_module("startup")
    for module in pkgutil.iter_modules(startup.__path__):
        importlib.import_module(f"startup.{module.name}")
    while request := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            print(os.getpid(), flush=True)
            sys.stdin.readline()  # until somebody knows whom to kill
            become_runner(runner, log, **json.loads(request))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def become_runner(runner, log: str, arguments: list[str], environment: Mapping[str, str]) -> None:
    """Do in a fork what `python runner.py ARGUMENTS` does, with its output in the file."""
    output = os.open(log, os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(environment)
    sys.exit(runner.main(arguments))


if __name__ == "__main__":
    fork_starts(sys.argv[1])
