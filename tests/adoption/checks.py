"""What must hold of a database after its adoption, and of one that was refused, told from the rows that were there."""

import contextlib
import re
from pathlib import Path
from typing import Any, NamedTuple

from adoption.traits import NOW, SEVEN, Moment, Number, Rows, Trait, expected_rows
from installation import contents_of, migration_files
from psycopg2 import sql

from startup.verification import verify

CATALOG = (Path(__file__).parent / "catalog.sql").read_text(encoding="ascii")
TABLES = """
SELECT relname, relkind
FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'm')
ORDER BY relname
"""
COLUMNS = (
    "SELECT attname FROM pg_attribute"
    " WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)

# What adoption and yoyo put beside what was there.
MADE = {
    table
    for file in migration_files()
    for table in re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+)", file.read_text("ascii"), re.MULTILINE)
}
BOOKKEEPING = re.compile(rf"_?yoyo_\w+|(?:{'|'.join(sorted(MADE - {*SEVEN}))})(?:_id_seq)?")
# The columns that a row cannot do without.
TRIAL = """
INSERT INTO users (username) VALUES ('a trial of adoption');
INSERT INTO projects (name, client) VALUES ('a trial', 'a client');
INSERT INTO tasks (project_id, name, created_by) SELECT max(p.id), 'a trial', max(u.id) FROM projects AS p, users AS u;
INSERT INTO time_entries (start_time) VALUES ('2025-01-01');
INSERT INTO settings DEFAULT VALUES;
INSERT INTO invoices (invoice_number, client_name, issue_date, due_date) 
    VALUES ('a trial', 'c', '2025-01-01', '2025-01-02');
INSERT INTO invoice_items (description, unit_price, total_amount) VALUES ('a trial', 1, 2);
"""
# A new database gets a first row in these; so does an old one in which there was none.
GET_A_FIRST_ROW = ("users", "projects", "settings")

Objects = dict[tuple[str, str, str], str]


class Picture(NamedTuple):
    """A database at one moment."""

    schema: str
    rows: Rows  # of the tables of the schema in use
    views: dict[str, list[str]]
    objects: Objects


def picture_of(database: Any) -> Picture:
    """Read all rows and all objects of a database."""
    rows, views = {}, {}
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'; SELECT current_schema()")
        schema = cursor.fetchone()[0]
        cursor.execute(TABLES)
        for relation, kind in cursor.fetchall():
            cursor.execute(COLUMNS, [relation])
            names = [name for (name,) in cursor.fetchall()]
            columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names)
            cursor.execute(sql.SQL("SELECT {} FROM {}").format(columns or sql.SQL("NULL"), sql.Identifier(relation)))
            found = [dict(zip(names, row, strict=False)) for row in cursor.fetchall()]
            if kind == "r":
                found.sort(key=str)
                rows[relation] = {row.get("id", f"row {number}"): row for number, row in enumerate(found)}
                assert len(rows[relation]) == len(found), f"ids of {relation} that exist twice"
            else:
                views[relation] = sorted(map(str, found))
        cursor.execute(f"SET search_path = ''; {CATALOG}")
        objects = {tuple(row[:3]): row[3] for row in cursor.fetchall()}
    return Picture(schema, rows, views, objects)


# --- Arrived ---


def require_arrival(before: Picture, database: Any, traits: list[Trait]) -> Picture:
    """See that all is there after an adoption that should be, and nothing else was touched."""
    after = picture_of(database)
    require_rows(expected_rows(before.rows, traits), after.rows)
    require_views(before, after)
    require_untouched(before, after, traits)
    require_usable(database)
    return after


def require_rows(expected: Rows, found: Rows) -> None:
    """See that each table holds the rows that are expected, and not one more."""
    wrong = []
    for table, rows in expected.items():
        left = dict(found.get(table, {}))
        for id, row in rows.items():
            other = left.pop(id if "id" in row else _like(row, left), None)
            if other is None:
                wrong.append(f"{table} {id}: the row is gone, or is not to be told from others: {row}")
                continue
            for column, value in row.items():
                actual = other.get(column, "no such column")
                if not _is_met(value, actual):
                    wrong.append(f"{table} {id}: {column}: expected {value!r}, found {actual!r}")
        if left and not (table in GET_A_FIRST_ROW and not rows and len(left) == 1):
            wrong.append(f"{table}: rows of nobody: {left}")
    assert not wrong, "\n".join(wrong[:20])


def _like(row: dict[str, Any], others: dict[str, dict[str, str | None]]) -> str | None:
    """The id of a row that had none: of the one that holds what is expected."""
    fits = (id for id, other in others.items() if all(_is_met(row[name], other.get(name)) for name in row))
    return next(fits, None)


