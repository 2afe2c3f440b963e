"""Migration files that are wrong: one clear line each, exit code 2, and nothing has run."""

import os
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

import pytest
from installation import Installation, contents_of, errors_in
from listeners import closed_port
from yoyo.migrations import read_sql_migration

from startup.errors import UsageError
from startup.migrations import MigrationFile, check_contents, read_folder, read_optional
from startup.statements import one_line

pytestmark = pytest.mark.only_pg("pg18")

TABLE = "CREATE TABLE made_by_0002 (id INTEGER);\n"
INDEX = "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_example ON startup_marks (value);\n"
DROP_LEFTOVER = "DO $$ BEGIN PERFORM 1; END; $$;\n"

# What lies in the folder beside 0001, and what is said of it.
WRONG_NAMES = {
    "a capital in the name": ({"0002-Example.sql": TABLE}, ["0002-Example.sql: expected a name such as"]),
    "an underscore": ({"0002_example.sql": TABLE}, ["0002_example.sql: expected a name such as"]),
    "a short number": ({"2-example.sql": TABLE}, ["2-example.sql: expected a name such as"]),
    "no words": ({"0002.sql": TABLE}, ["0002.sql: expected a name such as"]),
    "Python": ({"0002-example.py": "steps = []\n"}, ["0002-example.py: expected a name such as"]),
    "an ending in capitals": ({"0002-example.SQL": TABLE}, ["0002-example.SQL: expected a name such as"]),
    "a hidden file": ({".0002-example.sql": TABLE}, [".0002-example.sql: expected a name such as"]),
    "a hook of yoyo's": ({"post-apply.sql": TABLE}, ["post-apply.sql: expected a name such as"]),
    "a rollback under another name": ({"0001_rollback.sql": TABLE}, ["0001_rollback.sql: expected a name such as"]),
    "an optional one in the wrong folder": (
        {"optional-0002-example.sql": TABLE},
        ["optional-0002-example.sql: expected a name such as 0001-create-users.sql"],
    ),
    "a gap": ({"0003-example.sql": TABLE}, ["0003-example.sql: expected 0002 next"]),
    "twins": (
        {"0002-example.sql": TABLE, "0002-sample.sql": TABLE},
        ["0002-sample.sql: 0002-example.sql has the same number"],
    ),
    "a rollback of nothing": (
        {"0002-example.rollback.sql": "SELECT 1;\n"},
        ["0002-example.rollback.sql: there is no migration of that name"],
    ),
    "a folder": ({"0002-example.sql": None}, ["0002-example.sql: cannot be read: Is a directory"]),
}

