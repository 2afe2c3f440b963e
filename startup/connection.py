"""Reaching the database: one way to connect, and the wait until that works."""

import os
import re
import time

import psycopg2
from psycopg2.extensions import parse_dsn

from startup import log
from startup.errors import DatabaseUnusableError

POLL_SECONDS = 0.05
REPORT_SECONDS = 10

# libpq tells connection errors apart by their text only. What stands here will not pass by itself;
# whatever is not known (refused, starting up, no such host yet, too many clients) is waited for.
HOPELESS = {
    r"password authentication failed|no password supplied|SCRAM|authentication failed|auth failed": (
        "check the user name and the password in DATABASE_URL"
    ),
    r"no pg_hba\.conf entry|pg_hba\.conf rejects": (
        "let this host in through the server's pg_hba.conf, or set sslmode in DATABASE_URL as it asks"
    ),
    r'role ".*" does not exist|no such user': "create the role, or correct the user name in DATABASE_URL",
    r'role ".*" is not permitted to log in': "ALTER ROLE ... LOGIN, or use another role",
    r'database ".*" does not exist|no such database': (
        "create the database (createdb), or correct its name in DATABASE_URL"
    ),
    r'permission denied for database "': "GRANT CONNECT ON DATABASE ... TO this role",
    r"received invalid response to SSL negotiation|expected authentication request from server": (
        "something other than PostgreSQL answers there; correct host and port in DATABASE_URL"
    ),
    r"server does not support SSL": "switch SSL on in the server, or set sslmode=prefer in DATABASE_URL",
    r"certificate|SSL error|private key file": "check sslmode, sslrootcert, sslcert and sslkey in DATABASE_URL",
    r"invalid \w+ value|invalid (?:integer|port|connection option)|could not match \d+ port": (
        "correct this option in DATABASE_URL"
    ),
    r"^Permission denied": "let this user into the folder of the server's socket",
    r"definition of service|service file": "correct PGSERVICE, or the service file that it reads",
}


def connect(conninfo: str, connect_timeout: int = 5):
    """Open a psycopg2 connection in autocommit mode, in UTC and UTF-8.

    The time zone goes with the start-up message (PGTZ), so that it costs no statement and holds behind
    a pooler too. Raises psycopg2.OperationalError.
    """
    os.environ["PGTZ"] = "UTC"
    defaults = {"connect_timeout": connect_timeout, "fallback_application_name": "timetracker"}
    connection = psycopg2.connect(conninfo, **defaults, client_encoding="UTF8")
    connection.autocommit = True
    return connection


def wait_for_database(conninfo: str, seconds: int, primary: bool = True):
    """Connect, waiting up to `seconds` for a server that is not there yet; give the connection.

    With `primary` a hot standby counts as not there yet. Raises DatabaseUnusableError when the time is
    over, and at once for what waiting does not mend.
    """
    deadline = time.monotonic() + seconds
    reported_at, reported_reason = None, None
    while True:
        remaining = deadline - time.monotonic()
        try:
            connection = connect(conninfo, connect_timeout=round(max(2, min(5, remaining))))
        except psycopg2.OperationalError as error:
            reasons = _reasons(error, conninfo)
            remedies = [_remedy(reason) for reason in reasons]
            reason = "; ".join(dict.fromkeys(reasons))
            if all(remedies):
                raise DatabaseUnusableError(
                    f"Cannot use PostgreSQL at {address(conninfo)}: {reason}. {_sentence(remedies[0])}"
                ) from None
        else:
            if not primary or connection.info.parameter_status("in_hot_standby") != "on":
                return connection
            connection.close()
            reason = "it is a read-only standby"
        now = time.monotonic()
        if now >= deadline:
            raise DatabaseUnusableError(
                f"Cannot reach PostgreSQL at {address(conninfo)} after {seconds} s: {reason}."
                " Start it, or correct DATABASE_URL (DATABASE_WAIT_SECONDS sets how long to wait)"
            )
        long_ago = reported_at is None or now - reported_at >= REPORT_SECONDS
        if long_ago or (reason != reported_reason and now - reported_at >= 1):
            log.write(f"Waiting for PostgreSQL at {address(conninfo)}, {round(deadline - now)} s left: {reason}")
            reported_at, reported_reason = now, reason
        time.sleep(POLL_SECONDS)


def address(conninfo: str) -> str:
    """Give host:port/database of a key=value string as the operator knows it, without user or password."""
    parameters = parse_dsn(conninfo)
    hosts = (parameters.get("host") or parameters.get("hostaddr") or os.environ.get("PGHOST", "")).split(",")
    ports = (parameters.get("port") or os.environ.get("PGPORT", "") or "5432").split(",")
    ports = ports if len(ports) == len(hosts) else [ports[0]] * len(hosts)
    places = ",".join(f"{host or 'local socket'}:{port}" for host, port in zip(hosts, ports, strict=True))
    database = parameters.get("dbname") or os.environ.get("PGDATABASE") or parameters.get("user") or ""
    return f"{places}/{database}"


def _reasons(error: psycopg2.OperationalError, conninfo: str) -> list[str]:
    """What libpq says, one reason a host tried, without addresses, hints and passwords."""
    message = str(error).strip()
    password = parse_dsn(conninfo).get("password") or os.environ.get("PGPASSWORD")
    if password:
        message = message.replace(password, "***")
    attempts = re.split(r"^connection to server (?:at|on socket) .*? failed: ", message, flags=re.MULTILINE)
    attempts = [attempt for attempt in attempts if attempt.strip()]
    return [attempt.strip().splitlines()[0].removeprefix("FATAL:").strip() for attempt in attempts] or ["no reason given"]


def _remedy(reason: str) -> str | None:
    """What to do about a reason that does not pass by itself; None for one that may."""
    for pattern, remedy in HOPELESS.items():
        if re.search(pattern, reason):
            return remedy
    return None


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
