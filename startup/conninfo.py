"""DATABASE_URL in all the forms that people have it in, brought to libpq's key=value form.

libpq's own parser does the work. What it does not take is rewritten first: the scheme of SQLAlchemy
(postgresql+psycopg2://), special characters that stand unencoded in a password, and = in the value of an option.
"""

import re
from collections.abc import Iterator

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn, parse_dsn

EXPECTED = "expected postgresql://user:password@host:5432/database"
SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.%-]*)(?::\d*)?"
BEHIND_THE_PASSWORD = re.compile(rf"{HOST}(?:,{HOST})*(?:/[^/@?#]*)?(?:\?(?:[a-z_]+=[^&]*&?)*)?", re.ASCII)


def conninfo_from_url(url: str) -> str:
    """Give libpq's key=value string for a URL, or for a key=value string.

    Raises ValueError with a sentence that never quotes the URL: it may hold a password.
    """
    if problem := _pasted_wrongly(url):
        raise ValueError(problem)
    parameters = _parse(url)
    for port in filter(None, parameters.get("port", "").split(",")):
        if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65_535):
            raise ValueError(f"its port is not a number from 1 to 65535; {EXPECTED}")
    for host in parameters.get("host", "").split(","):
        if not host.startswith(("/", "@")) and re.search(r"[\s/@?#]", host):  # a socket's folder, an abstract socket
            raise ValueError(
                "its host has a blank or one of / ? # @ in it; percent-encode special characters of user and password"
            )
    return make_dsn(**parameters)


def _pasted_wrongly(url: str) -> str | None:
    """What went wrong on the way from where the URL stood to here, if that shows."""
    if not url.isprintable():
        return "it has several lines or characters that cannot be printed; expected one line"
    if url[0] in "'\"":
        return "it stands in quotes; they belong to the shell, leave them out here"
    if re.match(r"(export\s+)?DATABASE_URL\s*=", url):
        return "it begins with DATABASE_URL=; expected only what stands behind that"
    if re.search(r"\$\{[^}]*\}|\$\(\w+\)", url):
        return (
            "it holds ${...} or $(...), which whatever set it did not replace by the value;"
            " if that is really a part of the password, write $ as %24"
        )
    if "://" in url and not SCHEME.match(url) and not re.match(r"[a-z_]+\s*=", url):
        other = re.match(r"([A-Za-z][A-Za-z0-9+.:-]{0,30})://", url)
        return f"it begins with {other[1]}://; {EXPECTED}" if other else f"there is something before ://; {EXPECTED}"
    return None


def _parse(url: str) -> dict[str, str]:
    """Let libpq read the URL: the first of its readings that libpq takes."""
    scheme = SCHEME.match(url)
    for reading in _readings(url[scheme.end() :]) if scheme else [url]:
        try:
            return parse_dsn(f"postgresql://{_with_encoded_values(reading)}" if scheme else reading)
        except ProgrammingError as error:
            problem = _without_the_value(str(error), url)
    raise ValueError(problem)


def _readings(text: str) -> Iterator[str]:
    """The ways to read user:password@hosts/database?options, with user and password percent-encoded.

    Characters like / # ? @ may stand unencoded in the password, which ends at the first @ behind which
    the rest reads as hosts, database and options; the last reading is the text as it stands.
    """
    if not BEHIND_THE_PASSWORD.fullmatch(text):
        for at in re.finditer("@", text):
            user, colon, password = text[: at.start()].partition(":")
            if BEHIND_THE_PASSWORD.fullmatch(text, at.end()) and not re.search("[/?#]", user):
                yield _encoded(user) + colon + _encoded(password) + text[at.start() :]
    yield text


def _encoded(text: str) -> str:
    literal = "" if re.search("%(?![0-9A-Fa-f]{2})", text) else "%"  # a % that begins no code stands for itself
    return re.sub(rf"[^\w.~{literal}-]", _code, text, flags=re.ASCII)


def _with_encoded_values(text: str) -> str:
    """Let = stand in the value of an option, as in ?options=-csearch_path=tracker."""
    before, mark, options = text.partition("?")
    pairs = [option.partition("=") for option in options.split("&")]
    return before + mark + "&".join(name + equals + value.replace("=", "%3D") for name, equals, value in pairs)


def _code(character: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in character[0].encode())


def _without_the_value(message: str, url: str) -> str:
    """Say what libpq found wrong; its own message can quote a part of the password."""
    unknown = re.search(r'invalid (?:URI query parameter:|connection option) "(\w+)"', message)
    if unknown:
        named = f" ({unknown[1]})" if SCHEME.match(url) and "@" not in url.rpartition("?")[2] else ""
        return f"it has an option that PostgreSQL does not know{named}; leave it out"
    if "query parameter" in message:
        return "an option behind the ? has no name or no value; expected name=value"
    if "percent-encoded" in message:
        return "a % in it begins no code of a character; write a literal % as %25"
    return f"{EXPECTED}, or key=value pairs"