# What stands in a file, and what is said of it.
WRONG_CONTENTS = {
    "a byte order mark": (b"\xef\xbb\xbf" + TABLE.encode(), ["it starts with a byte order mark"]),
    "UTF-16": (TABLE.encode("utf-16"), ["it starts with a byte order mark"]),
    "UTF-16 without a mark": (TABLE.encode("utf-16-le"), ["line 1 holds a zero byte"]),
    "an accent in a comment": ("-- Déjà vu.\n" + TABLE, ["line 1 is not ASCII"]),
    "Latin-1": ((TABLE + "-- Déjà vu.\nSELECT 1;\n").encode("latin-1"), ["line 2 is not ASCII"]),
    "nothing": ("", ["there is no statement in it"]),
    "a comment only": ("-- Later.\n", ["there is no statement in it"]),
    "a trailing comment": (TABLE + "-- done\n", ["statement 2 is empty"]),
    "a trailing block comment": (TABLE + "/* done */\n", ["statement 2 is empty"]),
    "two semicolons": ("CREATE TABLE made_by_0002 (id INTEGER);;\n", ["statement 2 is empty"]),
    "COMMIT": (TABLE + "COMMIT;\n", ["statement 2 is COMMIT"]),
    "BEGIN and END": ("begin work;\n" + TABLE + "end;\n", ["statement 1 is BEGIN", "statement 3 is END"]),
    "START TRANSACTION behind a comment": (
        "/* x */ start\n  transaction;\n" + TABLE,
        ["statement 1 is START TRANSACTION"],
    ),
    # For sqlparse the column's name opens a block, so that a stock yoyo sends all of this as one statement.
    "COMMIT after a column called begin": (
        "CREATE TABLE made_by_0002 (begin TIMESTAMP);\nCOMMIT;\nSELECT 1;\n",
        ["statement 2 is COMMIT"],
    ),
    "a setting for the session": (
        "SET search_path = pg_catalog;\n" + TABLE,
        ["statement 1 is SET, which outlasts the transaction"],
    ),
    "COPY": (
        "COPY startup_marks FROM STDIN;\na\tb\n\\.\n",
        ["statement 1 is for psql only", "statement 2 is for psql only"],
    ),
    "a psql command": (TABLE + "\\echo done\n", ["statement 2 is for psql only"]),
    "a psql command at the end of a statement": ("SELECT 1 \\gset\n", ["statement 1 is for psql only"]),
    "transactional: no": ("-- transactional: no\n" + TABLE, ["transactional: no: expected true or false"]),
    "transactional behind a block comment": (
        "/* An index. */\n-- transactional: false\n" + INDEX,
        ["yoyo does not see its line -- transactional"],
    ),
    "transactional in capitals": ("-- Transactional: false\n" + INDEX, ["yoyo does not see its line -- transactional"]),
    "two statements without a transaction": (
        "-- transactional: false\n" + TABLE + INDEX,
        ["a file without a transaction may hold one CREATE INDEX CONCURRENTLY IF NOT EXISTS"],
    ),
    "two indexes without a transaction": (
        "-- transactional: false\n" + INDEX + INDEX,
        ["a file without a transaction may hold one"],
    ),
    "two blocks without a transaction": (
        "-- transactional: false\n" + DROP_LEFTOVER * 2 + INDEX,
        ["a file without a transaction may hold one"],
    ),
    "no IF NOT EXISTS without a transaction": (
        "-- transactional: false\n" + INDEX.replace("IF NOT EXISTS ", ""),
        ["a file without a transaction may hold one"],
    ),
    "no CONCURRENTLY without a transaction": (
        "-- transactional: false\n" + INDEX.replace("CONCURRENTLY ", ""),
        ["a file without a transaction may hold one"],
    ),
}


@pytest.fixture(scope="module")
def untouched(server):
    """An empty database, in which nothing may change."""
    with server.new_database() as lent:
        yield lent


@pytest.fixture
def small(installation: Installation) -> Installation:
    """An installation with 0001-bookkeeping alone."""
    installation.keep(1)
    return installation


def beginnings(found: Iterable[str], expected: list[str]) -> list[str]:
    """Cut each line to the length of the one that it should begin with."""
    return [line[: len(beginning)] for line, beginning in zip_longest(found, expected, fillvalue="")]


