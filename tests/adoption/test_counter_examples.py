"""What test_any_old_database.py and the samples have found, each with the least that shows it."""

from adoption.checks import TRIAL, require_refusal
from adoption.traits import BASE, REFUSED, TRAITS
from adoption.trial import old_database, require_adoption, try_refusal
from installation import contents_of, yoyo

ENTRY = "INSERT INTO time_entries (id, start_time) VALUES (1, '2025-01-01 09:00');\n"


def test_a_time_that_is_none_does_not_hide_what_else_is_in_the_way(laboratory):
    """To keep the times as they were found failed on a column of text, and that was the only reason told."""
    dirty = [trait for trait in REFUSED if trait.name in ("text that is no time", "a user without a name")]
    assert len(dirty) == 2
    with old_database(laboratory, BASE + ENTRY + "\n".join(trait.sql for trait in dirty)) as database:
        before = contents_of(database)
        require_refusal(before, database, laboratory.forks.run("migrate", url=database.url), dirty)


def test_ids_of_entries_that_are_used_twice_do_not_hide_what_else_is_in_the_way(laboratory):
    """To keep the times and the numbers of tasks by them failed, and that was the only reason told."""
    keys = ("pkey", "task_id_fkey")
    twice = "".join(f"ALTER TABLE time_entries DROP CONSTRAINT time_entries_{key};\n" for key in keys)
    twice += ENTRY + "UPDATE time_entries SET task_id = 777;\n"
    (dirty,) = (trait for trait in REFUSED if trait.name == "a user without a name")
    with old_database(laboratory, BASE + ENTRY + twice + dirty.sql) as database:
        before = contents_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        require_refusal(before, database, start, [dirty])
        assert "primary key time_entries: " in start.said


def test_settings_as_key_and_value_do_not_hide_what_is_in_the_way(laboratory):
    """They have no id, and to look for its sequence failed, which was the only reason told."""
    traits = [trait for trait in TRAITS if trait.name == "settings as key and value"]
    traits += [trait for trait in REFUSED if trait.name == "a user without a name"]
    assert len(traits) == 2
    try_refusal(laboratory, "", traits)


def test_a_role_with_capitals_in_its_name_is_told_what_is_in_the_way(laboratory):
    """Its name was looked for in small letters."""
    (dirty,) = (trait for trait in REFUSED if trait.name == "a user without a name")
    with old_database(laboratory, BASE + dirty.sql) as database:
        database.execute("CREATE ROLE \"The DBA\" SUPERUSER LOGIN PASSWORD 'The DBA'", user="postgres")
        try:
            before = contents_of(database)
            start = laboratory.forks.run("migrate", url=database.url_as("The DBA"))
            require_refusal(before, database, start, [dirty])
        finally:
            database.execute('DROP ROLE "The DBA"', user="postgres")


def test_the_last_id_of_its_type_leaves_room_for_the_next_row(laboratory):
    """The sequence could not go on after it, which stopped the start once everything else was mended."""
    last = "INSERT INTO projects (id, name, client) VALUES (2147483647, 'the last', 'c');\n"
    refers = "INSERT INTO time_entries (id, project_id, start_time) VALUES (2147483647, 2147483647, '2025-01-01');"
    require_adoption(laboratory, BASE + last + refers, [])


def test_a_sequence_that_is_nobodys_becomes_the_tables_own_and_that_of_another_table_does_not(laboratory):
    """So a dump by hand leaves them; the settings row takes its number from the sequence that the table owns."""
    nobodys = "ALTER SEQUENCE settings_id_seq OWNED BY NONE; ALTER SEQUENCE users_id_seq OWNED BY NONE;"
    shared = "DROP SEQUENCE tasks_id_seq CASCADE; ALTER TABLE tasks ALTER id SET DEFAULT nextval('projects_id_seq');"
    with old_database(laboratory, BASE + nobodys + shared) as database:
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        owned = "SELECT t, pg_get_serial_sequence(t, 'id') FROM unnest(%s::text[]) AS t"
        tables = ["settings", "users", "tasks", "projects"]
        assert database.query(owned, tables) == [(table, f"public.{table}_id_seq") for table in tables]
        assert database.query("SELECT count(*) FROM settings") == [(1,)]
        database.execute("DROP TABLE tasks, users CASCADE")
        assert database.query("SELECT relname FROM pg_class WHERE relname IN ('tasks_id_seq', 'users_id_seq')") == []


