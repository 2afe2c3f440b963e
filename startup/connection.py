"""Reaching the database: one way to connect, and the wait until that works."""

import os
import re
import stat
import time
from _thread import allocate_lock, start_new_thread  # `threading` takes longer to import than to connect

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import parse_dsn

from startup import log
from startup.errors import DatabaseUnusableError

POLL_SECONDS = 0.05
REPORT_SECONDS = 10

# libpq tells connection errors apart by their text only. What stands here will not pass by itself;
# whatever is not known (refused, starting up, no such host yet, too many clients) is waited for.
# Names that people chose are taken out of the text before it is compared.
HOPELESS = {
    r"password authentication failed|no password supplied|SCRAM|authentication failed|auth failed": (
        "check the user name and the password in DATABASE_URL"
    ),
    r"no pg_hba\.conf entry|pg_hba\.conf rejects": (
        "let this host in through the server's pg_hba.conf, or set sslmode in DATABASE_URL as it asks"
    ),
    r'role "" does not exist|no such user': "create the role, or correct the user name in DATABASE_URL",
    r'role "" is not permitted to log in': "ALTER ROLE ... LOGIN, or use another role",
    r'database "" does not exist|no such database': (
        "create the database (createdb), or correct its name in DATABASE_URL"
    ),
    r'permission denied for database ""': "GRANT CONNECT ON DATABASE ... TO this role",
    r"invalid response to SSL negotiation|authentication request|unencrypted data after|wrong version number": (
        "something other than PostgreSQL answers there; correct host and port in DATABASE_URL"
    ),
    r"server does not support SSL": "switch SSL on in the server, or set sslmode=prefer in DATABASE_URL",
    r"certificate|SSL error: (?!unexpected eof)|private key file|weak sslmode": (
        "check sslmode, sslrootcert, sslcert and sslkey in DATABASE_URL"
    ),
    r'invalid [\w"]+ value|invalid (?:integer|port|connection option)|could not match \d+ '
    r"|could not parse network address|is too long|unrecognized configuration parameter"
    r"|invalid value for parameter|invalid command-line argument|unsupported startup parameter"
    r"|permission denied to (?:set parameter|start WAL sender)|channel binding required"
    r"|authentication method requirement|GSSAPI encryption required": "correct this option in DATABASE_URL",
    r"^Permission denied": "let this user into the folder of the server's socket",
    r"definition of service|service file": "correct PGSERVICE, or the service file that it reads",
}


def connect(conninfo: str, connect_timeout: int = 5, primary: bool = True) -> Connection:
    """Open a psycopg2 connection in autocommit mode, in UTC and UTF-8.

    With `primary` a hot standby is passed over for the next host, and refused when there is none. The time
    zone goes with the start-up message (PGTZ), so that it costs no statement and holds behind a pooler too.
    Raises psycopg2.OperationalError.
    """
    os.environ["PGTZ"] = "UTC"
    parameters = {"fallback_application_name": "timetracker"} | parse_dsn(conninfo) | {"client_encoding": "UTF8"}
    if "PGCONNECT_TIMEOUT" not in os.environ:
        parameters.setdefault("connect_timeout", connect_timeout)
    if primary and parameters.get("target_session_attrs", "any") in ("any", "prefer-standby"):
        parameters["target_session_attrs"] = "primary"
    try:
        connection = psycopg2.connect(**parameters)
    except UnicodeDecodeError as error:  # the server's message is in another encoding, or it is no PostgreSQL
        raise psycopg2.OperationalError(error.object.decode("utf-8", "replace")) from None
    connection.autocommit = True
    return connection


def wait_for_database(conninfo: str, seconds: int, primary: bool = True, setting: str = "DATABASE_URL") -> Connection:
    """Connect, waiting up to `seconds` for a server that is not there yet; give the connection.

    With `primary` a hot standby counts as not there yet. `setting` is the variable to name where it is wrong.
    Raises DatabaseUnusableError when the time is over, and at once for what waiting does not mend.
    """
    deadline = time.monotonic() + seconds
    reported: dict[str, float] = {}  # reason -> when it was last told
    _see_to_password_file(conninfo)
    while True:
        remaining = deadline - time.monotonic()
        try:
            return _connect_interruptibly(conninfo, round(max(2, min(5, remaining))), primary)
        except psycopg2.OperationalError as error:
            reasons = _reasons(error)
        reason, remedy = "; ".join(reasons), _remedy(reasons, conninfo)
        if remedy:
            raise _unusable(f"Cannot use PostgreSQL at {address(conninfo)}: {reason}. {remedy}", conninfo, setting)
        now = time.monotonic()
        if now >= deadline:
            raise _unusable(
                f"Cannot reach PostgreSQL at {address(conninfo)} after {seconds} s: {reason}."
                f" {_advice(reason)} (DATABASE_WAIT_SECONDS sets how long to wait)",
                conninfo,
                setting,
            )
        if reason not in reported or now - reported[reason] >= REPORT_SECONDS:
            log.write(f"Waiting for PostgreSQL at {address(conninfo)}, {round(deadline - now)} s left: {reason}")
            reported[reason] = now
        time.sleep(POLL_SECONDS)