def write(folder: Path, files: dict[str, str | bytes | None]) -> None:
    for name, content in files.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize(("files", "lines"), WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_a_wrong_name_is_refused(small, files, lines):
    write(small.sql, files)
    with pytest.raises(UsageError) as refused:
        read_folder(str(small.sql))
    said = [problem.partition("/sql/")[2] for problem in refused.value.problems]
    assert beginnings(said, lines) == lines


@pytest.mark.parametrize(("content", "lines"), WRONG_CONTENTS.values(), ids=WRONG_CONTENTS)
def test_a_file_that_yoyo_would_run_badly_is_refused(tmp_path, content, lines):
    write(tmp_path, {"0001-example.sql": content})
    with pytest.raises(UsageError) as refused:
        check_contents(read_folder(str(tmp_path)))
    expected = [f"0001-example.sql: {line}" for line in lines]
    assert beginnings(refused.value.problems, expected) == expected


def test_a_rollback_file_beside_one_without_a_transaction_is_refused(tmp_path):
    """When such a file fails, yoyo rolls back what was there before it."""
    files = {
        "0001-example.sql": "-- transactional: false\n" + INDEX,
        "0001-example.rollback.sql": "DROP TABLE startup_marks;\n",
    }
    write(tmp_path, files)
    with pytest.raises(UsageError, match="it runs without a transaction, and when it fails yoyo runs its rollback"):
        check_contents(read_folder(str(tmp_path)))


def test_a_start_says_all_that_is_wrong_in_the_files_and_runs_nothing(small, untouched):
    before = contents_of(untouched)
    expected = []
    for number, (content, lines) in enumerate(WRONG_CONTENTS.values(), start=2):
        name = f"{number:04}-example.sql"
        write(small.sql, {name: content})
        expected += [f"{name}: {line}" for line in lines]
    result = small.run("migrate", database=untouched)

    assert beginnings(errors_in(result), expected) == expected
    assert result.returncode == 2
    assert contents_of(untouched) == before


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("SELECT 1;\n", "expected a line -- requires: CONDITION"),
        ("-- requires: 'é' = ''\nSELECT 1;\n", "line 1 is not ASCII"),
        ("-- requires: false\nSELECT 1;\nCOMMIT;\n", "statement 2 is COMMIT"),
    ],
    ids=["no condition", "not ASCII", "COMMIT"],
)
def test_optional_files_are_looked_at_too(small, untouched, content, line):
    before = contents_of(untouched)
    write(small.sql, {"optional/optional-0001-example.sql": content})
    result = small.run("migrate", database=untouched)
    expected = [f"optional-0001-example.sql: {line}"]
    assert beginnings(errors_in(result), expected) == expected
    assert result.returncode == 2
    assert contents_of(untouched) == before


def test_a_start_says_every_wrong_name_and_gap_and_runs_nothing(small, untouched):
    before = contents_of(untouched)
    write(small.sql, dict.fromkeys(["0003-a.sql", "0003-b.sql", "0006_c.sql", "0007-d.sql", "0009-e.sql"], TABLE))
    result = small.run("migrate", database=untouched)
    assert [line.partition(";")[0] for line in errors_in(result)] == [
        "sql/0006_c.sql: expected a name such as 0001-create-users.sql",
        "sql/0003-a.sql: expected 0002 next",
        "sql/0003-b.sql: 0003-a.sql has the same number",
        "sql/0009-e.sql: expected 0008 next",
    ]
    assert result.returncode == 2
    assert contents_of(untouched) == before


def test_it_needs_no_database_to_see_wrong_names(small):
    """A release with a wrong name fails at once, not after waiting for a database."""
    write(small.sql, {"0002_example.sql": TABLE})
    result = small.run("migrate", env={"DATABASE_URL": "postgresql://owner@127.0.0.1:1/none"})
    assert result.returncode == 2


@pytest.mark.parametrize("command", ["migrate", "status", "plan", "snapshot", "serve"])
def test_every_command_that_reads_the_files_refuses_wrong_ones(small, untouched, command):
    write(small.sql, {"0003-example.sql": TABLE})
    result = small.run(command, database=untouched, env={"PORT": str(closed_port())})
    assert errors_in(result) == ["sql/0003-example.sql: expected 0002 next; numbers run from 0001 without gaps"]
    assert result.returncode == 2


def test_a_folder_without_migrations_is_not_an_installation(small, untouched):
    small.keep(0)
    result = small.run("migrate", database=untouched)
    assert errors_in(result) == ["sql: there is no migration file, expected 0001-….sql; is the installation whole?"]
    assert result.returncode == 2


def test_optional_files_may_be_taken_away(small, untouched):
    """A warning about one says that removing it is a way out."""
    (small.sql / "optional" / "optional-0002-example.sql").write_text("-- requires: false\nSELECT 1;\n")
    assert small.run("plan", database=untouched).returncode == 0
    small.keep(1)
    assert small.run("plan", database=untouched).returncode == 0


def test_a_file_that_cannot_be_read_is_named(small):
    (small.sql / "0002-example.sql").symlink_to("nowhere.sql")
    with pytest.raises(UsageError, match=r"sql/0002-example\.sql: cannot be read: No such file or directory"):
        read_folder(str(small.sql))


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(UsageError, match="absent: the migrations cannot be read: No such file or directory"):
        read_folder(str(tmp_path / "absent"))