def test_tables_of_another_owner_are_refused_before_anything_changes(laboratory):
    with old_database(laboratory, BASE + ENTRY) as database:
        database.execute("ALTER TABLE tasks OWNER TO postgres; GRANT ALL ON tasks TO owner", user="postgres")
        before = contents_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 5, start.said
        assert "ALTER TABLE public.tasks OWNER TO owner" in start.said
        assert contents_of(database) == before


ALEMBIC_INVOICES = """
CREATE TABLE clients (id SERIAL PRIMARY KEY, name VARCHAR(200) NOT NULL, email VARCHAR(200), address TEXT);
INSERT INTO clients (id, name, email) VALUES (1, 'a client', 'a@client.example'), (2, 'another', NULL);
ALTER TABLE invoices ADD client_id INTEGER, DROP client_name, DROP client_email;
ALTER TABLE invoice_items DROP time_entry_ids, ADD time_entry_id INTEGER;
INSERT INTO projects (id, name, client) VALUES (1, 'a project', 'of the project');
INSERT INTO invoices (id, invoice_number, client_id, project_id, issue_date, due_date)
    VALUES (1, 'A', 1, 1, '2025-01-01', '2025-02-01'), (2, 'B', 2, NULL, '2025-01-01', '2025-02-01'),
        (3, 'C', NULL, 1, '2025-01-01', '2025-02-01');
INSERT INTO invoice_items (id, invoice_id, description, unit_price, total_amount, time_entry_id)
    VALUES (1, 1, 'd', 1, 1, 7);
"""


def test_invoices_that_name_their_client_by_its_number_get_its_name(laboratory):
    """So the first revision of Alembic made them, without client_name; the start failed and did not say what to do."""
    with old_database(laboratory, BASE + ALEMBIC_INVOICES) as database:
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        assert database.query("SELECT client_name, client_email FROM invoices ORDER BY id") == [
            ("a client", "a@client.example"),
            ("another", None),
            ("of the project", None),
        ]
        assert database.query("SELECT time_entry_ids FROM invoice_items") == [("7",)]


def test_a_required_column_that_is_not_there_is_told_with_its_rows(laboratory):
    """The scaffold's tasks had no created_by; to set NOT NULL failed, and named no row."""
    rows = """
    ALTER TABLE tasks DROP created_by;
    INSERT INTO projects (id, name, client) VALUES (1, 'p', 'c');
    INSERT INTO tasks (id, project_id, name) VALUES (4, 1, 'a'), (17, 1, 'b');
    """
    with old_database(laboratory, BASE + rows) as database:
        before = contents_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        require_refusal(before, database, start, [])
        assert "column tasks.created_by: there is no such column" in start.said
        assert "(id 4, 17)" in start.said
        database.execute(
            "ALTER TABLE tasks ADD COLUMN created_by integer; INSERT INTO users (id, username) VALUES (1, 'u')"
        )
        database.execute("UPDATE tasks SET created_by = 1")
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said


def test_tasks_of_nobody_become_those_of_the_first_administrator(laboratory):
    """So the scaffold made them: there was no created_by to be empty."""
    rows = """
    ALTER TABLE tasks DROP created_by;
    INSERT INTO users (id, username, role) VALUES (1, 'anna', 'user'), (2, 'boss', 'admin'), (3, 'other', 'admin');
    INSERT INTO projects (id, name, client) VALUES (1, 'p', 'c');
    INSERT INTO tasks (id, project_id, name) VALUES (4, 1, 'a'), (17, 1, 'b');
    """
    with old_database(laboratory, BASE + rows) as database:
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        assert "to decide: column tasks.created_by, 2 rows: nobody knew who made these tasks" in start.said
        assert database.query("SELECT id, created_by FROM tasks ORDER BY id") == [(4, 2), (17, 2)]


