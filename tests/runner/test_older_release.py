"""A rolled-back release: this version on a schema that a newer one has made."""

import pytest
from installation import contents_of, errors_in

NEWER = """\
ALTER TABLE projects ADD COLUMN IF NOT EXISTS colour TEXT;
CREATE TABLE IF NOT EXISTS tags (id SERIAL PRIMARY KEY, name TEXT);
CREATE INDEX IF NOT EXISTS idx_projects_colour ON projects (colour);
"""


@pytest.fixture
def newer(migrated, installation):
    """A database that the next version has migrated; gives it and the id of that version's file."""
    id = installation.add("colours", NEWER)
    result = installation.run("migrate", database=migrated, env={"HEAL": "off"})
    assert result.returncode == 0, result.stderr
    return migrated, id


@pytest.mark.parametrize("command", ["migrate", "verify"])
def test_starts_where_all_that_it_needs_is_there(newer, run_runner, command):
    database, id = newer
    before = contents_of(database)
    result = run_runner(command, database=database)
    assert result.returncode == 0, result.stderr
    assert contents_of(database) == before
    if command == "migrate":
        assert (
            f"notice: {id} is applied, and this version has no such file: a newer version was here; nothing is healed"
        ) in result.stderr


def test_heals_nothing_on_a_newer_schema(newer, run_runner):
    """What looks like damage may be what the newer version made of it."""
    database, _ = newer
    database.execute("DROP INDEX idx_users_role")
    before = contents_of(database)
    result = run_runner("migrate", database=database)
    assert result.returncode == 0, result.stderr
    assert "Healing" not in result.stderr
    assert "idx_users_role" in result.stderr
    assert contents_of(database) == before


def test_does_not_advise_to_take_away_what_is_the_newer_ones(newer, run_runner):
    database, _ = newer
    database.execute(
        "CREATE TRIGGER of_the_newer BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()"
    )
    result = run_runner("migrate", database=database)
    assert result.returncode == 0, result.stderr
    assert "extra trigger tasks.of_the_newer" in result.stderr
    assert "None, if it is the newer version's" in result.stderr
    assert "DROP TRIGGER" not in result.stderr


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("ALTER TABLE projects RENAME name TO title", "column projects.name"),
        ("DROP TABLE invoice_items", "table invoice_items"),
        ("ALTER TABLE invoices ADD COLUMN code TEXT NOT NULL", "column invoices.code"),
    ],
)
def test_refuses_where_something_that_it_needs_is_not_there(newer, run_runner, change, seen):
    database, _ = newer
    database.execute(change)
    before = contents_of(database)
    result = run_runner("migrate", database=database)
    assert result.returncode == 1
    assert seen in result.stderr
    assert errors_in(result)[-1] == "The schema is not the one that this version needs; nothing is served on it"
    assert contents_of(database) == before
