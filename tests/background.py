"""A runner.py that runs beside the test."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS = 60


class Runner:
    """A started runner.py. `process` is its Popen, `lines` is what it has said on stderr so far."""

    def __init__(
        self,
        command: str,
        url: str,
        env: Mapping[str, str],
        log: Path,
        folder: Path = ROOT,
        wrapper: Sequence[str] = (),
    ):
        self.log = log
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen(
                [*wrapper, sys.executable, str(folder / "runner.py"), command],
                env={"PATH": os.environ.get("PATH", os.defpath), "DATABASE_URL": url, **env},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )

    @property
    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()

    def says(self, text: str) -> str:
        """Wait until a line holds `text`, and return that line."""
        return until(lambda: next((line for line in self.lines if text in line), None), self)

    def get(self, port: int, path: str = "/healthz", host: str = "127.0.0.1") -> tuple[int, str]:
        """Wait until the port answers, and return the status and the body."""

        def answer() -> tuple[int, str] | None:
            try:
                with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=SECONDS) as response:
                    return response.status, response.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()
            except urllib.error.URLError:
                return None

        return until(answer, self)

    def ends(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(SECONDS)


def until(condition: Callable[[], Any], runner: Runner) -> Any:
    """Return what `condition` gives, once that is true; fails when the runner has ended before or takes too long."""
    deadline = time.monotonic() + SECONDS
    while True:
        ended = runner.process.poll() is not None or time.monotonic() > deadline
        if result := condition():
            return result
        assert not ended, "\n".join(["it never came to that:", *runner.lines])
        time.sleep(0.02)


@contextmanager
def running(
    command: str, url: str, log: Path, *, folder: Path = ROOT, wrapper: Sequence[str] = (), **env: str
) -> Iterator[Runner]:
    """Lend a started `runner.py COMMAND`; its stderr goes into the file `log`.

    `folder` holds the program, `wrapper` is a command that runs it.
    """
    runner = Runner(command, url, env, log, folder, wrapper)
    try:
        yield runner
    finally:
        if runner.process.poll() is None:
            runner.process.terminate()
            runner.process.wait(SECONDS)
