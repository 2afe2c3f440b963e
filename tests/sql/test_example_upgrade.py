"""The worked example of a later release (example_upgrade/): a NOT NULL, a key and an index on a large table in use."""

from pathlib import Path

import pytest
from installation import Installation, yoyo

EXAMPLE = Path(__file__).parent / "example_upgrade"
ENTRIES = "INSERT INTO time_entries (start_time) SELECT now() FROM generate_series(1, 1000)"


@pytest.fixture
def installation(migrated, tmp_path):
    """This version with the example behind its own migrations."""
    made = Installation(tmp_path / "timetracker")
    made.add_folder(EXAMPLE)
    assert made.run("snapshot", database=migrated.url_as("postgres")).returncode == 0
    return made


def upgrade(installation, database, command: str) -> None:
    if command == "yoyo":
        result = yoyo(database, "apply", folder=installation.folder)
    else:
        result = installation.run("migrate", database=database)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", ["runner", "yoyo"])
def test_it_writes_no_row_and_ends_at_the_schema_that_is_wanted(migrated, installation, command):
    migrated.execute(ENTRIES)
    places = "SELECT pg_relation_filenode('time_entries'), ctid, xmin FROM time_entries"
    before = migrated.query(places)

    upgrade(installation, migrated, command)

    assert migrated.query(places) == before
    assert installation.run("verify", database=migrated).returncode == 0
    assert migrated.query("SELECT count(*) FROM time_entries WHERE NOT approved AND approved_by IS NULL") == [(1000,)]
    assert migrated.query(
        "SELECT conname::text, convalidated FROM pg_constraint WHERE conname ~ 'approved' AND contype <> 'n'"
    ) == [("time_entries_approved_by_fkey", True)]


def test_its_files_may_be_replayed(migrated, installation):
    upgrade(installation, migrated, "runner")
    migrated.execute("DELETE FROM _yoyo_migration")
    upgrade(installation, migrated, "yoyo")
    assert installation.run("verify", database=migrated).stdout.startswith("The schema public is")
    assert migrated.query("SELECT count(*) FROM pg_constraint WHERE conname = 'time_entries_approved_check'") == [(0,)]


def test_a_row_that_breaks_the_key_stops_nothing(migrated, installation):
    migrated.execute(ENTRIES)
    upgrade(installation, migrated, "runner")
    migrated.execute("ALTER TABLE time_entries DROP CONSTRAINT time_entries_approved_by_fkey")
    migrated.execute("UPDATE time_entries SET approved_by = 99 WHERE id <= 7; DELETE FROM _yoyo_migration")
    upgrade(installation, migrated, "yoyo")
    assert migrated.query("SELECT conname::text FROM pg_constraint WHERE NOT convalidated") == [
        ("time_entries_approved_by_fkey",)
    ]
