"""The environment, read once: every setting is checked here, and all problems are told at once."""

import os
import re
from collections import namedtuple
from collections.abc import Mapping

from psycopg2.extensions import make_dsn, parse_dsn

from startup.conninfo import conninfo_from_url
from startup.errors import UsageError

Configuration = namedtuple(
    "Configuration",
    [
        "conninfo",  # libpq's key=value string; holds the password, so it is never printed
        "migration_conninfo",  # the same for what is pending, or None: conninfo serves for all
        "database_wait_seconds",
        "lock_wait_seconds",
        "heal",
        "backup_dir",  # where the dump goes that is made before an adoption, or None
        "adopt_without_backup",
        "listen_address",
        "port",
        "startup_probe",
        "base_url",  # where people reach the app, without a slash at its end; None: where the request came to
        "trust_proxy",  # how many proxies in front are believed
        "auth_proxy_header",  # what the proxy names the user in, or None
        "auth_proxy_networks",  # the proxies that are believed in that
        "secret_key",  # None: the one kept in the database
        "metrics_token",  # what Prometheus brings to /metrics, or None: only this machine may ask
        "legacy_timezone",  # what the local times of the predecessor are of, or None; 'utc' where they are UTC
        "admin_username",
        "admin_password_file",  # holds one for the first administrator, as long as no administrator has one; or None
        "settings",  # what the environment says of the first settings row: column -> value or None
    ],
)

YES_AND_NO = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

ORIGIN = r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?"
ADDRESS = r"[A-Za-z0-9._-]+|[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,}|\[[0-9A-Fa-f.:]+\]"  # IPv4 or a name, IPv6


class Environment:
    """Typed reading of environment variables; an empty variable counts as unset. Collects `problems`."""

    def __init__(self, variables: Mapping[str, str]):
        self.variables = variables
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str | None:
        """The variable without surrounding white space."""
        text = self.variables.get(name, "").strip()
        try:
            text.encode()
        except UnicodeEncodeError:  # Python keeps a byte that is no text as a surrogate
            problem = f"{name}: it has bytes that are no text; expected UTF-8"
            if problem not in self.problems:
                self.problems.append(problem)
            return default
        return text or default

    def _rejected(self, name: str, expected: str) -> None:
        self.problems.append(f"{name}={self.text(name)}: expected {expected}")

    def whole_number(self, name: str, default: int | None, lowest: int, highest: int) -> int | None:
        """A whole number from `lowest` to `highest`."""
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            self._rejected(name, f"a whole number from {lowest} to {highest}")
            return default
        return int(text)

    def yes_or_no(self, name: str, default: bool | None) -> bool | None:
        """true/false, yes/no, on/off or 1/0, in any case."""
        text = self.text(name)
        if text is None:
            return default
        if text.lower() not in YES_AND_NO:
            self._rejected(name, "yes or no (or true/false, on/off, 1/0)")
            return default
        return YES_AND_NO[text.lower()]

    def choice(self, name: str, *choices: str) -> str:
        """One of `choices`; the first is the default."""
        text = self.text(name, choices[0])
        if text not in choices:
            self._rejected(name, " or ".join(choices))
        return text

    def matching(self, name: str, pattern: str, expected: str, default: str | None = None) -> str | None:
        """Text that matches the regular expression `pattern` as a whole."""
        text = self.text(name)
        if text is not None and not re.fullmatch(pattern, text):
            self._rejected(name, expected)
        return text or default

    def number_or_yes(self, name: str, highest: int) -> int:
        """A whole number up to `highest`; yes is 1, no or nothing is 0."""
        text = self.text(name, "no")
        if text.lower() in YES_AND_NO:
            return int(YES_AND_NO[text.lower()])
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > highest:
            self._rejected(name, f"yes, no, or a whole number up to {highest}")
            return 0
        return int(text)

    def origin(self, name: str) -> str | None:
        """A URL of scheme, host and port, without the slash at its end."""
        text = self.text(name)
        if text is not None and not re.fullmatch(ORIGIN, text):
            self._rejected(name, "where people reach TimeTracker, without a path, such as https://time.example.org")
        return text and text.rstrip("/")

    def networks(self, name: str) -> tuple:
        """Addresses and networks, separated by commas, as objects of `ipaddress`."""
        text = self.text(name)
        if text is None:
            return ()
        from ipaddress import ip_network  # only when it is set

        try:
            return tuple(ip_network(part.strip()) for part in text.split(","))
        except ValueError as error:
            self._rejected(name, f"addresses or networks separated by commas, such as 10.0.0.7,fd00::/64 ({error})")
            return ()

    def time_zone(self, name: str) -> str | None:
        """The name of a time zone of the IANA database."""
        text = self.text(name)
        if text is not None and not _is_time_zone(text):
            self._rejected(name, "a time zone such as Europe/Rome")
        return text

    def utc_or_time_zone(self, name: str) -> str | None:
        """The same, or utc in any case, which becomes 'utc'."""
        text = self.text(name)
        if text is None:
            return None
        if as_time_zone(text) is None:
            self._rejected(name, "a time zone such as Europe/Rome, or utc")
        return as_time_zone(text)

    def or_file(self, name: str) -> str | None:
        """The variable, or the content of the file that the variable NAME_FILE names (a secret of Docker)."""
        path = self.text(name + "_FILE")
        if path is None:
            return self.text(name)
        if self.text(name) is not None:
            self.problems.append(f"{name} and {name}_FILE are both set: expected one of them")
            return None
        return self.file(f"{name}_FILE")

    def file(self, name: str, with_blanks: bool = False) -> str | None:
        """The content of the file that the variable names; None where it is unset.

        It is stripped, or `with_blanks` kept but for the line ends at its end, as by $(cat FILE) of a shell.
        """
        path = self.text(name)
        if path is None:
            return None
        shown = f"{name}={path}" if _looks_like_a_path(path) else f"{name} (expected the path of a file)"
        try:
            # Editors of Windows begin it with a byte order mark.
            with open(path, encoding="utf-8" if with_blanks else "utf-8-sig", newline="") as file:
                content = file.read().rstrip("\n") if with_blanks else file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            self.problems.append(f"{shown}: cannot be read: {reason}")
            return None
        if not content:
            self.problems.append(f"{shown}: the file is empty")
        elif "\0" in content:
            self.problems.append(f"{shown}: cannot be read: it is no text, for there is a NUL in it")
            return None
        return content