def test_deferred_keys_stop_no_file_that_fills_two_columns_of_a_row_by_hand(laboratory):
    """The second UPDATE of a row leaves a check of its key to the end of the transaction, and ALTER TABLE refuses."""
    rows = """
    ALTER TABLE tasks ALTER CONSTRAINT tasks_project_id_fkey DEFERRABLE INITIALLY DEFERRED;
    ALTER TABLE tasks ALTER status DROP NOT NULL, ALTER priority DROP NOT NULL;
    ALTER TABLE time_entries ALTER CONSTRAINT time_entries_task_id_fkey DEFERRABLE INITIALLY DEFERRED;
    ALTER TABLE time_entries ALTER source DROP NOT NULL, ALTER billable DROP NOT NULL, DROP project_id,
        ADD description TEXT, ADD duration INTERVAL;
    ALTER TABLE invoices ALTER CONSTRAINT invoices_project_id_fkey DEFERRABLE INITIALLY DEFERRED;
    ALTER TABLE invoices ALTER status DROP NOT NULL, ALTER tax_rate DROP NOT NULL;
    INSERT INTO users (id, username) VALUES (1, 'u');
    INSERT INTO projects (id, name, client) VALUES (1, 'p', 'c');
    INSERT INTO tasks (id, project_id, name, created_by, status, priority) VALUES (4, 1, 'a', 1, NULL, NULL);
    INSERT INTO time_entries (task_id, start_time, source, billable, description, duration)
        VALUES (4, '2025-01-01', NULL, NULL, 'of the scaffold', '1 hour');
    INSERT INTO invoices (invoice_number, client_name, project_id, issue_date, due_date, status, tax_rate)
        VALUES ('A', 'c', 1, '2025-01-01', '2025-01-01', NULL, NULL);
    """
    with old_database(laboratory, BASE + rows) as database:
        result = yoyo(database, "apply")
        assert result.returncode == 0, result.stderr
        assert database.query("SELECT project_id, notes, duration_seconds, source FROM time_entries") == [
            (1, "of the scaffold", 3600, "manual")
        ]


def test_a_generated_column_is_told_with_what_to_do(laboratory):
    generated = "ALTER TABLE projects DROP status, ADD status VARCHAR(20) GENERATED ALWAYS AS ('active') STORED"
    with old_database(laboratory, BASE + generated) as database:
        before = contents_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        require_refusal(before, database, start, [])
        assert "ALTER TABLE projects ALTER COLUMN status DROP EXPRESSION" in start.said
        database.execute("ALTER TABLE projects ALTER COLUMN status DROP EXPRESSION")
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said


def test_what_refers_to_an_id_beyond_integer_is_made_as_wide(laboratory):
    """Tables that were missing got an integer, and took no row for the newest user."""
    rows = """
    DROP TABLE tasks, invoice_items, invoices CASCADE;
    ALTER TABLE users ALTER id TYPE BIGINT;
    ALTER TABLE time_entries DROP user_id;
    INSERT INTO users (id, username) VALUES (5000000000, 'from an import');
    """
    with old_database(laboratory, BASE + rows) as database:
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        database.execute("""
            INSERT INTO projects (id, name, client) VALUES (70, 'p', 'c');
            INSERT INTO tasks (project_id, name, created_by, assigned_to) VALUES (70, 't', 5000000000, 5000000000);
            INSERT INTO time_entries (user_id, start_time) VALUES (5000000000, '2025-01-01');
            INSERT INTO invoices (invoice_number, client_name, issue_date, due_date, created_by)
                VALUES ('A', 'c', '2025-01-01', '2025-01-02', 5000000000);
        """)
        invited = laboratory.forks.run("invite", "from an import", url=database.url)
        assert invited.code == 0, invited.said


def test_a_setting_that_is_too_long_for_its_column_is_told_and_not_cut_off(laboratory):
    pairs = """
    DROP TABLE settings;
    CREATE TABLE settings (id SERIAL PRIMARY KEY, key TEXT, value TEXT);
    INSERT INTO settings (key, value) VALUES ('export_delimiter', ';;'), ('currency', 'CHF');
    """
    with old_database(laboratory, BASE + pairs) as database:
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        assert database.query("SELECT export_delimiter, currency FROM settings WHERE id = 1") == [(",", "CHF")]
        assert "nothing was taken from the row whose key is export_delimiter" in start.said


