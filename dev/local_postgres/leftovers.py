"""What an earlier run left behind in a folder: a server that still runs, its lock file, its runtime folder."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from local_postgres import DatabaseError
from local_postgres.account import acting_as

RUNTIME_PREFIX = "timetracker-"


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


def for_owner_only(path: str, flags: int) -> int:
    """An opener for open(): a new file is the owner's alone, and a link is not followed."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds; False if it did not in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
