"""Who runs the server: a uid with nothing else to its name, and what it takes to act for it."""

import contextlib
import ctypes
import os
import pwd
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from local_postgres import DatabaseError

# systemd keeps this range for services without an account, so no distribution gives it to a person.
UNUSED_UIDS = range(61184, 65520)


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
