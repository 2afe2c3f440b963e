"""The migration files: which there are, whether they may run, and whether an applied one was edited."""

import os
import re
from functools import cached_property
from hashlib import sha256

from startup.errors import UsageError

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sql")
NAME = re.compile(r"(?P<prefix>(?:optional-)?)(?P<number>\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.sql")

# A string, a quoted name or a dollar-quoted body stays as it is; a comment or white space counts as a blank.
TOKEN = re.compile(
    r"""(?P<kept>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
    r"|(?:--[^\n]*|/\*.*?\*/|\s)+",
    re.DOTALL,
)
TRANSACTION_CONTROL = re.compile(r"(BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|PREPARE\s+TRANSACTION)\b")
CONCURRENT_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS ")


class MigrationFile:
    """One file of the folder. `id` is its name without .sql, as in yoyo's ledger."""

    def __init__(self, path: str):
        self.path = path
        self.id = os.path.basename(path).removesuffix(".sql")
        with open(path, "rb") as file:
            self.content = file.read()

    @property
    def text(self) -> str:
        """The file as text; check_contents() has seen that it is ASCII."""
        return self.content.decode("ascii")

    @property
    def raw_sha256(self) -> str:
        """The hash of the file as it is."""
        return sha256(self.content).hexdigest()

    @property
    def normalised_sha256(self) -> str:
        """The hash of the file without its comments and white space."""
        return sha256(_folded(self.content.decode("utf-8", "replace")).encode()).hexdigest()

    @cached_property
    def statements(self) -> list[str]:
        """The statements as yoyo would send them."""
        from yoyo.migrations import read_sql_migration  # a start with nothing to do never comes here

        return read_sql_migration(self.path)[2]

    @property
    def transactional(self) -> bool:
        """Whether yoyo runs it in a transaction."""
        return not re.search(r"^\s*--\s*transactional\s*:\s*false", self.text, re.MULTILINE | re.IGNORECASE)

    @property
    def requires(self) -> str | None:
        """The SQL condition under which an optional file is tried."""
        condition = re.search(r"^-- requires: (.+)$", self.text, re.MULTILINE)
        return condition[1] if condition else None


def read_folder(folder: str = FOLDER, prefix: str = "") -> list[MigrationFile]:
    """Read the migrations of a folder in the order of their numbers; names start with `prefix`.

    Takes what yoyo takes: every .sql and .py file directly in the folder. Raises UsageError with one
    sentence for each file that is named wrongly, and for gaps.
    """
    shown = os.path.relpath(folder, os.path.dirname(FOLDER))
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"Cannot read the migrations in {folder}: {error.strerror}") from None
    names = [name for name in names if name.lower().endswith((".sql", ".py"))]
    rollbacks = {name for name in names if name.endswith(".rollback.sql")}
    problems, numbers, files = [], [], []
    for name in names:
        if name in rollbacks:
            if name.removesuffix(".rollback.sql") + ".sql" not in names:
                problems.append(f"{shown}/{name}: there is no migration of that name to roll back")
            continue
        parts = NAME.fullmatch(name)
        if not parts or parts["prefix"] != prefix:
            problems.append(f"{shown}/{name}: expected a name such as {prefix}0001-create-users.sql")
            continue
        numbers.append(int(parts["number"]))
        files.append(MigrationFile(os.path.join(folder, name)))
    for position, number in enumerate(numbers, start=1):
        if number != position:
            problems.append(
                f"{shown}: expected {prefix}{position:04} next, found {files[position - 1].id};"
                " numbers run from 0001 without gaps or twins"
            )
            break
    if not files and not problems:
        problems.append(f"{shown}: there is no migration file, expected {prefix}0001-….sql; is the installation whole?")
    if problems:
        raise UsageError(*problems)
    return files


def read_optional() -> list[MigrationFile]:
    """Read the files that may fail without stopping the start. Raises UsageError like read_folder()."""
    folder = os.path.join(FOLDER, "optional")
    files = read_folder(folder, prefix="optional-") if os.path.isdir(folder) else []
    problems = [f"{file.id}.sql: expected a line -- requires: CONDITION" for file in files if not file.requires]
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
    if file.content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return ["it starts with a byte order mark; save it without"]
    for number, line in enumerate(file.content.splitlines(), start=1):
        if not line.isascii():
            return [f"line {number} is not ASCII; a database in another encoding could not read it"]
    for line in re.findall(r"^\s*--\s*depends\s*:", file.text, re.MULTILINE):
        return [f"it says {line.strip()} although the numbers tell the order; remove that line"]
    directive = re.search(r"^\s*--\s*transactional\s*:\s*(.*?)\s*$", file.text, re.MULTILINE | re.IGNORECASE)
    if directive and directive[1].lower() not in ("true", "false"):
        return [f"transactional: {directive[1]}: expected true or false"]
    statements = [_folded(statement) for statement in file.statements]
    if not statements:
        return ["there is no statement in it"]
    problems = []
    for number, statement in enumerate(statements, start=1):
        if statement in ("", ";"):
            problems.append(f"statement {number} is empty; remove the stray ; or put the comment before a statement")
        elif TRANSACTION_CONTROL.match(statement.upper()):
            problems.append(
                f"statement {number} is {statement.split()[0].rstrip(';').upper()};"
                " the runner opens and ends transactions, remove it"
            )
        elif re.match(r"COPY\b.*\bFROM\s+STDIN\b|\\", statement, re.IGNORECASE | re.DOTALL):
            problems.append(f"statement {number} is for psql only (COPY FROM STDIN or a backslash command)")
    if not file.transactional and not problems:
        index, block = statements[-1].upper(), [statement.upper() for statement in statements[:-1]]
        if not CONCURRENT_INDEX.match(index) or len(block) > 1 or not all(text.startswith("DO ") for text in block):
            problems.append(
                "a file without a transaction may hold one CREATE INDEX CONCURRENTLY IF NOT EXISTS,"
                " after at most one DO block that drops an invalid leftover"
            )
    return problems


def _folded(sql: str) -> str:
    """SQL without comments, its white space folded."""
    return TOKEN.sub(lambda token: token["kept"] or " ", sql).strip()


def edited(file: MigrationFile, recorded: tuple[str, str] | None) -> bool:
    """Whether an applied file differs, in more than comments and white space, from what was recorded of it.

    `recorded` holds its raw and its normalised hash; None (applied by hand with yoyo) means unknown.
    """
    return recorded is not None and file.raw_sha256 != recorded[0] and file.normalised_sha256 != recorded[1]
