"""What some tests need beyond pip: `@pytest.mark.needs("pgbouncer")` names it, this file finds it."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """A program of the system: how to get it and whether it is here."""

    remedy: str
    is_present: Callable[[], bool]


def postgres_binaries() -> dict[int, Path]:
    """Return the folders with a PostgreSQL server by major version; the wheel's is not among them.

    Looks at PG_BINDIRS (folders separated by colons) and where Debian installs.
    """
    named = [Path(folder) for folder in os.environ.get("PG_BINDIRS", "").split(":") if folder]
    found = {}
    for folder in (*sorted(Path("/usr/lib/postgresql").glob("*/bin")), *named):
        major = folder.parent.name
        if major.isdigit() and (folder / "postgres").exists() and (folder / "initdb").exists():
            found[int(major)] = folder
    return found


def program(name: str) -> str | None:
    """Return the path of a program, also from the folders that only root has on its PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


# What PostgreSQL 15 of Debian says in German. Slim images leave the translations of their packages out.
GERMAN = Path("/usr/share/locale/de/LC_MESSAGES/postgres-15.mo")


def has_ipv6() -> bool:
    """Tell whether ::1 can be listened on."""
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        return False
    return True


PARTS = {
    "postgres15": Part("apt-get install postgresql-15", lambda: 15 in postgres_binaries()),
    "german": Part(
        f"apt-get install --reinstall -o Dpkg::Options::=--path-include={GERMAN} postgresql-15", GERMAN.exists
    ),
    "pgbouncer": Part("apt-get install pgbouncer", lambda: program("pgbouncer") is not None),
    "chromium": Part("apt-get install chromium", lambda: program("chromium") is not None),
    "podman": Part("apt-get install podman", lambda: program("podman") is not None),
    "root": Part("run the tests as root", lambda: os.geteuid() == 0),
    "ipv6": Part("run the tests on a machine with IPv6", has_ipv6),
    "linux": Part("run the tests on Linux", lambda: sys.platform == "linux"),
}


def missing_parts() -> dict[str, Part]:
    """Return the parts that are not on this machine."""
    return {name: part for name, part in PARTS.items() if not part.is_present()}
