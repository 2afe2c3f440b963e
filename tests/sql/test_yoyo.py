"""The stock yoyo command, which a DBA runs against the same folder with the shipped yoyo.ini."""

import re

import installation
from installation import ROOT, migration_files

MIGRATIONS = [file.stem for file in migration_files()]


def yoyo(database, *arguments, **options) -> str:
    """Run yoyo, which has to exit with 0; give what it says."""
    result = installation.yoyo(database, *arguments, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def state_of_each(listing: str) -> list[tuple[str, str]]:
    return re.findall(r"^([AU]) +(\S+)", listing, re.MULTILINE)


def test_it_applies_everything_once_and_lists_it(database, fresh, connect, catalog):
    yoyo(database, "apply")
    ledger = database.query("SELECT * FROM _yoyo_log ORDER BY created_at_utc")
    assert len(ledger) == len(MIGRATIONS)

    yoyo(database, "apply")
    assert database.query("SELECT * FROM _yoyo_log ORDER BY created_at_utc") == ledger
    assert state_of_each(yoyo(database, "list")) == [("A", name) for name in MIGRATIONS]

    ours = {line for line in catalog(connect(database)) if "yoyo" not in line}
    assert ours == fresh


def test_it_works_from_another_folder_and_with_a_pinned_schema(database, tmp_path):
    database.execute("CREATE SCHEMA timetracker")
    separator = "&" if "?" in database.url else "?"
    url = f"{database.url}{separator}options=-csearch_path%3Dtimetracker"
    yoyo(database, "apply", "--config", str(ROOT / "yoyo.ini"), folder=tmp_path, url=url)

    places = database.query("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename ~ '^(users|_yoyo_.*)$'")
    assert places == [("timetracker",)]
