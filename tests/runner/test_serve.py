"""serve: the runner becomes Gunicorn, under the same PID, on a database that it has just proven right."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest
from background import Runner, running
from installation import wait_for
from listeners import closed_port

pytestmark = pytest.mark.only_pg("pg18")

# A worker that has answered has taken over its signals; a second one may not have, and is then killed after 8 s.
ONE = {"WEB_CONCURRENCY": "1"}

AS_PID_1 = pytest.param(["unshare", "--pid", "--fork", "--kill-child"], id="pid 1", marks=pytest.mark.needs("root"))


# A sitecustomize by which Gunicorn's Python begins only when a file is there.
HOLDS_GUNICORN_UP = """
import os, sys, time

while "gunicorn" in sys.orig_argv and not os.path.exists({go_on!r}):
    time.sleep(0.02)
"""


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def serving(runner: Runner, port: int) -> None:
    assert runner.get(port) == (200, "ok")


@pytest.mark.needs("linux")
def test_a_start_from_nothing_serves_and_ends_well(database, tmp_path):
    """From an empty database to 200, and by SIGTERM to 0; Gunicorn keeps the PID, and no password is in sight."""
    port, home = closed_port(), tmp_path / "home"
    home.mkdir()
    secret = "postgresql://owner:owner@"
    env = {"PORT": str(port), "HOME": str(home), "XDG_RUNTIME_DIR": str(home), **ONE}
    with running("serve", database.url_as("owner"), tmp_path / "log", **env) as runner:
        assert secret not in str(command_line(runner.process.pid))
        serving(runner, port)
        assert runner.lines[-1].endswith(f" Serving on http://127.0.0.1:{port}")
        assert runner.lines[-2].endswith(" python runner.py invite admin prints a link to set one")
        assert " Verified the schema public: " in runner.lines[-3]
        assert runner.get(port, "/readyz")[0] == 200
        assert "<h1>Sign in</h1>" in runner.get(port, "/")[1]

        _, *arguments = command_line(runner.process.pid)
        assert arguments == ["-m", "gunicorn", "--config", "gunicorn.conf.py"]
        (worker,) = children(runner.process.pid)
        assert secret not in str(command_line(worker))
        assert list(home.iterdir()) == []  # where Gunicorn's control socket would be

        said = runner.lines
        assert runner.ends(signal.SIGTERM) == 0
        assert runner.lines == said
    assert "postgresql://" not in runner.log.read_text()


@pytest.mark.needs("linux")
def test_gunicorn_cmd_args_are_obeyed(migrated, tmp_path):
    port = closed_port()
    arguments = f"--bind 127.0.0.1:{port} --access-logfile -"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env = {"PORT": str(taken.getsockname()[1]), "GUNICORN_CMD_ARGS": arguments, **ONE}
        with running("serve", migrated.url, tmp_path / "log", **env) as runner:
            serving(runner, port)
            assert runner.says("Serving on ").endswith(f" Serving on 127.0.0.1:{port}")
            assert runner.says('"GET /healthz HTTP/1.1" 200')


@pytest.mark.parametrize(
    ("address", "shown"), [("0.0.0.0", "0.0.0.0"), ("localhost", "localhost"), (" 127.0.0.1 ", "127.0.0.1")]
)
def test_the_address_and_the_port_come_from_the_environment(address, shown, migrated, tmp_path):
    port = closed_port()
    with running("serve", migrated.url, tmp_path / "log", **ONE, PORT=f" 0{port}\n", LISTEN_ADDRESS=address) as runner:
        serving(runner, port)
        assert runner.lines[-1].endswith(f" Serving on http://{shown}:{port}")


@pytest.mark.needs("ipv6")
@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_an_ipv6_address_is_written_with_brackets_or_without(address, migrated, tmp_path):
    port = closed_port()
    with running("serve", migrated.url, tmp_path / "log", **ONE, PORT=str(port), LISTEN_ADDRESS=address) as runner:
        assert runner.says("Serving on").endswith(f" Serving on http://[::1]:{port}")
        assert runner.get(port, host="[::1]") == (200, "ok")


def test_json_holds_until_gunicorn_serves(migrated, tmp_path):
    port = closed_port()
    with running("serve", migrated.url, tmp_path / "log", **ONE, PORT=str(port), LOG_FORMAT="json") as runner:
        serving(runner, port)
        assert runner.ends(signal.SIGTERM) == 0
        entries = [json.loads(line) for line in runner.lines]
    assert entries[-1]["message"] == f"Serving on http://127.0.0.1:{port}"


def test_nothing_is_served_on_a_schema_that_differs(migrated, run_runner):
    migrated.execute("ALTER TABLE users ALTER COLUMN username TYPE varchar(40)")
    port = closed_port()
    result = run_runner("serve", database=migrated, env={"PORT": str(port), "HEAL": "off"})
    assert result.returncode == 1
    assert "Serving on" not in result.stderr
    assert result.stderr.splitlines()[-1].endswith(
        " error: The schema is not the one that this version needs; nothing is served on it"
    )


@pytest.mark.needs("linux")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("wrapper", [pytest.param((), id="any pid"), AS_PID_1])
def test_a_signal_while_gunicorn_is_being_imported_is_not_lost(number, code, wrapper, migrated, tmp_path):
    """It has no handler of its own yet: PID 1 would ignore the signal, another process end without a word."""
    go_on = tmp_path / "go-on"
    (tmp_path / "sitecustomize.py").write_text(HOLDS_GUNICORN_UP.format(go_on=str(go_on)))
    env = {**ONE, "PORT": str(closed_port()), "PYTHONPATH": str(tmp_path)}
    with running("serve", migrated.url, tmp_path / "log", wrapper=wrapper, **env) as runner:
        runner.says("Serving on ")
        pid = children(runner.process.pid)[0] if wrapper else runner.process.pid
        wait_for(lambda: "gunicorn" in command_line(pid))
        os.kill(pid, number)
        go_on.touch()
        assert runner.ends() == code
        assert "Traceback" not in "\n".join(runner.lines)
