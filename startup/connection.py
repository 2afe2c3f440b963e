"""Reaching the database: one way to connect, and the wait until that works."""

import os
import re
import stat
import time
from _thread import allocate_lock, start_new_thread  # `threading` takes longer to import than to connect

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import get_wait_callback, parse_dsn, set_wait_callback

from startup import log, progress
from startup.errors import DatabaseUnusableError

POLL_SECONDS = 0.05
REPORT_SECONDS = 10

REFUSED = "check the user name and the password in DATABASE_URL"

# libpq tells connection errors apart by their text only. What stands here will not pass by itself;
# whatever is not known (refused, starting up, no such host yet, too many clients) is waited for.
# Names that people chose are taken out of the text before it is compared. What a server says in another
# language than English is known by its SQLSTATE.
HOPELESS = {
    r"password authentication failed|no password supplied|SCRAM|authentication failed|auth failed|^28P01$": REFUSED,
    r"no pg_hba\.conf entry|pg_hba\.conf rejects": (
        "let this host in through the server's pg_hba.conf, or set sslmode in DATABASE_URL as it asks"
    ),
    r"^28000$": (
        "see whether the role exists and may log in, and let it in from this host through the server's pg_hba.conf"
    ),
    r'role "" does not exist|no such user': "create the role, or correct the user name in DATABASE_URL",
    r'role "" is not permitted to log in': "ALTER ROLE ... LOGIN, or use another role",
    r'database "" does not exist|no such database|^3D000$': (
        "create the database (createdb), or correct its name in DATABASE_URL"
    ),
    r'permission denied for database ""|^42501$': "GRANT CONNECT ON DATABASE ... TO this role",
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
    r"|authentication method requirement|GSSAPI encryption required"
    r"|^(?:42704|22023|42601)$": "correct this option in DATABASE_URL",
    r"^Permission denied": "let this user into the folder of the server's socket",
    r"definition of service|service file": "correct PGSERVICE, or the service file that it reads",
}


# What libpq writes before a reason, once for each address that it tries.
PLACE = r"^(?:connection to server (?:at|on socket) .*? failed: |(?=could not translate host name))"
# Two blanks: it comes from the server, in whatever language.
SEVERITY = r"^[^:\n]{1,40}:  (?=\S)"
UNREADABLE = "its answer is no UTF-8 text"


def connect(conninfo: str, connect_timeout: int = 5, primary: bool = True) -> Connection:
    """Open a psycopg2 connection in autocommit mode, in UTC, UTF-8 and with ISO dates.

    With `primary` a hot standby is passed over for the next host, and refused when there is none. The settings
    go with the start-up message (PGTZ and its like), so that they cost no statement and hold behind a pooler too.
    Raises psycopg2.OperationalError.
    """
    parameters = _parameters(conninfo, connect_timeout, primary)
    wait_callback = get_wait_callback()
    set_wait_callback(None)  # with one, libpq keeps neither to connect_timeout nor to the order of the hosts
    try:
        connection = psycopg2.connect(**parameters)
    except UnicodeDecodeError as error:  # the server's message is in another encoding, or it is no PostgreSQL
        raise psycopg2.OperationalError(error.object.decode("utf-8", "replace")) from None
    finally:
        set_wait_callback(wait_callback)
    connection.autocommit = True
    return connection


def _parameters(conninfo: str, connect_timeout: int, primary: bool) -> dict[str, str]:
    """What libpq is given; the rest it reads from its variables, of which it sends some to the server."""
    os.environ["PGTZ"] = "UTC"
    os.environ["PGDATESTYLE"] = "ISO"  # psycopg2 would ask for it in a statement of its own
    parameters = {"fallback_application_name": "timetracker"} | parse_dsn(conninfo) | {"client_encoding": "UTF8"}
    if "PGCONNECT_TIMEOUT" not in os.environ:
        parameters.setdefault("connect_timeout", connect_timeout)
    # A machine that vanishes is noticed within half a minute; left to itself the kernel takes two hours.
    parameters = {
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 4,
        "tcp_user_timeout": 30000,
    } | parameters
    if primary and parameters.get("target_session_attrs", "any") in ("any", "prefer-standby"):
        parameters["target_session_attrs"] = "primary"
    return parameters


