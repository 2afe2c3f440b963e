"""The image, built and run for real: as other users, on a read-only root, up to its end by SIGTERM."""

import fcntl
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from installation import HELD, WAITING, held_up, migration_files, wait_for
from listeners import closed_port

pytestmark = [pytest.mark.needs("podman"), pytest.mark.needs("root"), pytest.mark.only_pg("pg18")]

ROOT = Path(__file__).parents[2]
TAG = "localhost/timetracker:test"
HARDENED = ("--read-only", "--tmpfs=/tmp:size=64m", "--cap-drop=ALL", "--security-opt=no-new-privileges")
STRANGER = ("--user=12345:0",)
LARGEST_IMAGE = 280_000_000  # bytes; 265 MB when this was written: 174 the base image, 34 the locales of Babel


@pytest.fixture(scope="session")
def image(tmp_path_factory) -> Iterator[str]:
    """Builds the image. CONTAINER_CHECK names a script that can do so where no registry is within reach."""
    container_check = Path(os.environ.get("CONTAINER_CHECK", ROOT.parent / "shared/bin/container-check"))
    with pytest.MonkeyPatch.context() as environment:
        if container_check.exists():
            work = tmp_path_factory.mktemp("container-check")
            environment.setenv("CTR_WORK", str(work))
            environment.setenv("CONTAINERS_CONF", str(work / "containers.conf"))
            build = [container_check, ROOT, "--build-only", "--tag", TAG]
        else:
            build = ["podman", "build", "--format=docker", "--network=host", "--tag", TAG, ROOT]
        with open(tmp_path_factory.getbasetemp().parent / "image.lock", "w") as lock:
            # One worker of pytest-xdist builds, the other one then finds the layers made.
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = subprocess.run(build, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        yield podman("image", "inspect", "--format={{.Id}}", TAG).stdout.strip()


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run podman to its end."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stderr
    return done


def run(image: str, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run `command` in a container until it ends by itself."""
    return podman("run", "--rm", "--no-healthcheck", "--network=host", *options, image, *command, check=False)


def python(image: str, program: str) -> str:
    """What a Python program prints in the image."""
    # A network of its own would give this machine an address that other tests see come and go.
    return podman("run", "--rm", "--network=none", "--entrypoint=python", image, "-c", program).stdout


@contextmanager
def container(image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """The id of a container that runs in the background."""
    name = podman("run", "--detach", "--network=host", *options, image, *command).stdout.strip()
    try:
        yield name
    finally:
        podman("rm", "--force", "--time=0", name)


def stop(name: str) -> int:
    """Send SIGTERM; the exit code, 137 if SIGKILL was needed."""
    podman("stop", "--time=10", name)
    return int(podman("inspect", "--format={{.State.ExitCode}}", name).stdout)


def is_healthy(name: str) -> bool:
    """Tell whether a health check succeeds; each gives up after a few seconds, in which none may come."""
    return podman("healthcheck", "run", name, check=False).returncode == 0


def answer_of(url: str, name: str) -> int:
    """The status with which `url` answers as soon as something listens there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer: {podman('logs', name)}")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(HARDENED, id="hardened"),
        pytest.param(STRANGER, id="uid-12345"),
        pytest.param(HARDENED + STRANGER, id="both"),
    ],
)
def test_it_serves_and_ends_by_sigterm(image, database, options):
    port = closed_port()
    settings = (f"--env=DATABASE_URL={database.url}", f"--env=PORT={port}", "--env=LISTEN_ADDRESS=127.0.0.1")
    with container(image, options=(*options, *settings)) as name:
        assert answer_of(f"http://127.0.0.1:{port}/readyz", name) == 200
        wait_for(lambda: is_healthy(name))
        assert "gunicorn" in podman("exec", name, "cat", "/proc/1/cmdline").stdout
        assert stop(name) == 0
        assert "Traceback" not in podman("logs", name).stderr


def test_it_is_healthy_and_not_ready_while_it_migrates(image, database, tmp_path):
    (tmp_path / "held.sql").write_text(HELD)
    last = max(int(path.name[:4]) for path in (ROOT / "sql").glob("[0-9]*.sql"))
    port = closed_port()
    options = (
        f"--env=DATABASE_URL={database.url}",
        f"--env=PORT={port}",
        "--env=STARTUP_PROBE=on",
        f"--volume={tmp_path / 'held.sql'}:/app/sql/{last + 1:04}-held.sql:ro",
    )
    with held_up(database) as go_on, container(image, options=(*HARDENED, *STRANGER, *options)) as name:
        assert answer_of(f"http://127.0.0.1:{port}/readyz", name) == 503
        wait_for(lambda: database.query(f"SELECT {WAITING}"))
        wait_for(lambda: is_healthy(name))
        go_on()
        wait_for(lambda: answer_of(f"http://127.0.0.1:{port}/readyz", name) == 200)
        wait_for(lambda: is_healthy(name))
        assert stop(name) == 0


