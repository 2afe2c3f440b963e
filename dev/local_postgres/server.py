"""The server: made, started, ended."""

import contextlib
import fcntl
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from local_postgres import DATABASE, SUPERUSER, DatabaseError
from local_postgres.account import (
    acting_as,
    end_with_parent,
    give_to,
    handed_over,
    has_account,
    idle_account,
    unused_uid,
)
from local_postgres.leftovers import (
    RUNTIME_PREFIX,
    becomes_true,
    disown_lock_file,
    end_leftover_server,
    for_owner_only,
    remove_runtime_folder,
)
from local_postgres.wheel import copy_wheel, wheel_binaries

START_SECONDS = 120
STOP_SECONDS = 60
# Linux takes 107 bytes as the path of a socket, macOS 103.
LONGEST_SOCKET_PATH = 103
# Nothing of ours, such as a password in DATABASE_URL, is shown to a process of another uid.
SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


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


def free_port() -> int:
    """Return a free port below those that the system hands out to clients, who might take it meanwhile."""
    while True:
        port = random.randint(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