def _password(environment: Environment) -> str | None:
    """The password that a file holds; None where PGPASSWORD, which libpq reads, holds one."""
    if environment.variables.get("PGPASSWORD"):
        return None
    return environment.file("PGPASSWORD_FILE", with_blanks=True)


def _looks_like_a_path(text: str) -> bool:
    """Whether `text` may be shown; who mixes up NAME and NAME_FILE has put the secret itself there."""
    folder = os.path.dirname(text)
    return len(folder) > 1 and os.path.isdir(folder)


def as_time_zone(name: str) -> str | None:
    """Give 'utc' for that in any case, else the name of a time zone of the IANA database; None for anything else."""
    if name.lower() in ("utc", "etc/utc"):
        return "utc"
    return name if _is_time_zone(name) else None


def _is_time_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # only when TZ or LEGACY_TIMEZONE is set

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _conninfo(environment: Environment, password: str | None) -> str | None:
    before = len(environment.problems)
    conninfo = _conninfo_of("DATABASE_URL", environment, password)
    if conninfo is None and len(environment.problems) == before:
        if any(environment.text(name) for name in ("PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE")):
            return _with_password("", password)  # libpq reads its own variables
        given = {"DATABASE_URL", "DATABASE_URL_FILE"} & set(environment.variables)
        environment.problems.append(
            f"DATABASE_URL is {'empty' if given else 'not set'}: expected"
            " postgresql://user:password@host:5432/database (or DATABASE_URL_FILE, or PGHOST and its like)"
        )
    return conninfo


def _conninfo_of(name: str, environment: Environment, password: str | None) -> str | None:
    """The key=value string of a URL that is given by a variable or a file; None without one, or with a bad one."""
    url = environment.or_file(name)
    if not url:
        return None
    source = f"{name}_FILE" if environment.text(f"{name}_FILE") else name
    try:
        return _with_password(conninfo_from_url(url), password)
    except ValueError as error:
        environment.problems.append(f"{source} is malformed: {error}")
        return None


