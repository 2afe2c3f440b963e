"""A released migration is never edited: databases in the field have applied it as it was."""

from hashlib import sha256

from installation import ROOT

SQL = ROOT / "sql"


def test_no_released_migration_was_edited_or_taken_away():
    for line in (SQL / "runner" / "released.sha256").read_text("ascii").splitlines():
        digest, name = line.split("  ")
        content = (SQL / name).read_bytes()
        assert sha256(content).hexdigest() == digest, f"sql/{name} is released: put it back, and add the next migration"


def test_the_list_of_released_migrations_goes_on_without_a_gap():
    names = [line.split("  ")[1] for line in (SQL / "runner" / "released.sha256").read_text("ascii").splitlines()]
    numbered = [name for name in names if name[0].isdigit() and not name.endswith(".rollback.sql")]
    assert [int(name[:4]) for name in numbered] == list(range(1, len(numbered) + 1))
