"""Fresh, older, damaged and current databases all arrive at the same schema, and no row is lost."""

import re
from collections import deque

import psycopg2
import pytest
from installation import ROOT, Installation, migration_files, yoyo
from psycopg2 import sql
from psycopg2.errors import ForeignKeyViolation, NotNullViolation

MIGRATIONS = migration_files()
LEGACY = ROOT / "tests" / "legacy"


def kept(old: dict[str, list[dict]], new: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """Narrow the new rows to the columns that the old ones had; the place of a row is no part of it."""
    columns = {table: rows[0].keys() - {"ctid", "xmin"} for table, rows in old.items() if rows}
    return {
        table: sorted(({name: row[name] for name in sorted(names)} for row in new[table]), key=str)
        for table, names in columns.items()
    }


def test_replaying_all_files_over_a_current_database_touches_nothing(connection, replay, catalog, rows):
    def files_of_the_tables():
        with connection.cursor() as cursor:
            cursor.execute("SELECT oid, relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            return sorted(cursor.fetchall())

    before = catalog(connection), rows(connection), files_of_the_tables()
    assert all(before[1].values())

    replay(connection)
    connection.commit()

    assert (catalog(connection), rows(connection), files_of_the_tables()) == before


def test_replaying_from_any_prefix_changes_no_row_and_ends_at_the_same_schema(
    database, connect, fresh, replay, insert_rows, catalog, rows
):
    connection = connect(database)
    for length in range(len(MIGRATIONS) + 1):
        with connection.cursor() as cursor:
            schema = sql.Identifier(f"after_{length}")
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
            cursor.execute(sql.SQL("SET search_path TO {}").format(schema))
        replay(connection, MIGRATIONS[:length])
        insert_rows(connection)
        connection.commit()
        before = rows(connection)

        replay(connection)
        connection.commit()

        assert catalog(connection) == fresh, length
        assert {**rows(connection), **before} == rows(connection), length


@pytest.mark.parametrize(
    ("name", "of_its_own"),
    [("04-v105-sql-4tables.sql", []), ("13-v121-half-init-empty.sql", ["clients", "projects.client_id"])],
)
def test_an_older_database_arrives_at_the_same_schema_with_its_rows_unchanged(
    database, connect, fresh, replay, catalog, rows, name, of_its_own
):
    database.execute((LEGACY / name).read_text("utf-8"))
    connection = connect(database)
    before = rows(connection)

    replay(connection)
    connection.commit()

    assert fresh - catalog(connection) == set()
    extra = catalog(connection) - fresh
    assert [line for line in extra if not any(word in line for word in of_its_own)] == []
    assert kept(before, rows(connection)) == kept(before, before)


def test_an_old_project_gets_the_name_of_its_client(database, connect, replay):
    database.execute((LEGACY / "13-v121-half-init-empty.sql").read_text("utf-8"))
    database.execute("INSERT INTO clients (name) VALUES ('Example & Sons')")
    database.execute("""
        INSERT INTO projects (name, client_id, updated_at)
        VALUES ('Relaunch', 1, '2024-01-02'), ('Garden', 7, '2024-01-02'), ('Attic', NULL, '2024-01-02')
    """)
    connection = connect(database)
    replay(connection)
    connection.commit()

    assert database.query("SELECT name, client, updated_at::date::text FROM projects ORDER BY id") == [
        ("Relaunch", "Example & Sons", "2024-01-02"),
        ("Garden", "Default Client", "2024-01-02"),
        ("Attic", "Default Client", "2024-01-02"),
    ]


def test_a_null_that_only_a_person_can_fill_stops_the_replay_and_is_named(connection, replay):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users ALTER username DROP NOT NULL")
        cursor.execute("UPDATE users SET username = NULL WHERE username = 'bob'")
    with pytest.raises(NotNullViolation, match='column "username" of relation "users" contains null values'):
        replay(connection)


def test_back_filling_fills_with_the_default_and_keeps_updated_at(connection, replay):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users DROP COLUMN is_active")
        cursor.execute("ALTER TABLE time_entries ALTER billable DROP NOT NULL, DISABLE TRIGGER USER")
        cursor.execute("UPDATE time_entries SET billable = NULL WHERE user_id = 1")
        connection.commit()
        cursor.execute("ALTER TABLE time_entries ENABLE TRIGGER USER")
        for file in MIGRATIONS:
            replay(connection, [file])
            connection.commit()

        cursor.execute("SELECT username, is_active, updated_at::date::text FROM users ORDER BY username")
        assert cursor.fetchall() == [
            ("alice", True, "2024-01-02"),
            ("bob", True, "2024-01-03"),
            ("carol", True, "2024-01-04"),
        ]
        cursor.execute("SELECT billable, updated_at::date::text FROM time_entries ORDER BY id")
        assert cursor.fetchall() == [(True, "2024-01-02"), (True, None)]


DAMAGES = {
    "tables and columns": [
        "DROP TABLE invoice_items",
        "DROP TABLE analytics, app_secrets, migration_hashes",
        "ALTER TABLE time_entries DROP COLUMN notes",
        "ALTER TABLE time_entries DROP COLUMN task_id",
        "ALTER TABLE settings DROP COLUMN company_name",
        "ALTER TABLE tasks DROP COLUMN updated_at",
        "ALTER TABLE projects ALTER status DROP DEFAULT",
        "ALTER TABLE settings ALTER timezone SET DEFAULT 'UTC'",
        "ALTER TABLE tasks ALTER name DROP NOT NULL",
        "ALTER TABLE invoices ALTER created_by SET NOT NULL",
        "ALTER TABLE app_secrets DISABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON app_secrets TO PUBLIC",
    ],
    "keys": [
        "ALTER TABLE users DROP CONSTRAINT users_username_key",
        "ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_fkey",
        """
        ALTER TABLE tasks
            DROP CONSTRAINT tasks_project_id_fkey,
            ADD FOREIGN KEY (project_id) REFERENCES projects (id)
        """,
        """
        ALTER TABLE tasks
            DROP CONSTRAINT tasks_assigned_to_fkey,
            ADD FOREIGN KEY (assigned_to) REFERENCES users (id) ON DELETE CASCADE
        """,
        """
        ALTER TABLE time_entries
            DROP CONSTRAINT time_entries_user_id_fkey,
            ADD CONSTRAINT fk_entry_user FOREIGN KEY (user_id) REFERENCES users (id) ON UPDATE CASCADE
        """,
        "ALTER TABLE time_entries ADD CONSTRAINT fk_entry_user FOREIGN KEY (user_id) REFERENCES users (id)",
    ],
    "indexes and triggers": [
        "DROP INDEX idx_time_entries_start_time",
        "DROP TRIGGER update_users_updated_at ON users",
        "ALTER TABLE users DISABLE TRIGGER update_users_updated_at",
        """
        DROP TRIGGER update_users_updated_at ON users;
        CREATE TRIGGER update_users_updated_at
            AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()
        """,
        """
        CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS TRIGGER
            LANGUAGE plpgsql SET work_mem = '1MB' AS 'BEGIN RETURN NEW; END;'
        """,
        "DROP FUNCTION update_updated_at_column CASCADE",
    ],
}


@pytest.mark.parametrize("damages", DAMAGES.values(), ids=DAMAGES.keys())
def test_replaying_cures_damage_to(connection, replay, catalog, rows, damages):
    healthy = catalog(connection)
    for damage in damages:
        with connection.cursor() as cursor:
            cursor.execute(damage)
        assert catalog(connection) != healthy, damage
        before = rows(connection)

        replay(connection)

        assert catalog(connection) == healthy, damage
        assert kept(before, rows(connection)) == kept(before, before), damage
        connection.rollback()


def test_an_index_that_was_left_invalid_is_built_anew(applied, connect, replay, catalog):
    connection = connect(applied)
    healthy = catalog(connection)
    connection.rollback()
    mark_invalid(applied, "idx_time_entries_start_time")
    assert catalog(connection) != healthy

    replay(connection)

    assert catalog(connection) == healthy


def mark_invalid(database, index: str) -> None:
    """Make an index look like the leftover of a failed CREATE INDEX CONCURRENTLY."""
    statement = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass"
    database.execute(statement, index, user="postgres")


def test_a_unique_index_of_another_name_serves_as_the_unique_key(connection, replay):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users DROP CONSTRAINT users_username_key")
        cursor.execute("CREATE UNIQUE INDEX ix_users_username ON users (username)")
        replay(connection)
        cursor.execute("""
            SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'users'::regclass AND indisunique
        """)
        assert sorted(cursor.fetchall()) == [("ix_users_username",), ("users_pkey",)]


def test_another_unique_index_does_not_serve_as_the_unique_key(connection, replay):
    for index in (
        "CREATE UNIQUE INDEX ix_users ON users (lower(username))",
        "CREATE UNIQUE INDEX ix_users ON users (username, role)",
        "CREATE UNIQUE INDEX ix_users ON users (username) WHERE is_active",
        "ALTER TABLE users ADD CONSTRAINT ix_users UNIQUE (username) DEFERRABLE",
    ):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE users DROP CONSTRAINT users_username_key")
            cursor.execute(index)
            replay(connection)
            cursor.execute("SELECT FROM pg_constraint WHERE conname = 'users_username_key' AND contype = 'u'")
            assert cursor.rowcount == 1, index
        connection.rollback()


ORPHANS = """
    ALTER TABLE invoice_items DROP CONSTRAINT invoice_items_invoice_id_fkey;
    INSERT INTO invoice_items (invoice_id, description, quantity, unit_price, total_amount)
        SELECT 99, 'Orphan', 1, 1, 1 FROM generate_series(1, 6);
    ALTER TABLE tasks DROP CONSTRAINT tasks_created_by_fkey
"""
UNPROVEN = "SELECT conname::text FROM pg_constraint WHERE NOT convalidated"


def test_a_key_that_rows_break_stays_not_valid_and_the_others_are_validated(connection, replay):
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS)
        connection.commit()
        connection.notices = deque()  # psycopg2 shortens a list
        replay(connection)
        cursor.execute(UNPROVEN)
        assert cursor.fetchall() == [("invoice_items_invoice_id_fkey",)]
        warnings = [notice for notice in connection.notices if notice.startswith("WARNING")]
        assert len(warnings) == 1
        assert warnings[0].startswith(
            "WARNING:  invoice_items_invoice_id_fkey stays NOT VALID: 6 rows of invoice_items break it, the first with"
            " id 2, 3, 4, 5, 6; all of them: SELECT * FROM invoice_items"
        )
        cursor.execute(warnings[0].partition("all of them: ")[2])
        assert cursor.rowcount == 6
        with pytest.raises(ForeignKeyViolation):
            cursor.execute("UPDATE invoice_items SET invoice_id = 98 WHERE id = 1")


def test_a_key_is_validated_as_soon_as_no_row_breaks_it(connection, replay, catalog):
    healthy = catalog(connection)
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS)
        replay(connection)
        cursor.execute("UPDATE invoice_items SET invoice_id = 1")
        replay(connection, [file for file in MIGRATIONS if "validate" in file.stem])
    assert catalog(connection) == healthy