def _with_password(conninfo: str, password: str | None) -> str:
    """The same with the password, unless there is none, or it has one of its own."""
    if password is None or parse_dsn(conninfo).get("password"):
        return conninfo
    return make_dsn(conninfo, password=password)


def read_configuration(variables: Mapping[str, str] = os.environ) -> Configuration:
    """Read the settings out of environment variables (a mapping of str to str).

    Raises UsageError with one sentence for each variable that is wrong.
    """
    environment = Environment(variables)
    administrators = [name.strip() for name in environment.text("ADMIN_USERNAMES", "").split(",") if name.strip()]
    admin_username = administrators[0] if administrators else "admin"
    password = _password(environment)
    configuration = Configuration(
        conninfo=_conninfo(environment, password),
        migration_conninfo=_conninfo_of("MIGRATION_DATABASE_URL", environment, password),
        database_wait_seconds=environment.whole_number("DATABASE_WAIT_SECONDS", 60, 0, 86_400),
        lock_wait_seconds=environment.whole_number("LOCK_WAIT_SECONDS", 300, 0, 86_400),
        heal=environment.yes_or_no("HEAL", True),
        backup_dir=environment.text("BACKUP_DIR"),
        adopt_without_backup=environment.yes_or_no("ADOPT_WITHOUT_BACKUP", False),
        listen_address=environment.matching(
            "LISTEN_ADDRESS", ADDRESS, "an address such as 127.0.0.1, 0.0.0.0 or ::, without a port", "127.0.0.1"
        ).strip("[]"),
        port=environment.whole_number("PORT", 8080, 1, 65_535),
        startup_probe=environment.yes_or_no("STARTUP_PROBE", False),
        base_url=environment.origin("BASE_URL"),
        trust_proxy=environment.number_or_yes("TRUST_PROXY", 10),
        auth_proxy_header=environment.matching(
            "AUTH_PROXY_HEADER", "[A-Za-z][A-Za-z0-9-]*", "the name of a header such as X-Forwarded-User"
        ),
        auth_proxy_networks=environment.networks("AUTH_PROXY_ADDRESS"),
        secret_key=environment.or_file("SECRET_KEY"),
        metrics_token=environment.or_file("METRICS_TOKEN"),
        legacy_timezone=environment.utc_or_time_zone("LEGACY_TIMEZONE"),
        admin_username=admin_username,
        admin_password_file=environment.text("ADMIN_PASSWORD_FILE"),
        settings={
            "timezone": environment.time_zone("TZ"),
            "currency": environment.matching("CURRENCY", "[A-Z]{3}", "three capital letters such as EUR"),
            "rounding_minutes": environment.whole_number("ROUNDING_MINUTES", None, 1, 60),
            "single_active_timer": environment.yes_or_no("SINGLE_ACTIVE_TIMER", None),
            "allow_self_register": environment.yes_or_no("ALLOW_SELF_REGISTER", None),
            "idle_timeout_minutes": environment.whole_number("IDLE_TIMEOUT_MINUTES", None, 1, 1_440),
        },
    )
    if len(configuration.admin_username) > 80:
        environment.problems.append("ADMIN_USERNAMES: the first name has over 80 characters")
    if not configuration.admin_username.isprintable():
        environment.problems.append("ADMIN_USERNAMES: the first name has characters that cannot be printed")
    if bool(environment.text("AUTH_PROXY_HEADER")) != bool(environment.text("AUTH_PROXY_ADDRESS")):
        environment.problems.append(
            "AUTH_PROXY_HEADER and AUTH_PROXY_ADDRESS belong together: expected the header in which the proxy names the"
            " user, and the address that the proxy itself connects from, the only one to be believed"
        )
    environment.choice("LOG_FORMAT", "text", "json")  # startup/log.py reads it for itself
    # Gunicorn too, and answers nonsense by a traceback.
    environment.whole_number("WEB_CONCURRENCY", None, 1, 1_000)
    if environment.problems:
        raise UsageError(*environment.problems)
    return configuration
