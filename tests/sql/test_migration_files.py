"""The form of the migration files, which the runner, yoyo and a later reader rely on. No database needed."""

import re
from collections import Counter
from pathlib import Path

import pytest
import sqlparse

SQL = Path(__file__).parents[2] / "sql"
MIGRATIONS = sorted(SQL.glob("*.sql"))
OPTIONAL = sorted((SQL / "optional").glob("*.sql"))


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
    strays = [path.name for path in SQL.iterdir() if path.is_file() and path not in MIGRATIONS]
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
            assert statements(file)[0] == "SET LOCAL lock_timeout = '5s';"
        else:
            *before, last = statements(file)
            assert re.match(r"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS ", last)
            assert len(before) <= 1
            assert all(statement.startswith("DO $$") for statement in before)
            assert "set_config('lock_timeout', '0', false)" in "".join(before)

    def test_drops_and_renames_no_table_or_column(self, file):
        assert not re.search(r"\b(DROP TABLE|DROP COLUMN|RENAME|TRUNCATE|DELETE FROM)\b", without_comments(file))

    def test_moves_no_sequence(self, file):
        """setval survives a rollback."""
        assert "setval" not in file.read_text("ascii").lower()


@pytest.mark.parametrize("file", OPTIONAL, ids=name_of)
def test_an_optional_file_opens_with_its_condition(file):
    assert re.match(r"-- requires: \S", file.read_text("ascii"))


def test_no_rollback_file_could_drop_data():
    assert list(SQL.rglob("*.rollback.sql")) == []


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
    assert len(references) == 9
    assert [(table, target) for table, target in references if made.index(target) > made.index(table)] == []
