"""The parts of a start, told as a story by runner.py; the app asks some of them too. Imports no Flask."""

import sys

from startup import log

__version__ = "0.1.0"


def missing_package(error: ModuleNotFoundError) -> str:
    """Say which package this Python lacks, and how to get it."""
    return (
        f"{sys.executable} does not have the package {error.name}: run .venv/bin/python runner.py, after"
        " python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt"
    )


# psycopg2 imports ssl, which is a tenth of a start, only for the locks that OpenSSL wanted of its users before 1.1, and
# does without where Python has none. Python 3.11 knows no OpenSSL that old.
spared = {"ssl": None} if "ssl" not in sys.modules else {}
sys.modules |= spared
try:
    import psycopg2  # noqa: F401
except ModuleNotFoundError as error:
    log.error(missing_package(error))
    sys.exit(2)
finally:
    for name in spared:
        del sys.modules[name]
