"""The migration files: which there are, whether they may run, and whether an applied one was edited."""

import os
import re
from functools import cached_property
from hashlib import sha256

from startup.errors import UsageError

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sql")
NAME = re.compile(r"(?P<prefix>(?:optional-)?)(?P<number>\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.sql")

# A string, a quoted name or a dollar-quoted body is kept as it is; white space and comments count as one blank,
# and as none beside a bracket, a comma or a semicolon.
BLANK = r"(?:--[^\n\r]*|/\*.*?\*/|\s)"
TOKEN = re.compile(
    r"""(?P<kept>(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
    rf"|{BLANK}*+(?P<mark>[(),;]){BLANK}*+|{BLANK}++",
    re.DOTALL | re.ASCII,
)
TRANSACTIONAL = re.compile(r"^\s*--\s*transactional\s*:", re.MULTILINE | re.IGNORECASE)
# sqlparse does not always split after a semicolon. END ends the body of a function too.
TRANSACTION_CONTROL = re.compile(
    r"(?:^|;)(BEGIN(?! ATOMIC)|START TRANSACTION|COMMIT|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE TRANSACTION)\b"
    r"|^(END)\b"
)
SESSION_SETTING = re.compile(r"(RESET|SET(?! LOCAL| CONSTRAINTS| TRANSACTION))\b")
FOR_PSQL = re.compile(r"\\|COPY\b.*\b(FROM STDIN|TO STDOUT)\b")
CONCURRENT_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS [^;]*;?")


class MigrationFile:
    """One file of the folder. `id` is its name without .sql, as in yoyo's ledger. Raises OSError."""

    def __init__(self, path: str):
        self.path = path
        self.id = os.path.basename(path).removesuffix(".sql")
        with open(path, "rb") as file:
            self.content = file.read()

    @property
    def text(self) -> str:
        """The file as text; it is ASCII unless somebody edited it after it had been applied."""
        return self.content.decode("ascii", "replace")

    @property
    def unreadable(self) -> str | None:
        """What is wrong with its bytes."""
        if self.content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            return "it starts with a byte order mark; save it as ASCII, without one"
        for number, line in enumerate(self.content.splitlines(), start=1):
            if not line.isascii():
                return f"line {number} is not ASCII; a database in another encoding could not read it"
            if b"\0" in line:
                return f"line {number} holds a zero byte; save it as ASCII, not as UTF-16"
        return None

    @property
    def raw_sha256(self) -> str:
        """The hash of the file as it is."""
        return sha256(self.content).hexdigest()

    @property
    def normalised_sha256(self) -> str:
        """The hash of the file without its comments and white space."""
        return sha256(_folded(self.content.decode("latin-1")).encode("latin-1")).hexdigest()

    @cached_property
    def _as_read_by_yoyo(self) -> tuple[dict[str, str], list[str]]:
        from yoyo.migrations import read_sql_migration  # a start with nothing to do never comes here

        if self.unreadable:
            raise UsageError(f"{self.id}.sql: {self.unreadable}")
        directives, _, statements = read_sql_migration(self.path)
        return directives, statements

    @property
    def directives(self) -> dict[str, str]:
        """What the comments at its top tell yoyo: name -> value. Raises UsageError for an unreadable file."""
        return self._as_read_by_yoyo[0]

    @property
    def statements(self) -> list[str]:
        """The statements as yoyo would send them. Raises UsageError for an unreadable file."""
        return self._as_read_by_yoyo[1]

    @property
    def transactional(self) -> bool:
        """Whether yoyo runs it in a transaction."""
        return self.directives.get("transactional", "true").lower() != "false"

    @property
    def index(self) -> str:
        """The index that a non-transactional file builds."""
        return re.search(r" IF NOT EXISTS (.+?) ON ", _folded(self.statements[-1]), re.IGNORECASE)[1]

    @property
    def requires(self) -> str | None:
        """The SQL condition under which an optional file is tried."""
        condition = re.search(r"^-- requires: (.+)$", self.text, re.MULTILINE)
        return condition[1] if condition else None


def read_folder(folder: str = FOLDER, prefix: str = "") -> list[MigrationFile]:
    """Read the migrations of a folder in the order of their numbers; names start with `prefix`.

    Takes what yoyo takes: every .sql and .py file directly in the folder. Raises UsageError with one sentence for
    each file that is named wrongly or cannot be read, for each twin and, among those without a prefix, each gap.
    """
    shown = os.path.relpath(folder, os.path.dirname(FOLDER))
    try:
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith((".sql", ".py")))
    except OSError as error:
        raise UsageError(f"{folder}: the migrations cannot be read: {error.strerror}") from None
    problems, numbers, files = [], [], []
    for name in names:
        if name.endswith(".rollback.sql"):
            if name.removesuffix(".rollback.sql") + ".sql" not in names:
                problems.append(f"{shown}/{name}: there is no migration of that name to roll back; remove it")
            continue
        if number := re.match(rf"{prefix}(\d+)", name):
            numbers.append((int(number[1]), name))
        parts = NAME.fullmatch(name)
        if not parts or parts["prefix"] != prefix:
            problems.append(f"{shown}/{name}: expected a name such as {prefix}0001-create-users.sql")
            continue
        try:
            files.append(MigrationFile(os.path.join(folder, name)))
        except OSError as error:
            problems.append(f"{shown}/{name}: cannot be read: {error.strerror}")
    problems += [f"{shown}/{problem}" for problem in _gaps_and_twins(numbers, prefix)]
    if not names and not prefix:
        problems.append(f"{shown}: there is no migration file, expected 0001-….sql; is the installation whole?")
    if problems:
        raise UsageError(*problems)
    return files


