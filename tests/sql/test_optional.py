"""The optional migrations: a trigram index on the notes of time entries."""

import subprocess
import sys
from pathlib import Path

import pytest

OPTIONAL = Path(__file__).parents[2] / "sql" / "optional"
FILES = sorted(OPTIONAL.glob("*.sql"))
INDEX = "idx_time_entries_notes_trigram"


def apply_optional(database) -> None:
    """Apply the optional folder as a DBA would."""
    command = [sys.executable, "-m", "yoyo", "apply", "--no-config-file", "--batch"]
    subprocess.run(
        [*command, "--database", database.url, str(OPTIONAL)],
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def plan_of_a_search(applied, connect):
    """Return a function that tells how the notes are searched when reading the whole table is avoided."""

    def explain() -> str:
        with connect(applied).cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN SELECT id FROM time_entries WHERE notes ILIKE '%invoice%'")
            return "\n".join(line for (line,) in cursor.fetchall())

    return explain


@pytest.fixture
def conditions(applied, connect):
    """Return a function that asks all conditions, as the owner or as a role that may do nothing."""

    def ask(*, privileged: bool) -> set[bool]:
        connection = connect(applied, None if privileged else "postgres")
        with connection.cursor() as cursor:
            if not privileged:
                cursor.execute("CREATE ROLE test_reader; SET LOCAL ROLE test_reader")
            cursor.execute("SELECT " + ", ".join(f"({condition(file)})" for file in FILES))
            answers = set(cursor.fetchone())
        connection.rollback()
        return answers

    return ask


def is_valid(database) -> list[tuple]:
    return database.query("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", INDEX)


def condition(file: Path) -> str:
    return file.read_text("ascii").splitlines()[0].removeprefix("-- requires: ")


def test_the_condition_holds_for_whoever_may_install_the_extension(conditions):
    assert conditions(privileged=True) == {True}
    assert conditions(privileged=False) == {False}


def test_the_condition_holds_for_every_role_once_the_extension_is_installed(applied, conditions):
    applied.execute("CREATE EXTENSION pg_trgm")
    assert conditions(privileged=False) == {True}


def test_the_index_serves_a_search_for_a_part_of_a_word(applied, plan_of_a_search):
    assert INDEX not in plan_of_a_search()
    apply_optional(applied)
    assert INDEX in plan_of_a_search()
    assert is_valid(applied) == [(True,)]


def test_an_invalid_leftover_is_built_anew_though_the_extension_lives_elsewhere(applied, plan_of_a_search):
    applied.execute("CREATE SCHEMA extensions")
    applied.execute("CREATE EXTENSION pg_trgm SCHEMA extensions")
    applied.execute(f"CREATE INDEX {INDEX} ON time_entries USING gin (notes extensions.gin_trgm_ops)")
    invalidate = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass"
    applied.execute(invalidate, INDEX, user="postgres")
    assert is_valid(applied) == [(False,)]

    apply_optional(applied)

    assert is_valid(applied) == [(True,)]
    assert INDEX in plan_of_a_search()


def test_no_lock_timeout_cuts_the_build_of_the_index_short(applied, connect):
    connection = connect(applied)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '7s'")
        cursor.execute(FILES[-1].read_text("ascii").split("CREATE INDEX")[0])
        connection.commit()
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