def _is_met(expected: Any, found: str | None) -> bool:
    if expected == NOW:
        return found is not None
    if isinstance(expected, Number | Moment):
        return expected.is_met_by(found)
    return found == expected


def require_views(before: Picture, after: Picture) -> None:
    """See that the views that were there give the same rows."""
    for view, rows in before.views.items():
        assert after.views.get(view) == rows, f"the view {view}"


def require_untouched(before: Picture, after: Picture, traits: list[Trait]) -> None:
    """See that what is not ours is as it was, and that of ours nothing was lost that people made of it."""
    names = {(table, old): new for trait in traits for table, old, new in trait.renames}
    for (schema, relation, name), definition in before.objects.items():
        own = schema == before.schema and relation in SEVEN
        found = after.objects.get((schema, relation, name))
        if schema == before.schema and (
            relation in SEQUENCES or name in ("function update_updated_at_column()", _in_schema(schema, name))
        ):
            continue
        if not own:
            assert found == definition, f"{schema}.{relation}: {name}: was {definition}, is {found}"
        elif name == "relation":
            assert found == definition, f"{relation}: owner, privileges or comment: were {definition}, are {found}"
        elif name.startswith("remark on "):
            column = name.removeprefix("remark on ")
            renamed = names.get((relation, column), column)
            found = after.objects.get((schema, relation, f"remark on {renamed}"))
            assert found == definition, f"{relation}.{column}: privileges or comment: were {definition}, are {found}"
    for schema, relation, name in after.objects.keys() - before.objects.keys():
        ours = schema == before.schema and (
            relation in SEVEN or BOOKKEEPING.fullmatch(relation) or relation in SEQUENCES
        )
        archive = schema == f"{before.schema}_archive"
        function = schema == before.schema and name.startswith("function ")
        assert ours or archive or function, f"{schema}.{relation}: {name} is new"
    require_indexes(before, after, names)


SEQUENCES = {f"{table}_id_seq" for table in SEVEN} | {f"{table}_id_seq1" for table in SEVEN}


def _in_schema(schema: str, name: str) -> str:
    """The name of our function, which is replaced, written in full."""
    return name if name == f"function {schema}.update_updated_at_column()" else ""


def require_indexes(before: Picture, after: Picture, names: dict[tuple[str, str], str]) -> None:
    """See that for each index of our tables there still is one over the same columns, under whatever name."""

    def of(picture: Picture) -> set[tuple[str, str]]:
        found = set()
        for (schema, relation, name), definition in picture.objects.items():
            if schema == picture.schema and relation in SEVEN and name.startswith("index "):
                columns = re.search(r" USING (.*)", definition)[1]
                if picture is before:
                    for (table, old), new in names.items():
                        columns = re.sub(rf"\b{old}\b", new, columns) if table == relation else columns
                found.add((relation, columns))
        return found

    assert of(before) - of(after) == set(), "indexes that are lost"


def require_usable(database: Any) -> None:
    """See that verify finds no error, and that each table takes a row; nothing of that stays."""
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        errors = [f"{error.object}: {error.expected} <> {error.found}" for error in verify(connection).errors]
        assert not errors, "\n".join(errors)
        cursor.execute(f"BEGIN; {TRIAL}; ROLLBACK")


def require_no_write(database: Any, start: Any) -> None:
    """See that one more start writes nothing at all, not even what is the same."""
    before = contents_of(database)
    again = start()
    assert again.code == 0, again.said
    after = contents_of(database)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()


def require_same_catalog(one: Picture, other: Picture) -> None:
    """See that two ways led to the same objects, the bookkeeping apart."""

    def compared(picture: Picture) -> Objects:
        return {
            key: definition
            for key, definition in picture.objects.items()
            if not BOOKKEEPING.fullmatch(key[1]) and "gin_trgm_ops" not in definition  # of an optional migration
        }

    first, second = compared(one), compared(other)
    wrong = [key for key in first.keys() | second.keys() if first.get(key) != second.get(key)]
    assert not wrong, "\n".join(f"{key}: {first.get(key)} <> {second.get(key)}" for key in sorted(wrong)[:20])


# --- Refused ---


def require_refusal(before: dict[str, Any], database: Any, start: Any, traits: list[Trait]) -> None:
    """See that a start ended with 6, named all that stands in the way, and left every byte as it was."""
    assert start.code == 6, start.said
    after = contents_of(database)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()
    for trait in traits:
        for name in trait.names:
            assert re.search(rf"(?<!\w){name}(?!\w)", start.said), f"{trait.name}: {name} is not named:\n{start.said}"
