"""The document that describes the schema, compared with what the migrations make.

The document's tables are made in a schema of their own from its text as it stands, so that the server itself
reads the types, the defaults and the references; then both schemas are asked the same questions.
"""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from installation import migration_files
from psycopg2 import sql

DOCUMENT = (Path(__file__).parents[1] / "document" / "enhanced-database-startup.md").read_text("utf-8")
TABLES = ("users", "projects", "time_entries", "tasks", "settings", "invoices", "invoice_items")
LAST_OF_THE_DOCUMENT = 25  # the number of the last migration that makes what it describes
INDEX = re.compile(r"^CREATE INDEX (?:CONCURRENTLY )?IF NOT EXISTS (\w+)", re.MULTILINE)

# What the document calls its groups of indexes.
INDEXED_TABLES = {
    "User authentication": "users",
    "Project queries": "projects",
    "Time tracking": "time_entries",
    "Task management": "tasks",
    "Invoice management": "invoices",
}

COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
FROM pg_attribute
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
KEYS = """
SELECT pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f', 'c')
"""


def section(heading: str) -> str:
    """Return the text from a heading to the next one. Raises LookupError if there is no such heading."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    if not found:
        raise LookupError(f"the document has no heading {heading!r}")
    return found.group(1)


def table_blocks() -> dict[str, str]:
    """Return the DDL block of each table, by the table's name."""
    return dict(re.findall(r"^#### (\w+)\n+```sql\n(.*?)```", DOCUMENT, re.MULTILINE | re.DOTALL))


def in_reference_order(blocks: dict[str, str]) -> list[str]:
    """Order the tables so that each comes after those that it refers to."""
    references = {table: set(re.findall(r"REFERENCES (\w+)", block)) for table, block in blocks.items()}
    return list(TopologicalSorter(references).static_order())


def documented_indexes() -> list[tuple[str, str]]:
    """Return (table, column) for each index that the document lists."""
    lines = re.findall(r"^- ([^:\n]+): (.+)$", section("Indexes"), re.MULTILINE)
    return [(INDEXED_TABLES[group], name) for group, names in lines for name in re.findall(r"`(\w+)`", names)]


@pytest.fixture
def ask(applied, connect):
    """Return a function that asks a question about a table, as documented or as applied."""
    connection = connect(applied)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schemas = {"applied": cursor.fetchone()[0], "document": "document"}
        cursor.execute("CREATE SCHEMA document")
        cursor.execute("SET search_path TO document")
        blocks = table_blocks()
        for table in in_reference_order(blocks):
            cursor.execute(f"CREATE TABLE {table} ({blocks[table]})")

        def answer(schema: str, question: str, table: str) -> set[tuple]:
            cursor.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schemas[schema])))
            cursor.execute(question, [table])
            return set(cursor.fetchall())

        yield answer


def test_the_document_has_a_block_for_each_table_that_it_names():
    named = re.findall(r"^- `(\w+)` - ", section("Tables Created"), re.MULTILINE)
    assert sorted(table_blocks()) == sorted(named) == sorted(TABLES)


def test_every_table_is_as_documented(ask):
    for table in TABLES:
        columns = ask("document", COLUMNS, table)
        assert len(columns) >= 7
        assert ask("applied", COLUMNS, table) == columns, table


def test_every_key_is_as_documented(ask):
    """Primary, unique and foreign keys, with the foreign ones' actions."""
    for table in TABLES:
        keys = ask("document", KEYS, table)
        assert "PRIMARY KEY (id)" in {key for (key,) in keys}
        assert ask("applied", KEYS, table) == keys, table


def test_every_documented_index_exists(applied):
    indexes = documented_indexes()
    assert len(indexes) == 16
    for table, column in [*indexes, ("invoice_items", "invoice_id")]:
        definition = applied.query(
            "SELECT pg_get_indexdef(indexrelid, 0, true) FROM pg_index WHERE indexrelid = %s::regclass",
            f"idx_{table}_{column}",
        )
        assert definition == [(f"CREATE INDEX idx_{table}_{column} ON {table} USING btree ({column})",)]


def test_there_is_no_index_that_nobody_asked_for(applied):
    """The later files, which the app's pages asked for, each say what their index is for."""
    indexes = applied.query("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
    plain = {name for (name,) in indexes if not name.endswith(("_pkey", "_key"))}
    expected = [*documented_indexes(), ("invoice_items", "invoice_id")]
    later = "".join(file.read_text("ascii") for file in migration_files()[LAST_OF_THE_DOCUMENT:])
    assert plain == {f"idx_{table}_{column}" for table, column in expected} | set(INDEX.findall(later))


def test_every_documented_table_with_updated_at_has_a_trigger_that_keeps_it(applied):
    assert "all tables that have this column" in section("Triggers")
    with_column = [table for table, block in table_blocks().items() if "\nupdated_at " in block]
    triggers = applied.query("SELECT pg_get_triggerdef(oid, true) FROM pg_trigger WHERE NOT tgisinternal")
    assert {definition for (definition,) in triggers} == {
        f"CREATE TRIGGER update_{table}_updated_at BEFORE UPDATE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()"
        for table in with_column
    }
    assert len(triggers) == 6
