"""What test_any_old_database.py and the samples have found, each with the least that shows it."""

from adoption.checks import require_refusal
from adoption.traits import BASE, REFUSED
from adoption.trial import old_database, require_adoption
from installation import contents_of

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


def test_the_last_id_of_its_type_leaves_room_for_the_next_row(laboratory):
    """The sequence could not go on after it, which stopped the start once everything else was mended."""
    last = "INSERT INTO projects (id, name, client) VALUES (2147483647, 'the last', 'c');\n"
    refers = "INSERT INTO time_entries (id, project_id, start_time) VALUES (2147483647, 2147483647, '2025-01-01');"
    require_adoption(laboratory, BASE + last + refers, [])


def test_tables_of_another_owner_are_refused_before_anything_changes(laboratory):
    with old_database(laboratory, BASE + ENTRY) as database:
        database.execute("ALTER TABLE tasks OWNER TO postgres; GRANT ALL ON tasks TO owner", user="postgres")
        before = contents_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 5, start.said
        assert "ALTER TABLE public.tasks OWNER TO owner" in start.said
        assert contents_of(database) == before
