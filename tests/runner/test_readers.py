"""A role that may only read, or not even that, can verify the schema: pg_catalog is open to everybody."""

import json

import pytest
from installation import contents_of, errors_in

READER = "Bob-1"  # the name needs quotes in SQL
TABLES = [
    "display_preferences",
    "invoice_items",
    "invoices",
    "projects",
    "settings",
    "submitted_forms",
    "tasks",
    "time_entries",
    "users",
]
SEQUENCES_NOT_READ = [f"changed notice sequence {table}.id" for table in TABLES]


@pytest.fixture
def onlooker(server, migrated):
    """A role with nothing but CONNECT on the database and USAGE of the schema."""
    migrated.let_only_the_owner_create()
    server.execute(f"CREATE ROLE \"{READER}\" LOGIN PASSWORD '{READER}'")
    migrated.execute(
        f'REVOKE ALL ON DATABASE {migrated.name} FROM PUBLIC; GRANT CONNECT ON DATABASE {migrated.name} TO "{READER}"'
    )
    migrated.execute(
        f'REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO "{READER}"', user="postgres"
    )
    yield READER
    migrated.execute(f'DROP OWNED BY "{READER}"', user="postgres")
    server.execute(f'DROP ROLE "{READER}"')


@pytest.fixture
def reader(onlooker, migrated):
    """A role with SELECT on every table, as administrators grant it: that leaves the sequences out."""
    migrated.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{onlooker}"')
    return onlooker


def found_in(result) -> list[str]:
    return [
        f"{found['kind']} {found['severity']} {found['object']}" for found in json.loads(result.stdout)["differences"]
    ]


@pytest.mark.parametrize("role", ["reader", "onlooker"])
def test_it_verifies_all_but_the_sequences(request, migrated, run_runner, role):
    url = migrated.url_as(request.getfixturevalue(role))
    result = run_runner("verify", "--json", database=url)
    assert found_in(result) == SEQUENCES_NOT_READ
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("role", ["reader", "onlooker"])
def test_it_is_told_what_to_grant_to_have_the_sequences_checked(request, migrated, run_runner, role):
    url = migrated.url_as(request.getfixturevalue(role))
    migrated.execute("ALTER SEQUENCE users_id_seq RESTART")
    for difference in json.loads(run_runner("verify", "--json", database=url).stdout)["differences"]:
        migrated.execute(difference["remedy"])

    assert found_in(run_runner("verify", "--json", database=url)) == ["changed error sequence users.id"]


def test_it_sees_every_other_damage(onlooker, migrated, run_runner):
    migrated.execute("""
        ALTER TABLE users DROP CONSTRAINT users_username_key, DISABLE TRIGGER update_users_updated_at;
        ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey;
        ALTER TABLE projects ALTER status DROP DEFAULT;
        CREATE RULE nothing AS ON DELETE TO settings DO INSTEAD NOTHING;
        CREATE POLICY everybody ON app_secrets USING (true);
        ALTER FUNCTION update_updated_at_column() SECURITY DEFINER;
        DROP INDEX idx_users_role;
        ALTER TABLE invoice_items ADD CHECK (quantity > 0);
    """)
    result = run_runner("verify", "--json", database=migrated.url_as(onlooker))
    assert found_in(result) == [
        "changed error table app_secrets",
        "changed error table settings",
        "changed error column projects.status",
        "missing error unique users.username",
        "missing error foreign key tasks.created_by",
        "changed error function update_updated_at_column()",
        "changed error trigger users.update_users_updated_at",
        "extra warning check invoice_items.invoice_items_quantity_check",
        "missing warning index users.idx_users_role",
        *SEQUENCES_NOT_READ,
    ]
    assert result.returncode == 1


def test_it_changes_nothing_and_sees_no_secret(reader, migrated, run_runner):
    before = contents_of(migrated)
    result = run_runner("verify", database=migrated.url_as(reader))
    assert contents_of(migrated) == before
    assert migrated.query("SELECT count(*) FROM app_secrets")[0][0] == 1
    assert migrated.query("SELECT count(*) FROM app_secrets", user=READER)[0][0] == 0
    assert migrated.query("SELECT value FROM app_secrets")[0][0] not in result.stdout


def test_row_security_hides_no_damage_from_it(reader, migrated, run_runner):
    """It sees no row of users, and so cannot tell of their sequence; but it is told of the row security."""
    migrated.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    result = run_runner("verify", "users", "--json", database=migrated.url_as(reader))
    assert found_in(result)[0] == "changed error table users"
    assert result.returncode == 1


def test_it_reads_the_status(reader, migrated, run_runner):
    mine = run_runner("status", "--json", database=migrated.url_as(reader))
    assert mine.stdout == run_runner("status", "--json", database=migrated).stdout


def test_without_the_schema_it_is_told_what_is_lacking(onlooker, migrated, run_runner):
    migrated.execute(f'REVOKE USAGE ON SCHEMA public FROM "{READER}"', user="postgres")
    result = run_runner("verify", "--json", database=migrated.url_as(onlooker))
    (line,) = errors_in(result)
    assert f'GRANT USAGE ON SCHEMA ... TO "{READER}"' in line
    assert (result.returncode, result.stdout) == (5, "")


def test_status_tells_what_to_grant_to_a_role_whose_name_needs_quotes(onlooker, migrated, run_runner):
    migrated.execute('ALTER SCHEMA public RENAME TO "My Schema"', user="postgres")
    migrated.execute(f'ALTER DATABASE {migrated.name} SET search_path = "My Schema"', user="postgres")
    result = run_runner("status", database=migrated.url_as(onlooker))
    assert result.returncode == 5
    migrated.execute(errors_in(result)[0].rpartition(": ")[2])
    assert run_runner("status", database=migrated.url_as(onlooker)).returncode == 0