def test_stock_yoyo_marks_the_validation_as_applied_whatever_the_rows_are(database):
    yoyo(database, "apply")
    database.execute(ORPHANS)
    for number in ("0016", "0017"):
        yoyo(database, "rollback", "--revision", number)
    result = yoyo(database, "apply")
    assert result.returncode == 0, result.stderr
    assert database.query(UNPROVEN) == [("invoice_items_invoice_id_fkey",)]
    assert database.query("SELECT count(*) FROM _yoyo_migration") == [(len(MIGRATIONS),)]


def test_keys_are_added_without_a_look_at_the_rows(database, tmp_path):
    """The lock of ADD CONSTRAINT would be held meanwhile."""
    installation = Installation(tmp_path / "timetracker")
    installation.keep(16)
    assert yoyo(database, "apply", folder=installation.folder).returncode == 0
    assert len(database.query(UNPROVEN)) == 9


def test_tables_of_another_schema_are_left_alone(database, connect, replay):
    """Damage of every kind next door, even on the search_path, is no business of ours."""
    database.execute("""
        CREATE TABLE public.users (id INTEGER, username TEXT);
        CREATE TABLE public.clients (id INTEGER, name TEXT);
        CREATE INDEX idx_users_username ON public.users (username);
        CREATE INDEX idx_clients_name ON public.clients (name);
        CREATE SCHEMA timetracker;
    """)
    for index in ("public.idx_users_username", "public.idx_clients_name"):
        mark_invalid(database, index)
    connection = connect(database)
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO timetracker, public")
        replay(connection)
        connection.commit()
        cursor.execute("SELECT FROM pg_tables WHERE schemaname = 'timetracker'")
        made = "".join(file.read_text("ascii") for file in MIGRATIONS)
        assert cursor.rowcount == len(re.findall(r"^CREATE TABLE IF NOT EXISTS ", made, re.MULTILINE))
        cursor.execute("SELECT FROM pg_index WHERE NOT indisvalid")
        assert cursor.rowcount == 2
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'")
        assert sorted(cursor.fetchall()) == [("id",), ("id",), ("name",), ("username",)]


def test_a_file_gives_up_when_another_session_holds_the_table(applied, connect):
    holder, waiter = connect(applied), connect(applied)
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE users IN ACCESS SHARE MODE")
    short = (ROOT / "sql" / "0007-users.sql").read_text("ascii").replace("'1s'", "'50ms'")
    with waiter.cursor() as cursor, pytest.raises(psycopg2.errors.LockNotAvailable):
        cursor.execute(short)