def _gaps_and_twins(numbers: list[tuple[int, str]], prefix: str) -> list[str]:
    problems, previous, before = [], 0, None
    for number, name in sorted(numbers):
        if not NAME.fullmatch(name):
            pass  # one sentence about this file is enough
        elif number == previous:
            problems.append(f"{name}: {before} has the same number; give one of them the next free number")
        elif number != previous + 1 and not prefix:
            problems.append(f"{name}: expected {previous + 1:04} next; numbers run from 0001 without gaps")
        previous, before = number, name
    return problems


def read_optional() -> list[MigrationFile]:
    """Read the files that may fail without stopping the start. Raises UsageError like read_folder()."""
    folder = os.path.join(FOLDER, "optional")
    files = read_folder(folder, prefix="optional-") if os.path.isdir(folder) else []
    problems = []
    for file in files:
        if file.unreadable:
            problems.append(f"{file.id}.sql: {file.unreadable}")
        elif not file.requires:
            problems.append(f"{file.id}.sql: expected a line -- requires: CONDITION")
    if problems:
        raise UsageError(*problems)
    return files


def pending(applied, files: list[MigrationFile], fulfilled=None) -> list[MigrationFile]:
    """The files that are not among the `applied` ids and, of optional files, whose condition is `fulfilled`."""
    return [file for file in files if file.id not in applied and (fulfilled is None or fulfilled[file.id])]


def check_contents(files: list[MigrationFile]) -> None:
    """See before anything runs that yoyo can run these files, and that none can do half its work.

    Raises UsageError with one sentence for each problem.
    """
    problems = [f"{file.id}.sql: {problem}" for file in files for problem in _problems_in(file)]
    if problems:
        raise UsageError(*problems)


def _problems_in(file: MigrationFile) -> list[str]:
    if file.unreadable:
        return [file.unreadable]
    if not file.statements:
        return ["there is no statement in it"]
    problems = list(_problems_in_directives(file))
    codes = [_code(statement) for statement in file.statements]
    for number, code in enumerate(codes, start=1):
        if code in ("", ";"):
            problems.append(f"statement {number} is empty; remove the stray ; or put the comment before a statement")
        elif control := TRANSACTION_CONTROL.search(code):
            word = control[1] or control[2]
            problems.append(f"statement {number} is {word}; the runner opens and ends transactions, remove it")
        elif FOR_PSQL.search(code):
            problems.append(f"statement {number} is for psql only (COPY FROM STDIN or a backslash command)")
        elif setting := SESSION_SETTING.match(code):
            problems.append(f"statement {number} is {setting[1]}, which outlasts the transaction; write SET LOCAL")
    if not file.transactional and not problems:
        *before, index = codes
        if (
            not CONCURRENT_INDEX.fullmatch(index)
            or len(before) > 1
            or not all(code.startswith("DO ") for code in before)
        ):
            problems.append(
                "a file without a transaction may hold one CREATE INDEX CONCURRENTLY IF NOT EXISTS,"
                " after at most one DO block that drops an invalid leftover"
            )
    return problems


def _problems_in_directives(file: MigrationFile):
    if "depends" in file.directives:
        yield "it says -- depends: although the numbers tell the order; remove that line"
    transactional = file.directives.get("transactional", "true")
    if transactional.lower() not in ("true", "false"):
        yield f"transactional: {transactional}: expected true or false"
    if len(TRANSACTIONAL.findall(file.text)) > ("transactional" in file.directives):
        yield "yoyo does not see its line -- transactional: …; write it once, in lower case, above the first statement"
    if not file.transactional and os.path.exists(f"{file.path.removesuffix('.sql')}.rollback.sql"):
        yield (
            "it runs without a transaction, and when it fails yoyo runs its rollback file"
            " over what was there before; remove the rollback file"
        )


def _folded(sql: str) -> str:
    """SQL without comments and with as little white space as it needs."""
    return TOKEN.sub(lambda token: token["kept"] or token["mark"] or " ", sql).strip()


def _code(sql: str) -> str:
    """The same in capitals, and empty strings in place of strings, quoted names and bodies."""
    return TOKEN.sub(lambda token: "''" if token["kept"] else token["mark"] or " ", sql).strip().upper()


def edited(file: MigrationFile, recorded: tuple[str, str] | None) -> bool:
    """Whether an applied file differs, in more than comments and white space, from what was recorded of it.

    `recorded` holds its raw and its normalised hash; None (applied by hand with yoyo) means unknown.
    """
    return recorded is not None and file.raw_sha256 != recorded[0] and file.normalised_sha256 != recorded[1]
