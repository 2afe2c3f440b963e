"""The form of the migration files, which the runner, yoyo and a later reader rely on."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlparse
from installation import ROOT, migration_files
from migration_rules import problems_in_migration, problems_in_rollback
from yoyo.migrations import read_sql_migration

SQL = ROOT / "sql"
EXAMPLE = Path(__file__).parent / "example_upgrade"
MIGRATIONS = migration_files()
OPTIONAL = sorted((SQL / "optional").glob("*.sql"))
ROLLBACKS = sorted([*SQL.glob("*.rollback.sql"), *EXAMPLE.glob("*.rollback.sql")])


def name_of(file: Path) -> str:
    return file.stem


def statements(file: Path) -> list[str]:
    """Split a file as yoyo does, and strip what stands before each statement."""
    parts = sqlparse.split(file.read_text("ascii"))
    return [re.sub(r"\A(\s*--[^\n]*\n)+", "", part).strip() for part in parts]


def without_comments(file: Path) -> str:
    return re.sub(r"--[^\n]*", "", file.read_text("ascii"))


def is_transactional(file: Path) -> bool:
    return not re.search(r"^-- transactional: false$", file.read_text("ascii"), re.MULTILINE)


def test_the_files_are_numbered_without_a_gap():
    assert [int(file.name[:4]) for file in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert [file.name[:13] for file in OPTIONAL] == [f"optional-{n:04}" for n in range(1, len(OPTIONAL) + 1)]


def test_there_are_migrations_and_optional_ones():
    assert len(MIGRATIONS) >= 14
    assert OPTIONAL


def test_nothing_but_sql_files_lies_in_the_folders():
    """Hidden files and *.py would be migrations too."""
    strays = [path.name for path in SQL.iterdir() if path.is_file() and path not in MIGRATIONS + ROLLBACKS]
    strays += [path.name for path in (SQL / "optional").iterdir() if path not in OPTIONAL]
    assert strays == []


@pytest.mark.parametrize("file", MIGRATIONS + OPTIONAL, ids=name_of)
class TestEveryFile:
    def test_is_ascii_with_a_telling_name(self, file):
        assert file.read_bytes().isascii()
        assert re.fullmatch(r"(optional-)?[0-9]{4}(-[a-z]+)+\.sql", file.name)

    def test_opens_with_a_sentence_that_says_why_it_exists(self, file):
        comments = [line for line in file.read_text("ascii").splitlines()[:3] if line.startswith("-- ")]
        sentences = [line for line in comments if not re.match(r"-- [a-z]+: ", line)]
        assert sentences
        assert re.match(r"-- [A-Z]", sentences[0])

    def test_ends_with_its_last_statement(self, file):
        """A trailing comment is an empty query to yoyo."""
        assert file.read_text("ascii").endswith(";\n")
        assert all(statement.endswith(";") and len(statement) > 1 for statement in statements(file))

    def test_leaves_transactions_to_the_runner(self, file):
        for statement in statements(file):
            assert not re.match(r"(BEGIN|START|COMMIT|END|ROLLBACK|ABORT)\b", statement, re.IGNORECASE)

    def test_waits_a_short_time_for_locks(self, file):
        if is_transactional(file):
            assert statements(file)[0] == "SET LOCAL lock_timeout = '1s';"
        else:
            *before, last = statements(file)
            assert re.match(r"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS ", last)
            assert len(before) <= 1
            assert all(statement.startswith("DO $$") for statement in before)
            index = re.search(r"IF NOT EXISTS (\w+)", last)[1]
            assert f"PERFORM drop_invalid_index('{index}');" in "".join(before)

    def test_drops_and_renames_no_table_or_column(self, file):
        code = without_comments(file)
        if file.stem == "0002-functions":  # once a column is in the archive, or back from it
            code = code.replace("DROP COLUMN %I", "", 1).replace("DROP TABLE %s', kept", "", 1)
            code = re.sub(r"ALTER SCHEMA % RENAME TO", "", code)
        if "adopt" in file.stem:  # a column or an index of the predecessor, also in advice; a mark
            code = re.sub(r"RENAME COLUMN|ALTER (INDEX|TABLE) \S+ RENAME TO|DELETE FROM startup_marks", "", code)
        assert not re.search(r"\b(DROP TABLE|DROP COLUMN|RENAME|TRUNCATE|DELETE FROM)\b", code)

    def test_moves_no_sequence(self, file):
        """setval survives a rollback."""
        assert "setval" not in file.read_text("ascii").lower()


@pytest.mark.parametrize("file", OPTIONAL, ids=name_of)
def test_an_optional_file_opens_with_its_condition(file):
    assert re.match(r"-- requires: \S", file.read_text("ascii"))


@pytest.mark.parametrize("file", [*MIGRATIONS, *migration_files(EXAMPLE)], ids=name_of)
def test_no_migration_stalls_the_site_or_leaves_its_rollback_to_lose_rows(file):
    assert problems_in_migration(file) == []


@pytest.mark.parametrize("file", ROLLBACKS, ids=name_of)
def test_no_rollback_file_loses_rows(file):
    assert problems_in_rollback(file) == []


STALLING = {
    "a key that is checked at once": (
        "ALTER TABLE tasks ADD CONSTRAINT tasks_key FOREIGN KEY (created_by) REFERENCES users (id);",
        ["a constraint goes in NOT VALID"],
    ),
    "a check that is checked at once": (
        "ALTER TABLE tasks ADD CHECK (actual_hours >= 0);",
        ["a constraint goes in NOT VALID"],
    ),
    "a constraint validated where it is added": (
        "-- validates: constraints\nALTER TABLE tasks ADD CHECK (actual_hours >= 0) NOT VALID;\n"
        "ALTER TABLE tasks VALIDATE CONSTRAINT tasks_actual_hours_check;",
        ["a constraint is not validated in the transaction that adds it"],
    ),
    "a validation that does not say so": (
        "ALTER TABLE tasks VALIDATE CONSTRAINT tasks_actual_hours_check;",
        ["a file that validates says -- validates: constraints"],
    ),
    "NOT NULL without a CHECK": (
        "ALTER TABLE time_entries ALTER notes SET NOT NULL;",
        ["SET NOT NULL reads all of time_entries"],
    ),
    "a default that differs by row": (
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS token UUID DEFAULT gen_random_uuid();",
        ["the default of token may be another in each row", "its rollback file does not archive users.token"],
    ),
    "an index that locks out writers": (
        "CREATE INDEX IF NOT EXISTS idx_time_entries_source ON time_entries (source);",
        ["an index of time_entries is built CONCURRENTLY"],
    ),
    "a table without a rollback file": (
        "CREATE TABLE IF NOT EXISTS teams (id SERIAL PRIMARY KEY);",
        ["its rollback file does not archive teams"],
    ),
    "a column without a rollback file": (
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS phone TEXT;",
        ["its rollback file does not archive users.phone"],
    ),
}


@pytest.mark.parametrize(("content", "problems"), STALLING.values(), ids=STALLING)
def test_a_migration_that_would_stall_the_site_or_lose_rows_is_refused(tmp_path, content, problems):
    (tmp_path / "0099-example.sql").write_text(f"SET LOCAL lock_timeout = '1s';\n{content}\n")
    found = problems_in_migration(tmp_path / "0099-example.sql")
    assert [problem[: len(expected)] for problem, expected in zip(found, problems, strict=True)] == problems


def test_a_table_that_is_archived_and_not_brought_back_is_refused(tmp_path):
    (tmp_path / "0099-teams.sql").write_text("CREATE TABLE IF NOT EXISTS teams (id SERIAL PRIMARY KEY);\n")
    (tmp_path / "0099-teams.rollback.sql").write_text("SELECT archive_table('teams');\n")
    assert problems_in_migration(tmp_path / "0099-teams.sql") == ["it does not bring back teams"]


LOSING = [
    "DROP TABLE users;",
    "DROP TABLE IF EXISTS users CASCADE;",
    "ALTER TABLE users DROP COLUMN role;",
    "DELETE FROM users;",
    "TRUNCATE users;",
    "UPDATE users SET role = 'user';",
    "DROP SCHEMA public_archive CASCADE;",
    "DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE users'; END; $$;",
    "SELECT archive_table('users'), 1; DROP TABLE users;",
]


@pytest.mark.parametrize("content", LOSING)
def test_a_rollback_file_that_could_lose_rows_is_refused(tmp_path, content):
    (tmp_path / "0099-example.sql").write_text("SELECT 1;\n")
    (tmp_path / "0099-example.rollback.sql").write_text(f"SET LOCAL lock_timeout = '1s';\n{content}\n")
    (problem,) = problems_in_rollback(tmp_path / "0099-example.rollback.sql")
    assert problem.startswith("a rollback file archives, or raises and says why: ")


def test_a_rollback_file_may_refuse(tmp_path):
    (tmp_path / "0099-example.sql").write_text("CREATE TABLE IF NOT EXISTS teams (id SERIAL PRIMARY KEY);\n")
    file = tmp_path / "0099-example.rollback.sql"
    file.write_text("DO $$ BEGIN RAISE EXCEPTION 'The numbers cannot go back: restore a backup'; END; $$;\n")
    assert problems_in_rollback(file) == problems_in_migration(tmp_path / "0099-example.sql") == []


def test_a_rollback_file_beside_a_build_of_an_index_is_refused(tmp_path):
    (tmp_path / "0099-example.sql").write_text("-- transactional: false\nSELECT 1;\n")
    (tmp_path / "0099-example.rollback.sql").write_text("SELECT archive_table('users');\n")
    assert problems_in_rollback(tmp_path / "0099-example.rollback.sql") == [
        "yoyo would run it when the migration fails, over what was there before"
    ]


def test_squawk_finds_nothing_that_is_not_excused():
    files = [*MIGRATIONS, *OPTIONAL, *ROLLBACKS, *migration_files(EXAMPLE)]
    result = subprocess.run(
        [Path(sys.executable).with_name("squawk"), *files], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("file", MIGRATIONS + OPTIONAL, ids=name_of)
def test_yoyo_sees_the_directives_through_what_is_written_for_others(file):
    """Beside -- squawk-ignore-file, -- requires: and -- validates: stands what yoyo itself must find."""
    directives, _, _ = read_sql_migration(str(file))
    expected = {} if is_transactional(file) else {"transactional": "false"}
    if file in MIGRATIONS[1:]:
        # Yoyo's `reapply` and `rollback -r` go by this, not by the numbers.
        expected["depends"] = MIGRATIONS[MIGRATIONS.index(file) - 1].stem
    assert directives == expected


def test_each_column_is_written_once():
    written = Counter()
    for file in MIGRATIONS:
        for table, actions in re.findall(r"ALTER TABLE (\w+)\b([^;]+);", without_comments(file)):
            written.update((table, column) for column in re.findall(r"ADD COLUMN IF NOT EXISTS (\w+)", actions))
    assert len(written) > 80
    assert [column for column, times in written.items() if times > 1] == []


def test_a_table_is_made_after_those_that_it_refers_to(applied):
    everything = "".join(file.read_text("ascii") for file in MIGRATIONS)
    made = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", everything)
    references = applied.query(
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
    )
    assert len(references) >= 14
    assert [(table, target) for table, target in references if made.index(target) > made.index(table)] == []
