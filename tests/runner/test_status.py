"""What `runner.py status` says of the migrations."""

import json

from installation import contents_of

OPTIONAL = ["optional-0001-trigram-extension", "optional-0002-notes-trigram"]


def outcome_of(result) -> dict:
    """Return the one JSON object on stdout."""
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_a_migrated_database_has_every_file_applied(migrated, installation):
    assert outcome_of(installation.run("status", "--json", database=migrated)) == {
        "applied": [*installation.ids, *OPTIONAL],
        "pending": [],
        "edited": [],
        "missing": [],
        "version": installation.ids[-1],
    }


def test_an_empty_database_has_every_file_pending_and_is_left_empty(database, installation):
    before = contents_of(database)
    assert outcome_of(installation.run("status", "--json", database=database)) == {
        "applied": [],
        "pending": installation.ids,
        "edited": [],
        "missing": [],
        "version": None,
    }
    assert contents_of(database) == before


def test_files_that_came_changed_and_went_are_told_apart(migrated, installation):
    first, second, *_, last = installation.ids
    new = installation.add("new", "CREATE TABLE news (id INTEGER);\n")
    (installation.sql / f"{first}.sql").write_text("SELECT 1;\n", encoding="ascii")
    with (installation.sql / f"{second}.sql").open("a", encoding="ascii") as file:
        file.write("\n-- A comment more is no other file.\n")
    migrated.execute("UPDATE _yoyo_migration SET migration_id = '0099-of-the-future' WHERE migration_id = %s", last)

    outcome = outcome_of(installation.run("status", "--json", database=migrated))
    assert outcome | {"applied": []} == {
        "applied": [],
        "pending": [last, new],
        "edited": [first],
        "missing": ["0099-of-the-future"],
        "version": "0099-of-the-future",
    }
    assert outcome["applied"] == [*installation.ids[:-2], "0099-of-the-future", *OPTIONAL]


def test_the_plain_text_has_a_line_for_each_file(migrated, installation):
    new = installation.add("new", "CREATE TABLE news (id INTEGER);\n")
    first = installation.ids[0]
    (installation.sql / f"{first}.sql").write_text("SELECT 1;\n", encoding="ascii")
    migrated.execute("UPDATE _yoyo_migration SET applied_at_utc = '2026-01-02 03:04:05.678'")
    migrated.execute("INSERT INTO _yoyo_migration VALUES ('hash', '0099-of-the-future', '2026-02-03')")

    lines = installation.run("status", database=migrated).stdout.splitlines()
    assert lines[0] == f"{first:40}  applied 2026-01-02 03:04:05 UTC  edited"
    assert lines[1] == f"{installation.ids[1]:40}  applied 2026-01-02 03:04:05 UTC"
    assert f"{new:40}  pending" in lines
    assert f"{'0099-of-the-future':40}  applied 2026-02-03 00:00:00 UTC  missing" in lines
    assert f"{OPTIONAL[0]:40}  applied 2026-01-02 03:04:05 UTC" in lines
    assert len(lines) == len(installation.ids) + 1 + len(OPTIONAL)


def test_a_file_of_which_no_hash_is_kept_is_not_called_edited(migrated, installation):
    migrated.execute("DELETE FROM migration_hashes")
    (installation.sql / f"{installation.ids[0]}.sql").write_text("SELECT 1;\n", encoding="ascii")
    assert outcome_of(installation.run("status", "--json", database=migrated))["edited"] == []


def test_it_changes_nothing(migrated, run_runner):
    before = contents_of(migrated)
    run_runner("status", database=migrated)
    run_runner("status", "--json", database=migrated)
    assert contents_of(migrated) == before
