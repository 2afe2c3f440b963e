"""What is really in the database, read in two statements that write nothing, and what should be."""

import os

from psycopg2.errors import CharacterNotInRepertoire, DeadlockDetected, InternalError_, LockNotAvailable
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from startup.errors import DatabaseUnusableError, TablesLockedError, UsageError
from startup.migrations import FOLDER

SCHEMA_KINDS = frozenset(
    ["table", "column", "primary key", "unique", "foreign key", "check", "index", "trigger", "function"]
)
SNAPSHOT = os.path.join(FOLDER, "runner", "schema.txt")
YOYO_TABLES = frozenset(["_yoyo_migration", "_yoyo_log", "_yoyo_version", "yoyo_lock"])

# Goes in one message with each question, and ends with it: behind a pooler the session is not ours to set.
# What the role sets for its other sessions neither cuts a question short nor changes how the answer reads.
FOR_A_QUESTION = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '5s';
SET LOCAL quote_all_identifiers = off;
"""


def question(name: str) -> str:
    """The text of sql/runner/NAME.sql."""
    with open(os.path.join(FOLDER, "runner", f"{name}.sql"), encoding="ascii") as file:
        return file.read()


def read_snapshot() -> dict[str, str]:
    """The expected schema: object -> definition. Raises UsageError when the file is not as it was generated."""
    try:
        with open(SNAPSHOT, encoding="ascii") as file:
            return dict(line.rstrip("\n").split(": ", 1) for line in file)
    except (OSError, ValueError) as error:
        raise UsageError(f"{SNAPSHOT} is no list of objects ({error}): python runner.py snapshot writes it") from None


def table_of(name: str) -> str:
    """The table that an object belongs to: 'column users.id' -> 'users'."""
    return place_of(name).split(".")[0]


def type_of(name: str) -> str:
    """The type of an object: 'foreign key tasks.project_id' -> 'foreign key'."""
    return name[: -len(place_of(name)) - 1]


def place_of(name: str) -> str:
    """An object without its type: 'foreign key tasks.project_id' -> 'tasks.project_id'."""
    return name.removeprefix("primary ").removeprefix("foreign ").split(" ", 1)[1]


class State:
    """One reading of the database.

    server      name -> value: version, backend pid, role, schema, read only, standby, and what this role may not use
    objects     'column users.id' -> its definitions, usually one ('integer NOT NULL SERIAL')
    names       (object, definition) -> its own name, where columns name the object: keys and constraints
    sequences   'users.id' -> (qualified name of the sequence, whether this role may read it and the table)
    fulfilled   optional migration id -> whether its condition holds
    applied     migration id -> when it was applied, in UTC
    hashes      migration id -> (raw hash, normalised hash) of the file as it was applied
    marks       what earlier starts noted: name -> value
    has_rows    table -> whether it holds a row, for settings and app_secrets; 'dead lock' -> whether a start was killed
                and left its row in yoyo_lock
    administrator   (name, whether they have a password) of one active administrator, rather of one who has; None where
                there is none, or this role may not know
    knows_administrator  whether this role may know
    ledger_readable  whether this role may read the list of applied migrations
    positions   'users.id' -> (highest id or None, last value that the sequence gave, the last that it can give)
    others      'users' -> what else a name leads to, before a table of the schema in use: ('view', 'front.users')
    """

    def __init__(self):
        self.server: dict[str, str] = {}
        self.objects: dict[str, list[str]] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.sequences: dict[str, tuple[str, bool]] = {}
        self.fulfilled: dict[str, bool] = {}
        self.applied: dict[str, str] = {}
        self.hashes: dict[str, tuple[str, str]] = {}
        self.marks: dict[str, str] = {}
        self.has_rows: dict[str, bool] = {}
        self.positions: dict[str, tuple[int | None, int, int]] = {}
        self.others: dict[str, tuple[str, str]] = {}
        self.administrator: tuple[str, bool] | None = None
        self.knows_administrator = False
        self.ledger_readable = False

    @property
    def schema(self) -> str:
        """The schema in use."""
        return self.server["schema"]

    def qualified(self, name: str) -> str:
        """The name of something in the schema in use, with that schema, as SQL."""
        return f"{self.server['quoted schema']}.{name}"

    @property
    def lacks_administrator(self) -> bool:
        """Whether it is known that no active administrator has a password."""
        return self.knows_administrator and not (self.administrator and self.administrator[1])

    def has_table(self, name: str) -> bool:
        """Whether the schema in use has this table."""
        return f"table {name}" in self.objects


def read_state(connection, optional=()) -> State:
    """Read the state of the database behind an autocommit connection.

    `optional` are the optional migration files, whose conditions are asked in the same statement.
    Raises DatabaseUnusableError when it is not clear which schema is ours, TablesLockedError when a table is locked.
    """
    state, questions = State(), []
    conditions = [
        f"UNION ALL SELECT 'optional', '{file.id}', ({file.requires})::text, NULL" for file in optional if file.requires
    ]
    with connection.cursor() as cursor:
        rows = ask(cursor, "\n".join([question("catalog"), *conditions]))
        for kind, name, definition, note in sorted(rows, key=lambda row: (row[0], row[1], row[2] or "")):
            if kind in SCHEMA_KINDS:
                state.objects.setdefault(f"{kind} {name}", []).append(definition)
                state.names[f"{kind} {name}", definition] = note
            elif kind == "server":
                state.server[name] = definition
            elif kind == "sequence":
                state.sequences[name] = (definition, note is not None)
            elif kind == "other":
                state.others[name] = (definition, note)
            else:
                state.fulfilled[name] = definition == "true"
            if kind in ("table", "sequence") and note is not None:
                questions.append(note)
                state.ledger_readable |= name == "_yoyo_migration"
                state.knows_administrator |= name == "sign_in_credentials"
        if state.server["schemas of ours"] not in (None, state.schema):
            raise DatabaseUnusableError(
                f"Tables of TimeTracker lie in the schemas {state.server['schemas of ours']}, both on the search_path:"
                " expected one. Say which by adding ?options=-csearch_path%3DNAME to DATABASE_URL"
            )
        if state.schema is None:
            raise DatabaseUnusableError(
                f"There is no schema on the search_path that role {state.server['role']} may use: CREATE SCHEMA ...,"
                f" GRANT USAGE ON SCHEMA ... TO {state.server['quoted role']}, or ALTER ROLE ... SET search_path"
            )
        if questions:
            for kind, name, first, second in ask(cursor, "\nUNION ALL\n".join(questions)):
                _note_answer(state, kind, name, first, second)
    return state


def ask(cursor, statement: str, parameters=None, tries: int = 5) -> list[tuple]:
    """Ask a question of the catalog and give the rows; a locked table must not hold a start for ever.

    It is asked again where somebody dropped meanwhile what it is about, such as an index; within a transaction of the
    caller that takes a savepoint. Raises DatabaseUnusableError.
    """
    in_transaction = cursor.connection.info.transaction_status != TRANSACTION_STATUS_IDLE
    settings = FOR_A_QUESTION
    if cursor.connection.info.server_version >= 170000:
        settings = f"SET LOCAL transaction_timeout = 0;{settings}"
    if in_transaction:
        cursor.execute("SAVEPOINT question")
    try:  # several statements in one message are one transaction
        cursor.execute(f"{settings}{statement}", parameters)
        answer = cursor.fetchall()
    except (LockNotAvailable, DeadlockDetected):  # the server ends a deadlock at whose side it likes
        raise TablesLockedError(
            "Another session has locked a table of TimeTracker for over 5 s (VACUUM FULL, ALTER TABLE, or a start"
            " that heals): start again when it is done"
        ) from None
    except InternalError_:  # "cache lookup failed": the functions of the catalog do not keep to a snapshot
        if tries == 1:
            raise
        if in_transaction:
            cursor.execute("ROLLBACK TO question; RELEASE question")
        return ask(cursor, statement, parameters, tries - 1)
    except CharacterNotInRepertoire as error:
        encoding = cursor.connection.info.parameter_status("server_encoding")
        raise DatabaseUnusableError(
            f"The encoding of the database is {encoding}, which takes any bytes, and some are no text in UTF-8"
            f" ({error.diag.message_primary}): give what is called so another name, or dump the database with pg_dump"
            " --encoding=LATIN1 (what it was written in) and restore it into one with the encoding UTF8"
        ) from None
    if in_transaction:
        cursor.execute("RELEASE question")  # else all that follows would be a part of it
    return answer


def _note_answer(state: State, kind: str, name: str, first: str, second: str) -> None:
    if kind == "applied":
        state.applied[name] = first
    elif kind == "hash":
        state.hashes[name] = (first, second)
    elif kind == "mark":
        state.marks[name] = first
    elif kind == "rows":
        state.has_rows[name] = first == "true"
    elif kind == "administrator":
        state.administrator = (name, first == "true")
    else:
        last, limit = second.split("/")
        state.positions[name] = (int(first) if first else None, int(last), int(limit))