def test_what_an_earlier_adoption_kept_is_told_and_not_overwritten(laboratory):
    """After a restore of the tables alone it is still there; to make it again failed without a word on what to do."""
    kept = """
    CREATE SCHEMA public_archive; COMMENT ON SCHEMA public_archive IS 'What rollbacks of TimeTracker took away';
    CREATE TABLE public_archive.adoption_times (id INTEGER); CREATE TABLE public_archive.adoption_task_ids (id INTEGER);
    ALTER TABLE time_entries DROP CONSTRAINT time_entries_task_id_fkey; UPDATE time_entries SET task_id = 99;
    """
    with old_database(laboratory, BASE + ENTRY + kept) as database:
        for name in ("adoption_times", "adoption_task_ids"):
            before = contents_of(database)
            start = laboratory.forks.run("migrate", url=database.url)
            require_refusal(before, database, start, [])
            mending = f"ALTER TABLE public_archive.{name} RENAME TO {name}_before"
            assert mending in start.said
            database.execute(mending)
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said


def test_how_a_role_writes_names_and_texts_does_not_matter(laboratory):
    """With quote_all_identifiers a day was "date", not date, and no type was what it should be."""
    with old_database(laboratory, BASE + ENTRY) as database:
        for setting in ("quote_all_identifiers = on", "standard_conforming_strings = off"):
            database.execute(f"ALTER ROLE owner IN DATABASE {database.name} SET {setting}")
        database.execute("INSERT INTO projects (id, name, client) VALUES (1, 'p', 'c')")
        database.execute("ALTER TABLE projects ALTER hourly_rate TYPE TEXT; UPDATE projects SET hourly_rate = '12.5'")
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        assert database.query("SELECT hourly_rate::text FROM projects") == [("12.50",)]


def test_what_differs_without_harm_is_not_healed_in_vain_right_after_an_adoption(laboratory):
    """Alembic gave prices a default, which no file takes away: all were replayed under locks, to no avail."""
    harmless = "ALTER TABLE invoice_items ALTER unit_price SET DEFAULT 0; ALTER TABLE invoice_items SET UNLOGGED;"
    with old_database(laboratory, BASE + harmless) as database:
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        assert "warning: changed column invoice_items.unit_price" in start.said
        assert "warning: changed table invoice_items" in start.said
        assert "ealing" not in start.said
        assert database.query("SELECT FROM startup_marks WHERE name = 'heal failed'") == []


def require_mended(laboratory, database, start, *obstacles):
    """See that a start was refused for these reasons, each with SQL that mends it, and arrives after that."""
    told = [line for line in start.said.splitlines() if "To mend it: " in line]
    assert len(told) == len(obstacles), start.said
    for obstacle, line in zip(obstacles, told, strict=True):
        assert obstacle in line
        database.execute(line.split("To mend it: ")[1], user="postgres")
    start = laboratory.forks.run("migrate", url=database.url)
    assert start.code == 0, start.said
    database.execute(f"BEGIN; {TRIAL} ROLLBACK")


def refused(laboratory, database):
    """Start, and see that it is refused and nothing changed."""
    before = contents_of(database)
    start = laboratory.forks.run("migrate", url=database.url)
    require_refusal(before, database, start, [])
    return start


def test_what_keeps_new_rows_out_is_told_and_not_called_a_success(laboratory):
    """Checks and triggers of others stay; one that asks for what the app does not write let nobody record an hour."""
    rows = """
    ALTER TABLE time_entries RENAME start_time TO start_utc;
    ALTER TABLE time_entries RENAME end_time TO end_utc;
    CREATE TABLE log (id SERIAL PRIMARY KEY, what TEXT);
    CREATE FUNCTION duration_of() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN
        NEW.duration_seconds := extract(epoch FROM NEW.end_utc - NEW.start_utc);
        RETURN NEW;
    END $$;
    CREATE TRIGGER duration_of BEFORE INSERT OR UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION duration_of();
    CREATE FUNCTION keep_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO log (what) VALUES (NEW.name);
        RETURN NEW;
    END $$;
    CREATE TRIGGER keep_log BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION keep_log();
    ALTER TABLE tasks ADD CONSTRAINT known CHECK (status IN ('todo', 'done'));
    INSERT INTO projects (id, name, client) VALUES (1, 'p', 'c');
    INSERT INTO time_entries (project_id, start_utc) VALUES (1, '2025-01-01');
    """
    with old_database(laboratory, BASE + rows) as database:
        database.execute("ALTER TABLE tasks ALTER status SET DEFAULT 'todo'")
        start = refused(laboratory, database)
        assert 'violates check constraint "known"' in start.said
        database.execute("ALTER TABLE tasks DROP CONSTRAINT known")
        start = refused(laboratory, database)
        require_mended(
            laboratory, database, start, 'table time_entries: a new row is refused: record "new" has no field'
        )
        assert database.query("SELECT count(*), max(id) FROM log") == [(1, 1)]
        assert database.query("SELECT last_value FROM log_id_seq") == [(2,)]  # of the trial above