@pytest.mark.needs("root")
def test_a_folder_that_this_user_may_not_read_is_named(tmp_path):
    tmp_path.chmod(0o700)
    os.seteuid(54321)
    try:
        with pytest.raises(UsageError, match="the migrations cannot be read: Permission denied"):
            read_folder(str(tmp_path / "sql"))
    finally:
        os.seteuid(0)


RIGHT = {
    "a function with semicolons": """CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS $$
        BEGIN
            -- COMMIT; here is a comment
            RETURN 1;
        END;
        $$;\n""",
    "a function in SQL": """CREATE FUNCTION g() RETURNS integer LANGUAGE sql
        BEGIN ATOMIC
            SELECT 1;
            SELECT 2;
        END;\n""",
    "a function in a string": "CREATE FUNCTION h() RETURNS void LANGUAGE sql AS 'SELECT; COMMIT;';\n",
    "words of SQL in strings": "SELECT 'a; COMMIT; \\ COPY x FROM STDIN', E'it\\'s; ROLLBACK', \"begin\" FROM t;\n",
    "a comment behind a statement": "SELECT 1; -- done\n",
    "comments between statements": "SELECT 1;\n-- one\n/* two */\nSELECT 2;\n",
    "Windows line ends": "-- Why.\r\nSET LOCAL lock_timeout = '5s';\r\nSELECT 1;\r\n",
    "no semicolon at the end": "SELECT 1",
    "CASE": "SELECT CASE WHEN true THEN 1 END;\nSELECT 2;\n",
    "a rule with two commands": "CREATE RULE r AS ON UPDATE TO t DO ALSO (SELECT 1; SELECT 2);\nSELECT 3;\n",
    "settings for the transaction": "SET CONSTRAINTS ALL IMMEDIATE;\nSET TRANSACTION READ WRITE;\n",
    "transactional: TRUE": "-- transactional: TRUE\nSELECT 1;\n",
    "an index": "-- An index.\n-- transactional: false\n" + INDEX,
    "an index after a block": "-- transactional: false\n" + DROP_LEFTOVER + INDEX,
    "a unique index in lower case": "-- transactional: FALSE\n" + INDEX.lower().replace("index", "unique index", 1),
}


@pytest.mark.parametrize("content", RIGHT.values(), ids=RIGHT)
def test_what_yoyo_can_run_is_accepted_and_read_as_yoyo_reads_it(tmp_path, content):
    (tmp_path / "0001-example.sql").write_bytes(content.encode("ascii"))
    (file,) = read_folder(str(tmp_path))
    check_contents([file])
    assert as_read(file) == as_read_by_yoyo(file)


def test_the_files_of_this_version_are_accepted_and_read_as_yoyo_reads_them():
    files = [*read_folder(), *read_optional()]
    check_contents(files)
    assert len(files) >= 16
    assert [as_read(file) for file in files] == [as_read_by_yoyo(file) for file in files]


def as_read(file: MigrationFile) -> tuple[dict[str, str], list[str]]:
    return file.directives, [one_line(statement) for statement in file.statements]


def as_read_by_yoyo(file: MigrationFile) -> tuple[dict[str, str], list[str]]:
    directives, _, statements = read_sql_migration(file.path)
    return directives, [one_line(statement) for statement in statements]


def test_a_syntax_error_is_for_the_server_to_find(small, database):
    small.add("example", "CREATE TABLE made_by_0002 (id INTEGER);\nCREATE TABEL oops (id INTEGER);\n")
    result = small.run("migrate", database=database)
    assert errors_in(result) == [
        '0002-example failed and was rolled back: syntax error at or near "TABEL".'
        " Statement: CREATE TABEL oops (id INTEGER);"
    ]
    assert result.returncode == 6
    assert database.query("SELECT to_regclass('made_by_0002'), count(*) FROM _yoyo_migration") == [(None, 1)]