def _connect_interruptibly(conninfo: str, connect_timeout: int, primary: bool) -> Connection:
    """connect() in a thread: while libpq looks up a name or waits for an answer, no signal gets through to Python."""
    outcome: list[Connection | Exception] = []
    done = allocate_lock()

    def run() -> None:
        try:
            outcome.append(connect(conninfo, connect_timeout, primary))
        except Exception as error:
            outcome.append(error)
        finally:
            done.release()

    done.acquire()
    start_new_thread(run, ())
    done.acquire()  # a signal ends this, and with the process the thread
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _see_to_password_file(conninfo: str) -> None:
    """Say once that a password file is passed over because others may read it; libpq would at every attempt."""
    parameters = parse_dsn(conninfo)
    if parameters.get("password") or os.environ.get("PGPASSWORD") or "passfile" in parameters:
        return
    path = os.environ.get("PGPASSFILE") or os.path.expanduser("~/.pgpass")
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning(f"The password file {path} is not used, because others may read it: chmod 0600 {path}")
        os.environ["PGPASSFILE"] = os.path.join(os.devnull, "none")


def address(conninfo: str) -> str:
    """Give host:port/database of a key=value string as the operator knows it, without user or password."""
    parameters = parse_dsn(conninfo)
    user = parameters.get("user") or os.environ.get("PGUSER")
    database = parameters.get("dbname") or os.environ.get("PGDATABASE") or user
    places = ",".join(_places(conninfo))
    return f"{places}/{database}" if database else places


def _places(conninfo: str) -> list[str]:
    """The hosts that libpq will try, each with its port."""
    parameters = parse_dsn(conninfo)
    named = parameters.get("host") or parameters.get("hostaddr")
    service = parameters.get("service") or os.environ.get("PGSERVICE")
    if service and not named:
        return [f"service {service}"]
    hosts = (named or os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR", "")).split(",")
    ports = (parameters.get("port") or os.environ.get("PGPORT", "")).split(",")
    if len(ports) != len(hosts):
        ports = [ports[0]] * len(hosts)
    shown = [f"[{host}]" if ":" in host else host or "local socket" for host in hosts]
    return [f"{host}:{port or 5432}" for host, port in zip(shown, ports, strict=True)]


def _reasons(error: psycopg2.OperationalError) -> list[str]:
    """What libpq says, each reason once, without addresses and hints. It never quotes the password.

    Some versions of Python lose a message that is in another encoding.
    """
    # What libpq writes before the reason, once for each address that it tries.
    prefix = r"^(?:connection to server (?:at|on socket) .*? failed: |(?=could not translate host name))"
    attempts = [text.strip() for text in re.split(prefix, str(error), flags=re.MULTILINE) if text.strip()]
    reasons = [re.sub(r"^(?:FATAL|ERROR):\s*", "", attempt.splitlines()[0]) for attempt in attempts]
    return list(dict.fromkeys(reasons)) or ["its answer is no UTF-8 text"]


def _remedy(reasons: list[str], conninfo: str) -> str | None:
    """What to do when waiting is in vain, else None.

    Of several hosts each must be hopeless. Of one host the last attempt counts: localhost may be refused as
    ::1 before it says no as 127.0.0.1, and an attempt without TLS comes after the one with it.
    """
    remedies = [_remedy_of_one(reason) for reason in reasons]
    if len(_places(conninfo)) == 1:
        return remedies[-1]
    return remedies[0] if all(remedies) else None


def _remedy_of_one(reason: str) -> str | None:
    nameless = re.sub(r'"[^"]*"', '""', reason)
    for pattern, remedy in HOPELESS.items():
        if re.search(pattern, nameless):
            return remedy[0].upper() + remedy[1:]
    return None


def _advice(reason: str) -> str:
    """What to do about a reason that did not pass."""
    if "hot standby mode" in reason or "read-only" in reason:
        return "Promote it, or give DATABASE_URL the primary"
    return "Start it, see whether PostgreSQL is what listens there, or correct DATABASE_URL"


def _unusable(sentence: str, conninfo: str, setting: str) -> DatabaseUnusableError:
    """The error, with a remedy that names what the operator has set: without a URL libpq read its own variables."""
    return DatabaseUnusableError(sentence.replace("DATABASE_URL", setting if conninfo else "the PG* variables"))
