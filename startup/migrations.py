"""The migration files: which there are, whether they may run, and whether an applied one was edited."""

import os
import re
from functools import cached_property

from startup.errors import UsageError
from startup.hashing import sha256

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sql")
TABLES_OF_THE_DOCUMENT = ("users", "projects", "tasks", "time_entries", "settings", "invoices", "invoice_items")
NAME = re.compile(r"(?P<prefix>(?:optional-)?)(?P<number>\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.sql")


class MigrationFile:
    """One file of the folder. `id` is its name without .sql, as in yoyo's ledger. Raises OSError."""

    def __init__(self, path: str):
        self.path = path
        self.id = os.path.basename(path).removesuffix(".sql")
        with open(path, "rb", buffering=0) as file:
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

    @cached_property
    def raw_sha256(self) -> str:
        """The hash of the file as it is."""
        return sha256(self.content).hexdigest()

    @property
    def normalised_sha256(self) -> str:
        """The hash of the file without its comments and white space."""
        from startup.statements import normalised  # a start with nothing to do never comes here

        return sha256(normalised(self.content.decode("latin-1")).encode("latin-1")).hexdigest()

    @property
    def tables(self) -> list[str]:
        """The tables that it makes where there are none."""
        return re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+)", self.text, re.MULTILINE)

    @cached_property
    def statements(self) -> list[str]:
        """The statements in their order. Raises UsageError for an unreadable file."""
        from startup.statements import split

        if self.unreadable:
            raise UsageError(f"{self.id}.sql: {self.unreadable}")
        return split(self.text)

    @cached_property
    def directives(self) -> dict[str, str]:
        """What the comments at its top tell yoyo: name -> value."""
        from startup.statements import directives

        return directives(self.text)

    @property
    def transactional(self) -> bool:
        """Whether it runs in a transaction."""
        return self.directives.get("transactional", "true").lower() != "false"

    @property
    def index(self) -> str:
        """The index that a non-transactional file builds."""
        from startup.statements import one_line

        return re.search(r" IF NOT EXISTS (.+?) ON ", one_line(self.statements[-1]), re.IGNORECASE)[1]

    @property
    def validates(self) -> bool:
        """Whether it looks at the rows of constraints that are NOT VALID, and may do so again at any time."""
        return re.search(r"^-- validates: constraints$", self.text, re.MULTILINE) is not None

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
    numbered = re.compile(rf"{prefix}(\d+)")
    for name in names:
        if name.endswith(".rollback.sql"):
            if name.removesuffix(".rollback.sql") + ".sql" not in names:
                problems.append(f"{shown}/{name}: there is no migration of that name to roll back; remove it")
            continue
        if number := numbered.match(name):
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


def adoption_is_due(state, files: list[MigrationFile]) -> bool:
    """Whether this is a database of the predecessor: tables of the document, and none of our migrations.

    0004-adopt-names notes it where there was nothing to adopt, and 0020-adoption-end where it was done: then somebody
    has only lost the ledger.
    """
    has_tables = any(state.has_table(name) for name in TABLES_OF_THE_DOCUMENT)
    has_ids = any(file.id in state.applied for file in files)
    return has_tables and not has_ids and state.marks.get("adoption") not in ("done", "nothing to adopt")


def check_contents(files: list[MigrationFile]) -> None:
    """See before anything runs that yoyo can run these files, and that none can do half its work.

    Raises UsageError with one sentence for each problem.
    """
    from startup.statements import problems_in

    problems = [f"{file.id}.sql: {problem}" for file in files for problem in problems_in(file)]
    if problems:
        raise UsageError(*problems)


def edited(file: MigrationFile, recorded: tuple[str, str] | None) -> bool:
    """Whether an applied file differs, in more than comments and white space, from what was recorded of it.

    `recorded` holds its raw and its normalised hash; None (applied by hand with yoyo) means unknown.
    """
    return recorded is not None and file.raw_sha256 != recorded[0] and file.normalised_sha256 != recorded[1]