def wait_for_database(conninfo: str, seconds: int, primary: bool = True, setting: str = "DATABASE_URL") -> Connection:
    """Connect, waiting up to `seconds` for a server that is not there yet; give the connection.

    With `primary` a hot standby counts as not there yet. `setting` is the variable to name where it is wrong.
    Raises DatabaseUnusableError when the time is over, and at once for what waiting does not mend.
    """
    deadline = time.monotonic() + seconds
    reported: dict[str, float] = {}  # reason -> when it was last told
    remedies: dict[str, str | None] = {}  # reason -> what to do, if waiting is in vain
    _see_to_password_file(conninfo)
    progress.tell("waiting for the database")
    while True:
        remaining = deadline - time.monotonic()
        try:
            return connect_interruptibly(conninfo, round(max(2, min(5, remaining))), primary)
        except psycopg2.OperationalError as error:
            message = str(error)
        reason = "; ".join(_reasons(message))
        if reason not in remedies:
            remedies[reason] = _remedy(message, conninfo) or _remedy_by_sqlstate(message, conninfo, primary)
        if remedies[reason]:
            sentence = f"Cannot use PostgreSQL at {address(conninfo)}: {reason}. {remedies[reason]}"
            raise _unusable(sentence, conninfo, setting)
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


def connect_interruptibly(conninfo: str, connect_timeout: int, primary: bool) -> Connection:
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


def _reasons(message: str) -> list[str]:
    """What libpq says, each reason once, without addresses and hints. It never quotes the password.

    Some versions of Python lose a message that is in another encoding.
    """
    reasons = [re.sub(SEVERITY, "", attempt.splitlines()[0]) for attempt in _attempts(message)]
    return list(dict.fromkeys(reasons)) or [UNREADABLE]


def _attempts(message: str) -> list[str]:
    """What libpq says of each address that it tried."""
    return [text.strip() for text in re.split(PLACE, message, flags=re.MULTILINE) if text.strip()]


def _remedy(message: str, conninfo: str) -> str | None:
    """What to do when waiting is in vain, else None.

    Of several hosts each must be hopeless. Of one host the last attempt counts: localhost may be refused as
    ::1 before it says no as 127.0.0.1, and an attempt without TLS comes after the one with it.
    """
    remedies = [_remedy_of_one(reason) for reason in _reasons(message)]
    if len(_places(conninfo)) == 1:
        return remedies[-1]
    return remedies[0] if all(remedies) else None


def _remedy_by_sqlstate(message: str, conninfo: str, primary: bool) -> str | None:
    """The same where a server said something that is not known, which may be a matter of its language."""
    attempts = _attempts(message)
    if attempts and not any(re.search(SEVERITY, attempt) for attempt in attempts):
        return None
    from startup.sqlstate import refusal  # seldom needed

    return _remedy(refusal(_parameters(conninfo, 5, primary)), conninfo)


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
    if "No space left on device" in reason:
        return "Make room on the disk of the server"
    if "too many" in reason or "connection slots" in reason:
        return "End sessions that nobody needs, or raise the limit"
    return "Start it, see whether PostgreSQL is what listens there, or correct DATABASE_URL"


def _unusable(sentence: str, conninfo: str, setting: str) -> DatabaseUnusableError:
    """The error, with a remedy that names what the operator has set: without a URL libpq read its own variables."""
    given = parse_dsn(conninfo)
    password = given.pop("password", None) or os.environ.get("PGPASSWORD", "")
    if sentence.endswith(REFUSED[1:]):
        if os.environ.get("PGPASSWORD_FILE", "").strip():
            sentence += ", or in PGPASSWORD_FILE"
        if password.endswith("\r"):
            sentence += "; it ends with a carriage return, as the lines of Windows do"
    return DatabaseUnusableError(sentence.replace("DATABASE_URL", setting if given else "the PG* variables"))
