"""DATABASE_URL in all the forms that people have it in, brought to libpq's key=value form.

libpq's own parser does the work. What it does not take is rewritten first: the scheme of SQLAlchemy
(postgresql+psycopg2://) and special characters that stand unencoded in a password.
"""

import re

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn, parse_dsn

SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.%-]*)(?::\d*)?"
BEHIND_THE_PASSWORD = re.compile(rf"{HOST}(?:,{HOST})*(?:/[^/@?#]*)?(?:\?(?:[a-z_]+=[^&]*&?)*)?", re.ASCII)


def conninfo_from_url(url: str) -> str:
    """Give libpq's key=value string for a URL, or for a key=value string.

    Raises ValueError with a sentence that never quotes the URL: it may hold a password.
    """
    scheme = SCHEME.match(url)
    if not scheme and "://" in url:
        raise ValueError("expected it to start with postgresql://")
    candidates = [url] if not scheme else [f"postgresql://{text}" for text in _readings(url[scheme.end() :])]
    for candidate in candidates:
        try:
            parameters = parse_dsn(candidate)
            break
        except ProgrammingError as error:
            problem = _without_the_value(error)
    else:
        raise ValueError(problem)
    for port in filter(None, parameters.get("port", "").split(",")):
        if not port.isdecimal() or not 1 <= int(port) <= 65_535:
            raise ValueError("expected a port from 1 to 65535")
    return make_dsn(**parameters)


def _readings(text: str) -> list[str]:
    """The ways to read user:password@hosts/database?options, with user and password percent-encoded.

    Characters like / # ? @ may stand unencoded in the password, which ends at the first @ behind which
    the rest reads as hosts, database and options; the last reading is the text as it stands.
    """
    if BEHIND_THE_PASSWORD.fullmatch(text):
        return [text]
    readings = []
    for at in re.finditer("@", text):
        user, colon, password = text[: at.start()].partition(":")
        if BEHIND_THE_PASSWORD.fullmatch(text, at.end()) and not re.search("[/?#]", user):
            readings.append(_encoded(user) + colon + _encoded(password) + text[at.start() :])
    return [*readings, text]


def _encoded(text: str) -> str:
    literal = "" if re.search("%(?![0-9A-Fa-f]{2})", text) else "%"  # a % that begins no code stands for itself
    return re.sub(rf"[^\w.~{literal}-]", _code, text, flags=re.ASCII)


def _code(character: re.Match) -> str:
    return "".join(f"%{byte:02X}" for byte in character[0].encode())


def _without_the_value(error: ProgrammingError) -> str:
    """Say what libpq found wrong; its own message can quote a part of the password."""
    message = str(error)
    if "connection option" in message or "query parameter" in message:
        return "it has an option that PostgreSQL does not know"
    if "percent-encoded" in message:
        return "a % is not followed by two hexadecimal digits; write a literal % as %25"
    return "expected postgresql://user:password@host:5432/database, or key=value pairs"
