"""Objects of the same names in another schema, which are somebody else's: never read, never written."""

import pytest
from installation import contents_of, errors_in

OLD = "tests/legacy/04-v105-sql-4tables.sql"
DAMAGE = """
DROP TRIGGER update_users_updated_at ON users;
DROP INDEX idx_tasks_status;
ALTER TABLE users DROP COLUMN role;
DROP TABLE invoice_items;
DELETE FROM settings;
"""


def of_others(database) -> dict:
    """The checksum of everything in the schema of the others."""
    return {name: checksum for name, checksum in contents_of(database).items() if name.startswith("others.")}


@pytest.fixture
def beside(database, run_runner, load_sql):
    """A database with an old installation in public, and a complete one with other rows in the schema others."""
    database.execute("CREATE SCHEMA others AUTHORIZATION owner", user="postgres")
    result = run_runner("migrate", database=f"{database.url}?options=-csearch_path%3Dothers")
    assert result.returncode == 0, result.stderr
    database.execute(
        "SET search_path = others; INSERT INTO users (username) VALUES ('somebody else');"
        "ALTER TABLE users DROP COLUMN role; DROP INDEX idx_tasks_status; ALTER TABLE tasks DISABLE TRIGGER USER;"
        "INSERT INTO yoyo_lock VALUES (1, now(), -1); DELETE FROM startup_marks"
    )
    load_sql(database, OLD)
    return database


def test_an_upgrade_and_a_healing_leave_them_alone(beside, run_runner):
    before = of_others(beside)
    assert len(before) > 20
    for command in ("plan", "migrate", "verify"):
        result = run_runner(command, database=beside)
        assert (result.returncode, errors_in(result)) == (0, []), result.stderr
    beside.execute(DAMAGE)
    result = run_runner("migrate", database=beside)
    assert result.returncode == 0, result.stderr
    assert "Healed column users.role" in result.stderr
    assert of_others(beside) == before


@pytest.mark.only_pg("pg18")
def test_nor_do_they_count_for_a_role_whose_schema_they_are_in(beside, server, run_runner):
    """The path of a role begins with the schema of its own name; which of two is meant must be said."""
    beside.execute("ALTER SCHEMA others RENAME TO owner", user="postgres")
    before = contents_of(beside)
    result = run_runner("migrate", database=beside)
    assert result.returncode == 5
    assert "the schemas owner and public, both on the search_path" in errors_in(result)[0]
    assert contents_of(beside) == before
    assert run_runner("migrate", database=f"{beside.url}?options=-csearch_path%3Dpublic").returncode == 0
    after = contents_of(beside)
    assert {name: sum for name, sum in after.items() if name.startswith("owner.")} == {
        name: sum for name, sum in before.items() if name.startswith("owner.")
    }