def test_a_check_of_a_superseded_column_is_told_with_the_sql_that_takes_it_away(laboratory):
    beside = """
    ALTER TABLE time_entries ADD start_utc TIMESTAMP, ADD CONSTRAINT in_utc CHECK (start_utc IS NOT NULL);
    ALTER TABLE invoices ADD CONSTRAINT priced CHECK (subtotal > 0);
    """
    with old_database(laboratory, BASE + beside) as database:
        start = refused(laboratory, database)
        require_mended(laboratory, database, start, '"in_utc"', '"priced"')


def test_a_key_to_a_table_of_somebody_else_does_not_stop_an_adoption(laboratory):
    """It keeps out new users, but not the entries of those that are there; verify tells it."""
    mirrored = """
    INSERT INTO users (id, username) VALUES (1, 'u');
    CREATE TABLE employees (id INTEGER PRIMARY KEY);
    INSERT INTO employees VALUES (1);
    ALTER TABLE time_entries ADD FOREIGN KEY (user_id) REFERENCES employees (id), ADD CHECK (duration_seconds >= 0);
    """
    with old_database(laboratory, BASE + mirrored) as database:
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        assert "warning: extra foreign key time_entries.user_id" in start.said
        database.execute("INSERT INTO time_entries (user_id, start_time) VALUES (1, '2025-01-01')")


def test_clients_that_cannot_be_read_or_told_by_their_number_are_told_with_what_to_do(laboratory):
    """Nothing but PostgreSQL's words was said: permission denied; operator does not exist."""
    clients = """
    CREATE TABLE clients (id SERIAL PRIMARY KEY, name VARCHAR(200));
    INSERT INTO clients (name) VALUES ('a client');
    ALTER TABLE projects ADD client_id TEXT, ALTER client DROP NOT NULL;
    INSERT INTO projects (id, name, client_id) VALUES (1, 'p', '1');
    """
    with old_database(laboratory, BASE + clients) as database:
        database.execute("ALTER TABLE clients OWNER TO postgres", user="postgres")
        start = refused(laboratory, database)
        (line,) = (line for line in start.said.splitlines() if "column projects.client_id: it is of type text" in line)
        database.execute(line.split("To mend it: ")[1])
        start = refused(laboratory, database)
        require_mended(laboratory, database, start, "table clients: owner may not read it")
        assert database.query("SELECT client FROM projects") == [("a client",)]


def test_tables_of_a_group_without_sequences_and_unlogged_ones_are_told_with_what_to_do(laboratory):
    """A sequence must belong to the owner of its table; a permanent table may not refer to an unlogged one."""
    with old_database(laboratory, BASE) as database:
        database.execute(
            "DROP TABLE tasks, time_entries, invoice_items, invoices CASCADE; ALTER TABLE users SET UNLOGGED"
        )
        require_mended(laboratory, database, refused(laboratory, database), "table users: it is unlogged")
    with old_database(laboratory, BASE) as database:
        database.execute("ALTER TABLE tasks ALTER id DROP DEFAULT; DROP SEQUENCE tasks_id_seq")
        database.execute("CREATE ROLE the_group; GRANT the_group TO owner", user="postgres")
        database.execute("ALTER TABLE tasks OWNER TO the_group", user="postgres")
        try:
            require_mended(laboratory, database, refused(laboratory, database), "column tasks.id: it has no sequence")
        finally:
            database.execute("ALTER TABLE tasks OWNER TO owner; DROP ROLE the_group", user="postgres")


def test_a_view_in_place_of_a_table_is_told_with_what_to_do(laboratory):
    """It was told as an ALTER TABLE that cannot be performed on a view."""
    with old_database(laboratory, BASE) as database:
        database.execute("DROP TABLE settings; CREATE TABLE options (id INTEGER)")
        database.execute("CREATE VIEW settings AS SELECT id FROM options")
        start = refused(laboratory, database)
        assert "found view public.settings in its place. Remedy: ALTER VIEW public.settings RENAME TO" in start.said
