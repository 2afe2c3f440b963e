"""The local PostgreSQL of `make run`: who runs it, who gets in, and what happens when something is killed."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import database
import psycopg2
import pytest
from local_postgres import DatabaseError
from local_postgres.account import UNUSED_UIDS, idle_account, unused_uid
from local_postgres.leftovers import becomes_true, recorded_pid, remove_runtime_folder, server_processes
from local_postgres.server import STOP_SECONDS, LocalServer
from local_postgres.wheel import copy_wheel, wheel_binaries

SCRIPT = Path(database.__file__)
AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.needs("root")

SECONDS = STOP_SECONDS + 30

# A command that says where its database is, and stays until it is told to end.
STAY = [
    sys.executable,
    "-c",
    "import os, signal, sys\n"
    "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
    "print(os.environ['DATABASE_URL'], flush=True)\n"
    "signal.pause()",
]


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cluster in it, to be copied."""
    folder = tmp_path_factory.mktemp("initialised") / "data"
    assert run(folder, "true").returncode == 0
    return folder


@pytest.fixture
def data(initialised: Path, tmp_path: Path) -> Path:
    """A folder with a cluster of the test's own."""
    subprocess.run(["cp", "-a", initialised, tmp_path / "data"], check=True)
    return tmp_path / "data"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a database in this folder, to its end."""
    return subprocess.run(
        [sys.executable, SCRIPT, "run", folder, "--", *command], capture_output=True, text=True, timeout=60
    )


@contextlib.contextmanager
def staying(folder: Path, program: tuple[str, ...] = (str(SCRIPT),)) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run STAY with a database in this folder, as the leader of a process group, and give the URL too."""
    process = subprocess.Popen(
        [sys.executable, *program, "run", str(folder), "--", *STAY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            kill_everything(process, folder)
            remove_runtime_folder(str(recorded_runtime_folder(folder)))


def kill_everything(process: subprocess.Popen[str], folder: Path) -> None:
    """Do as `kill -9` to the supervisor, the command and the server."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in processes_in(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(SECONDS)


def recorded_runtime_folder(folder: Path) -> Path:
    """The folder that the last run made elsewhere; it must not stay behind."""
    return Path((folder / "lock").read_text().splitlines()[1])


def processes_in(folder: Path) -> list[int]:
    cluster = folder / "cluster"
    owner = cluster.stat()
    return server_processes(cluster, owner.st_uid, owner.st_gid)


def query(url: str, sql: str) -> list[tuple]:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def run_as(account: pwd.struct_passwd | int, code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code as another uid; what is loaded before may be out of that uid's reach."""
    uid, gid = (account, account) if isinstance(account, int) else (account.pw_uid, account.pw_gid)
    prologue = (
        f"import os, sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "import database, psycopg2, encodings.idna\n"
        f"os.setgroups([]); os.setgid({gid}); os.setuid({uid})\n"
    )
    return subprocess.run(
        [sys.executable, "-c", prologue + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


# --- Running a command ---


def test_it_makes_a_database_of_which_the_role_is_owner_and_nothing_more(data):
    with staying(data) as (_, url):
        [(user, owner, superuser, encoding)] = query(
            url,
            "SELECT current_user, pg_get_userbyid(datdba), rolsuper, pg_encoding_to_char(encoding)"
            " FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user",
        )
        assert (user, owner, superuser, encoding) == ("timetracker", "timetracker", False, "UTF8")
        assert query(url, "SHOW listen_addresses") == [("",)]
        assert query(url, "SHOW fsync") == [("on",)]
        assert query(url, "SHOW data_checksums") == [("on",)]


def test_the_exit_code_of_the_command_is_returned(data):
    assert run(data, "sh", "-c", "exit 7").returncode == 7


def test_a_command_that_is_absent_is_one_line(data):
    result = run(data, "no-such-command")
    assert result.returncode == 1
    assert "cannot run no-such-command" in one_line(result)
    assert not processes_in(data)


def test_the_command_sees_no_other_database_of_the_environment(data, monkeypatch):
    monkeypatch.setenv("PGHOST", "db.example.org")
    monkeypatch.setenv("DATABASE_URL_FILE", "/run/secrets/url")
    assert run(data, "sh", "-c", 'test -z "$PGHOST$DATABASE_URL_FILE"').returncode == 0


def test_ctrl_c_ends_everything(data):
    with staying(data) as (process, _):
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == ""
        assert not processes_in(data)


def test_ctrl_c_while_the_cluster_is_made_leaves_nothing(tmp_path):
    folder = tmp_path / "data"
    # initdb as on a slow machine, so that the signal does not come too late.
    with_slow_initdb = (
        "-c",
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import database\n"
        "run = database.subprocess.run\n"
        "def slow(command, **options):\n"
        "    result = run(command, **options)\n"
        "    if str(command[0]).endswith('initdb'):\n"
        "        run(['sleep', '60'], start_new_session=True)\n"
        "    return result\n"
        "database.subprocess.run = slow\n"
        "sys.exit(database.main(sys.argv[1:]))",
    )
    process = subprocess.Popen(
        [sys.executable, *with_slow_initdb, "run", folder, "--", *STAY],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert becomes_true(lambda: any(folder.glob("new-*/global")), 60)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) == 128 + signal.SIGINT
        assert process.stderr.read() == ""
    assert not recorded_runtime_folder(folder).exists()
    assert run(folder, "true").returncode == 0
    assert not list(folder.glob("new-*"))


def test_sigterm_is_passed_on(data):
    with staying(data) as (process, _):
        process.terminate()
        assert process.wait(SECONDS) == 128 + signal.SIGTERM
        assert not processes_in(data)


def test_sigint_to_the_supervisor_alone_is_passed_on_a_little_later(data):
    with staying(data) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def test_the_command_is_ended_when_the_database_ends(data):
    with staying(data) as (process, _):
        os.kill(recorded_pid(data / "cluster"), signal.SIGQUIT)
        assert process.wait(SECONDS) == 1
        assert f"PostgreSQL has ended, so the command was ended too; its log is {data}" in process.stderr.read()


# --- After a kill ---


def test_it_recovers_after_kill_9_of_everything(data):
    with staying(data) as (process, url):
        query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        runtime = recorded_runtime_folder(data)
        kill_everything(process, data)
        assert runtime.exists()
        with staying(data) as (_, new_url):
            assert query(new_url, "SELECT answer FROM kept") == [(42,)]
            assert not runtime.exists()


@pytest.mark.needs("linux")
def test_the_server_and_the_command_end_with_a_killed_supervisor(data):
    with staying(data) as (process, _):
        process.kill()
        process.wait(SECONDS)
        assert process.stdout.read() == ""  # its other end is closed: the command has ended
        assert becomes_true(lambda: not processes_in(data), 60)


def test_an_orphan_is_ended_and_its_data_kept(data):
    # Without the help of Linux, as on macOS: the server outlives its supervisor.
    without_help = (
        "-c",
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import database, local_postgres.server\n"
        "local_postgres.server.end_with_parent = lambda number: None\n"
        "sys.exit(database.main(sys.argv[1:]))",
    )
    with staying(data, without_help) as (process, url):
        query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)
        orphan = recorded_pid(data / "cluster")
        assert orphan in processes_in(data)
        with staying(data) as (_, new_url):
            assert query(new_url, "SELECT answer FROM kept") == [(42,)]
            assert orphan not in processes_in(data)


def test_a_recycled_pid_is_not_taken_for_the_server(data):
    with staying(data) as (process, _):
        kill_everything(process, data)
    owner = (data / "cluster").stat()
    # Of the server's own uid: PostgreSQL by itself would take this one for a server.
    identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if AS_ROOT else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **identity) as bystander:
        lock_file = data / "cluster" / "postmaster.pid"
        lines = lock_file.read_text().splitlines(keepends=True)
        lock_file.write_text("".join([f"{bystander.pid}\n", *lines[1:]]))
        try:
            assert run(data, "true").returncode == 0
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_damaged_lock_file_does_not_keep_it_from_starting(data):
    (data / "cluster" / "postmaster.pid").write_text("")
    assert run(data, "true").returncode == 0


def test_a_second_run_on_the_same_folder_is_refused_in_one_line(data):
    with staying(data) as (process, url):
        result = run(data, "true")
        assert result.returncode == 1
        assert f"{data} is in use by process {process.pid}" in one_line(result)
        assert query(url, "SELECT 1") == [(1,)]


# --- What cannot work ---


def test_data_of_another_version_are_refused_and_left_alone(data):
    (data / "cluster" / "PG_VERSION").write_text("12\n")
    result = run(data, "true")
    assert result.returncode == 1
    assert "was made by PostgreSQL 12, and 18 is installed: move" in one_line(result)
    assert (data / "cluster" / "PG_VERSION").read_text() == "12\n"


def test_a_failed_start_shows_the_end_of_the_log(data):
    with pytest.raises(DatabaseError, match=r"postgresql.log ends with: .*shared_buffers.*no-number"):
        LocalServer(data, settings={"shared_buffers": "no-number"}).start()
    assert run(data, "true").returncode == 0


def test_wrong_usage_is_one_line():
    result = subprocess.run([sys.executable, SCRIPT, "run", "here"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "usage: database.py run DATA_DIR|--temporary -- COMMAND" in one_line(result)


# --- As root and as others ---


@needs_root
def test_as_root_the_server_runs_under_a_uid_that_nobody_has(data):
    accounts = {path: Path(path).read_bytes() for path in ("/etc/passwd", "/etc/group", "/etc/shadow")}
    with staying(data) as (_, _url):
        pids = processes_in(data)
        assert len(pids) > 3
        uid = (data / "cluster").stat().st_uid
        uids = set()
        for pid in pids:
            with contextlib.suppress(FileNotFoundError):  # the session that made the database may end just now
                uids.add(Path(f"/proc/{pid}").stat().st_uid)
        assert uids == {uid}
        assert uid in UNUSED_UIDS
        assert uid not in {account.pw_uid for account in pwd.getpwall()}
    assert {path: Path(path).read_bytes() for path in accounts} == accounts


@needs_root
def test_as_root_it_works_below_a_private_folder_and_opens_none(tmp_path):
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    # The wheel too is out of the server's reach, as in a checkout below root's home.
    package = wheel_binaries().parent.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, private / folder.name)
    parents = [private, *private.parents]
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in parents]
    result = subprocess.run(
        [sys.executable, SCRIPT, "run", private / "data", "--", "sh", "-c", "ps -A -o args"],
        env={**os.environ, "PYTHONPATH": str(private)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert [(folder.stat().st_mode, folder.stat().st_uid) for folder in parents] == before
    assert not recorded_runtime_folder(private / "data").exists()


@needs_root
def test_nobody_else_gets_in(data):
    stranger = idle_account()
    connect = "psycopg2.connect(sys.argv[1])"
    with LocalServer(data) as server:
        for role in ("timetracker", "postgres"):
            refused = run_as(stranger, connect, server.url("postgres", role))
            assert "Permission denied" in refused.stderr
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
        # Even with the doors open the server asks the kernel who is calling.
        server.socket_folder.chmod(0o755)
        server.socket_folder.parent.chmod(0o755)
        for account in (stranger, server.uid):
            for role in ("timetracker", "postgres"):
                refused = run_as(account, connect, server.url("postgres", role))
                assert f'Peer authentication failed for user "{role}"' in refused.stderr
        assert query(server.url("postgres", "postgres"), "SELECT 1") == [(1,)]


@needs_root
def test_it_works_as_an_ordinary_user(public_folder):
    account = idle_account()
    home = public_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, account.pw_uid, account.pw_gid)
    result = run_as(
        account,
        "from contextlib import closing\n"
        "for start in range(2):\n"
        "    with database.LocalServer(sys.argv[1], binaries=sys.argv[2]) as server:\n"
        "        database.make_database(server)\n"
        "        with closing(psycopg2.connect(server.url())) as connection, connection.cursor() as cursor:\n"
        "            cursor.execute('SELECT current_user')\n"
        "            print(cursor.fetchone()[0])\n",
        home / "data",
        copy_wheel(public_folder / "wheel"),
    )
    assert result.stderr == ""
    assert result.stdout == "timetracker\ntimetracker\n"
    assert (home / "data" / "cluster").stat().st_uid == account.pw_uid
    # Root may use the folder too, and leaves it to its owner.
    assert run(home / "data", "true").returncode == 0
    assert {path.lstat().st_uid for path in (home / "data").rglob("*")} == {account.pw_uid}


@needs_root
def test_a_uid_without_an_account_is_told_so_in_one_line(public_folder):
    public_folder.chmod(0o777)
    result = run_as(
        unused_uid(),
        "try: database.LocalServer(sys.argv[1]).start()\nexcept database.DatabaseError as error: sys.exit(str(error))",
        public_folder / "data",
    )
    assert result.returncode == 1
    assert "has no account, which PostgreSQL asks for: set DATABASE_URL" in one_line(result)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every uid can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