def test_it_is_unhealthy_while_nothing_answers(image):
    with container(image, "60", options=("--entrypoint=sleep", f"--env=PORT={closed_port()}")) as name:
        assert podman("healthcheck", "run", name, check=False).returncode == 1


def test_sigterm_ends_it_while_it_waits_for_a_database(image):
    nowhere = f"--env=DATABASE_URL=postgresql://alice:secret@127.0.0.1:{closed_port()}/timetracker"
    with container(image, options=(*HARDENED, nowhere)) as name:
        wait_for(lambda: "Waiting for PostgreSQL" in podman("logs", name).stderr)
        assert stop(name) == 143


def test_it_says_in_one_line_why_it_cannot_start(image, server):
    port = f"--env=PORT={closed_port()}"
    no_such_database = run(image, options=(port, f"--env=DATABASE_URL={server.url('absent')}"))
    assert no_such_database.returncode == 5
    assert no_such_database.stderr.count("does not exist") == 1
    wrong_password = run(image, options=(port, f"--env=DATABASE_URL={server.url('postgres', password='hush')}"))
    assert wrong_password.returncode == 5
    malformed = run(image, options=("--env=DATABASE_URL=mysql://alice:hush@127.0.0.1/timetracker",))
    assert malformed.returncode == 2
    assert len(malformed.stderr.splitlines()) == 1
    for ended in (no_such_database, wrong_password, malformed):
        assert "Traceback" not in ended.stderr
        assert "hush" not in ended.stderr


def test_the_commands_of_the_runner_and_of_yoyo_run_in_it(image, database):
    options = (*HARDENED, *STRANGER, f"--env=DATABASE_URL={database.url}")
    assert run(image, "verify", options=options).returncode == 1
    assert run(image, "migrate", options=options).returncode == 0
    assert json.loads(run(image, "verify", "--json", options=options).stdout)["ok"]
    listed = run(image, "yoyo", "list", options=options)
    assert listed.returncode == 0
    for migration in migration_files():
        assert migration.stem in listed.stdout
    assert run(image, "yoyo", "apply", options=options).returncode == 0


def test_the_password_may_come_from_a_file(image, database, tmp_path):
    (tmp_path / "password").write_text("owner\n")
    (tmp_path / "password").chmod(0o444)
    options = (
        *STRANGER,
        f"--env=DATABASE_URL={database.url.replace('owner:owner@', 'owner@')}",
        f"--volume={tmp_path / 'password'}:/run/secrets/password:ro",
    )
    given = run(image, "wait", options=(*options, "--env=PGPASSWORD_FILE=/run/secrets/password"))
    assert given.returncode == 0, given.stderr
    missing = run(image, "wait", options=(*options, "--env=PGPASSWORD_FILE=/run/secrets/absent"))
    assert missing.returncode == 2
    problem = "error: PGPASSWORD_FILE=/run/secrets/absent: cannot be read: No such file or directory\n"
    assert missing.stderr.partition(" ")[2] == problem


def test_it_holds_what_runs_and_nothing_else(image):
    shipped = json.loads(python(image, "import json, os; print(json.dumps(os.listdir()))"))
    assert set(shipped) - {"__pycache__"} == {
        "app",
        "entrypoint.sh",
        "gunicorn.conf.py",
        "requirements.txt",
        "runner.py",
        "sql",
        "startup",
        "yoyo.ini",
    }
    unwanted = ["pip", "gcc", "pytest", "postgres"]
    assert python(image, f"import shutil; print([*filter(shutil.which, {unwanted})])") == "[]\n"


def test_it_compiles_nothing_at_a_start(image):
    uncompiled = python(
        image,
        "import os, sys, app, startup.verification, gunicorn.app.wsgiapp, gunicorn.workers.gthread, yoyo\n"
        "files = [getattr(module, '__cached__', None) for module in list(sys.modules.values())]\n"
        "print([file for file in files if file and not os.path.exists(file)])",
    )
    assert uncompiled == "[]\n"


def test_it_is_small_has_no_secret_and_does_not_run_as_root(image):
    (inspected,) = json.loads(podman("image", "inspect", image).stdout)
    assert inspected["Size"] < LARGEST_IMAGE
    assert inspected["Config"]["User"] == "10001:10001"
    assert inspected["Config"]["Entrypoint"] == ["/app/entrypoint.sh"]
    assert list(inspected["Config"]["ExposedPorts"]) == ["8080/tcp"]
    names = {variable.partition("=")[0] for variable in inspected["Config"]["Env"]}
    assert {"LISTEN_ADDRESS=0.0.0.0", "PORT=8080"} <= set(inspected["Config"]["Env"])
    assert not [name for name in names if "PASSWORD" in name or "SECRET" in name or name == "DATABASE_URL"]
