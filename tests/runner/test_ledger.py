"""Yoyo's ledger, which the runner and a stock yoyo share, and the hashes of what was applied."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from installation import MIGRATIONS, NEXT, ROOT, contents_of, errors_in

from startup.migrations import MigrationFile, edited

WORDS = (
    "-- An example.\nSET LOCAL lock_timeout = '5s';\n\n"
    "CREATE TABLE example (name TEXT DEFAULT 'a  -- b', \"the  name\" TEXT);\n"
    "DO $$\nBEGIN\n    PERFORM 1; -- why\nEND;\n$$;\n"
)


def yoyo(database, *arguments: str, folder: Path = ROOT) -> str:
    """Run the stock yoyo with the shipped yoyo.ini in a folder; it has to exit with 0."""
    result = subprocess.run(
        [sys.executable, "-m", "yoyo", *arguments],
        cwd=folder,
        env={**os.environ, "DATABASE_URL": database.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def listed(database) -> list[tuple[str, str]]:
    return re.findall(r"^([AU]) +(\S+)", yoyo(database, "list"), re.MULTILINE)


def ledger(database) -> list[tuple]:
    return database.query("SELECT * FROM _yoyo_migration ORDER BY migration_id")


def edits(result) -> list[str]:
    return re.findall(r"warning: (\S+) was edited", result.stderr)


class TestAStockYoyo:
    def test_finds_nothing_to_do_after_a_start(self, migrated):
        before = ledger(migrated), migrated.query("SELECT * FROM _yoyo_log ORDER BY id")
        assert listed(migrated) == [("A", id) for id in MIGRATIONS]
        yoyo(migrated, "apply", "-b")
        assert (ledger(migrated), migrated.query("SELECT * FROM _yoyo_log ORDER BY id")) == before

    def test_that_was_first_leaves_a_start_nothing_to_apply(self, database, run_runner):
        yoyo(database, "apply", "-b")
        before = ledger(database)
        result = run_runner("migrate", database=database)
        assert result.returncode == 0
        assert not re.search(r"Applied \d", result.stderr)
        assert [row for row in ledger(database) if not row[1].startswith("optional")] == before
        hashes = database.query("SELECT migration_id FROM migration_hashes WHERE migration_id ~ '^[0-9]' ORDER BY 1")
        assert hashes == [(id,) for id in MIGRATIONS]

    def test_goes_on_where_a_start_ended(self, database, installation):
        installation.keep(5)
        installation.run("migrate", database=database, env={"HEAL": "off"})
        assert listed(database) == [("A" if id in MIGRATIONS[:5] else "U", id) for id in MIGRATIONS]
        yoyo(database, "apply", "-b")
        assert listed(database) == [("A", id) for id in MIGRATIONS]

    def test_sees_the_same_hash_of_the_name_and_a_complete_log(self, migrated):
        differing = migrated.query(
            "SELECT migration_id FROM _yoyo_migration FULL JOIN _yoyo_log USING (migration_id, migration_hash)"
            " WHERE _yoyo_migration.migration_hash IS DISTINCT FROM encode(sha256(migration_id::bytea), 'hex')"
            " OR operation <> 'apply' OR username <> 'owner' OR hostname IS NULL OR created_at_utc IS NULL"
        )
        assert differing == []

    def test_may_unmark_and_a_start_applies_again(self, migrated, run_runner):
        yoyo(migrated, "unmark", "-b", "--revision", MIGRATIONS[-1])
        result = run_runner("migrate", database=migrated)
        assert re.findall(r"Applied (\S+)", result.stderr) == [MIGRATIONS[-1]]
        assert listed(migrated) == [("A", id) for id in MIGRATIONS]


@pytest.mark.parametrize("table", ["_yoyo_migration", "_yoyo_log", "migration_hashes"])
def test_a_file_is_undone_when_its_mark_its_log_row_or_its_hash_cannot_be_written(migrated, installation, table):
    migrated.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not today'; END$$;"
        f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    before = contents_of(migrated)
    id = installation.add("example", WORDS)
    result = installation.run("migrate", database=migrated, env={"HEAL": "off"})
    assert result.returncode == 6
    assert errors_in(result)[0].startswith(f"{id} failed and was rolled back: not today. Statement: INSERT INTO ")
    assert {**contents_of(migrated), "public.yoyo_lock": before["public.yoyo_lock"]} == before

    migrated.execute("DROP FUNCTION refuse CASCADE")
    assert installation.run("migrate", database=migrated).returncode == 0
    assert migrated.query("SELECT count(*) FROM example") == [(0,)]


SAME = {
    "a comment": ("-- An example.", "-- Another\n-- example."),
    "no comment": ("-- An example.\n", ""),
    "a block comment": ("-- An example.", "/* An\n * 'example'. */"),
    "a comment at the end of a line": ("'5s';", "'5s'; -- not longer"),
    "an indentation": ("CREATE TABLE", "    CREATE\tTABLE"),
    "a bracket on a line of its own": ("example (name", "example\n(\n    name"),
    "a comma": (", ", "\n    ,"),
    "an empty line at the end": ("$$;\n", "$$;\n\n"),
    "line ends": ("'5s';\n\n", "'5s';\r\n\r\n"),
}
DIFFERENT = {
    "blanks in a string": ("'a  -- b'", "'a -- b'"),
    "a comment in a string": ("'a  -- b'", "'a  -- c'"),
    "blanks in a name": ('"the  name"', '"the name"'),
    "a body": ("PERFORM 1", "PERFORM 2"),
    "a comment in a body": ("-- why", "-- who"),
    "blanks in a body": ("PERFORM 1", "PERFORM  1"),
    "a value": ("'5s'", "'6s'"),
    "a name": ("TABLE example", "TABLE exam_ple"),
    "a word in two": ("TABLE", "TAB LE"),
    "a statement in a comment": ("SET LOCAL", "-- SET LOCAL"),
    "a comment in a statement": ("-- An example.", "SELECT 1;"),
    "an escaped quote": ("E'it\\'s  -- '", "E'it\\'s -- '"),
    "a backslash that escapes nothing": ("LIKE'\\' || '  -- '", "LIKE'\\' || ' -- '"),
}


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [(*pair, False) for pair in SAME.values()] + [(*pair, True) for pair in DIFFERENT.values()],
    ids=[*SAME, *DIFFERENT],
)
def test_an_edit_is_what_the_server_would_see(tmp_path, old, new, differs):
    content = WORDS + "SELECT E'it\\'s  -- ', name LIKE'\\' || '  -- ' FROM example;\n"
    assert content.count(old) >= 1
    path = tmp_path / "0001-example.sql"
    path.write_bytes(content.encode())
    file = MigrationFile(str(path))
    recorded = file.raw_sha256, file.normalised_sha256
    path.write_bytes(content.replace(old, new).encode())
    assert edited(MigrationFile(str(path)), recorded) is differs
    assert edited(file, recorded) is False
    assert edited(file, None) is False


@pytest.mark.only_pg("pg18")
@pytest.mark.needs("root")
def test_a_user_without_a_name_and_a_home_can_start(database, installation):
    """As in a container whose uid was chosen by the platform. The capability lets it reach these private folders."""
    capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    anonymous = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", *capability]
    result = installation.run("migrate", database=database, wrapper=anonymous)
    assert result.returncode == 0, result.stderr
    assert database.query("SELECT DISTINCT username FROM _yoyo_log") == [("owner",)]


@pytest.mark.only_pg("pg18")
class TestAnAppliedFile:
    @pytest.fixture
    def example(self, migrated, installation) -> Path:
        """A file that was applied after those of this version."""
        id = installation.add("example", WORDS)
        assert installation.run("migrate", database=migrated).returncode == 0
        return installation.sql / f"{id}.sql"

    def test_that_was_edited_is_a_warning(self, migrated, installation, example):
        example.write_text(WORDS.replace("5s", "6s"))
        result = installation.run("migrate", database=migrated)
        assert edits(result) == [f"{NEXT}-example.sql"]
        assert result.returncode == 0

    def test_whose_comments_and_white_space_were_edited_is_none(self, migrated, installation, example):
        example.write_text(WORDS.replace("-- An example.", "/* Another\n * example. */\n"))
        result = installation.run("migrate", database=migrated)
        assert edits(result) == []
        assert result.returncode == 0

    def test_that_was_edited_to_something_unreadable_is_a_warning_too(self, migrated, installation, example):
        for content in (b"\xff\xfe\x00", "-- é\n".encode("latin-1"), b"COMMIT;"):
            example.write_bytes(content)
            result = installation.run("migrate", database=migrated)
            assert edits(result) == [f"{NEXT}-example.sql"]
            assert result.returncode == 0

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b"DROP TABLE users;\nCOMMIT;\nSELECT 1;\n", f"{NEXT}-example.sql: statement 2 is COMMIT"),
            ("SELECT 1;\n".encode("utf-16"), f"{NEXT}-example.sql: it starts with a byte order mark"),
        ],
        ids=["COMMIT", "UTF-16"],
    )
    def test_that_was_edited_to_what_yoyo_would_run_badly_is_not_replayed(
        self, migrated, installation, example, content, line
    ):
        migrated.execute("DELETE FROM migration_hashes; DROP INDEX idx_users_role")
        before = contents_of(migrated)
        example.write_bytes(content)
        result = installation.run("migrate", database=migrated)
        assert result.returncode == 2
        assert errors_in(result)[0].startswith(line)
        assert {**contents_of(migrated), "public.yoyo_lock": before["public.yoyo_lock"]} == before

    def test_that_is_gone_is_a_notice(self, migrated, installation, example):
        example.unlink()
        result = installation.run("migrate", database=migrated)
        assert f"notice: {NEXT}-example is applied, and this version has no such file" in result.stderr
        assert edits(result) == []
        assert result.returncode == 0

    def test_that_a_person_applied_with_yoyo_is_unknown_until_a_start_writes(self, migrated, installation):
        id = installation.add("example", WORDS)
        yoyo(migrated, "apply", "-b", folder=installation.folder)
        (installation.sql / f"{id}.sql").write_text(WORDS.replace("5s", "6s"))

        before = contents_of(migrated)
        assert edits(installation.run("migrate", database=migrated)) == []
        assert contents_of(migrated) == before

        installation.add("another", "SELECT 1;\n")
        assert edits(installation.run("migrate", database=migrated)) == []
        assert (id,) in migrated.query("SELECT migration_id FROM migration_hashes")
        (installation.sql / f"{id}.sql").write_text(WORDS.replace("5s", "7s"))
        assert edits(installation.run("migrate", database=migrated)) == [f"{id}.sql"]

    def test_that_was_rolled_back_edited_and_applied_again_is_as_it_was_applied(self, migrated, installation, example):
        yoyo(migrated, "unmark", "-b", "--revision", example.stem, folder=installation.folder)
        migrated.execute("DROP TABLE example")
        example.write_text(WORDS.replace("5s", "6s"))
        result = installation.run("migrate", database=migrated)
        assert re.findall(r"Applied (\S+)", result.stderr) == [example.stem]
        assert edits(result) == []

    def test_is_told_by_status(self, migrated, installation, example):
        example.write_text(WORDS.replace("5s", "6s"))
        installation.add("another", "SELECT 1;\n")
        lines = installation.run("status", database=migrated).stdout.splitlines()
        assert re.fullmatch(rf"{NEXT}-example +applied \S+ \S+ UTC  edited", lines[len(MIGRATIONS)])
        assert re.fullmatch(r"\d+-another +pending", lines[len(MIGRATIONS) + 1])
