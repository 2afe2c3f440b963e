"""Proving the schema: what the catalog says, compared line by line with sql/runner/schema.txt.

Only errors stop a start. Warnings are wrong and harmless for now; notices are somebody's own affair.
"""

import os
import re
from collections import namedtuple

from startup.catalog import YOYO_TABLES, State, read_state
from startup.errors import UsageError
from startup.migrations import FOLDER

SNAPSHOT = os.path.join(FOLDER, "runner", "schema.txt")

# kind: missing, changed, extra, invalid or not_validated. object starts with its type: 'index users.idx_…'.
Difference = namedtuple("Difference", ["kind", "severity", "object", "expected", "found", "remedy"])

PUT_BACK = "python runner.py migrate puts it back"
COLUMN = re.compile(
    r"(?P<type>.+?)(?P<collation> COLLATE \S+)?(?P<not_null> NOT NULL)?"
    r"(?: (?P<value>SERIAL|IDENTITY|GENERATED AS .+|DEFAULT .+))?",
    re.DOTALL,
)


class Verification:
    """The outcome of a verification: the differences found, worst first."""

    def __init__(self, state: State, differences: list[Difference]):
        self.state = state
        self.differences = differences

    @property
    def errors(self) -> list[Difference]:
        """The differences that stop a start."""
        return [difference for difference in self.differences if difference.severity == "error"]

    @property
    def ok(self) -> bool:
        """Whether the app may serve on this schema."""
        return not self.errors

    def narrowed(self, tables=(), only: str | None = None) -> "Verification":
        """The same about some tables, or about one type of object, only.

        Raises UsageError for a table that is neither expected nor there.
        """
        known = {table_of(name) for name in self.state.objects} | {table_of(name) for name in read_snapshot()}
        if unknown := sorted(set(tables) - known):
            raise UsageError(f"verify: there is no table {', '.join(unknown)} in the schema {self.state.schema}")
        kept = [
            difference
            for difference in self.differences
            if (not tables or table_of(difference.object) in tables) and only in (None, type_of(difference.object))
        ]
        return Verification(self.state, kept)


def verify(connection) -> Verification:
    """Read the database behind an autocommit connection and compare it with the snapshot."""
    return compare(read_state(connection))


def compare(state: State) -> Verification:
    """Compare a state of the database with the snapshot."""
    expected = read_snapshot()
    differences = [*_missing_and_changed(expected, state), *_extra(expected, state), *_rows(expected, state)]
    order = ("error", "warning", "notice")
    return Verification(state, sorted(differences, key=lambda found: (order.index(found.severity), found.object)))


def snapshot_text(state: State) -> str:
    """The schema as text, one line an object, as it is kept in the snapshot. Yoyo's own tables are left out."""
    lines = [
        f"{name}: {definition}"
        for name, definitions in state.objects.items()
        if table_of(name) not in YOYO_TABLES
        for definition in definitions
    ]
    return "\n".join(sorted(lines)) + "\n"


def read_snapshot() -> dict[str, str]:
    """The expected schema: object -> definition."""
    with open(SNAPSHOT, encoding="ascii") as file:
        return dict(line.rstrip("\n").split(": ", 1) for line in file)


def table_of(name: str) -> str:
    """The table that an object belongs to: 'column users.id' -> 'users'."""
    return name.removeprefix("primary ").removeprefix("foreign ").split(" ", 1)[1].split(".")[0]


def type_of(name: str) -> str:
    """The type of an object: 'foreign key tasks.project_id' -> 'foreign key'."""
    return name[: -len(name.removeprefix("primary ").removeprefix("foreign ").split(" ", 1)[1]) - 1]


def _missing_and_changed(expected: dict[str, str], state: State):
    for name, definition in expected.items():
        found = state.objects.get(name)
        if found is None:
            if type_of(name) == "table" or type_of(name) == "function" or state.has_table(table_of(name)):
                severity = "warning" if type_of(name) == "index" else "error"
                yield Difference("missing", severity, name, definition, None, PUT_BACK)
        elif definition not in found:
            yield _changed(name, definition, found[0])


def _changed(name: str, expected: str, found: str) -> Difference:
    kind, severity, remedy = "changed", "error", PUT_BACK
    _, _, place = name.partition(type_of(name) + " ")
    if type_of(name) == "column":
        severity, remedy = _judge_column(place, expected, found)
        if severity is None:
            return Difference("changed", "notice", name, expected, found, "nothing to do: it means the same")
    elif type_of(name) == "index":
        severity = "warning"
        if found == f"{expected} INVALID":
            kind = "invalid"
        else:
            index = place.split(".")[1]
            remedy = f"DROP INDEX {index}, then python runner.py migrate, which makes it as expected"
    elif type_of(name) == "foreign key" and found == f"{expected} NOT VALID":
        kind, severity = "not_validated", "warning"
        remedy = f"ALTER TABLE {table_of(name)} VALIDATE CONSTRAINT ..., once no row breaks it"
    elif type_of(name) == "table":
        severity, remedy = _judge_table(place, expected, found)
    return Difference(kind, severity, name, expected, found, remedy)


def _judge_table(table: str, expected: str, found: str) -> tuple[str, str]:
    found_parts, expected_parts = set(found.split(", ")), set(expected.split(", "))
    if {part for part in found_parts ^ expected_parts if "row security" in part}:
        switch = "ENABLE" if "row security" in expected_parts else "DISABLE"
        return "error", f"ALTER TABLE {table} {switch} ROW LEVEL SECURITY"
    rules = [part.removeprefix("rule ") for part in found_parts - expected_parts if part.startswith("rule ")]
    if rules:
        return "error", f"DROP RULE {rules[0]} ON {table}, unless you know why it is there"
    if "partitioned" in found_parts ^ expected_parts:
        return "error", "expected a plain table; move the rows into one of that name"
    if "unlogged" in found_parts:
        return "warning", f"ALTER TABLE {table} SET LOGGED; as it is, a crash of the server empties it"
    return "warning", "look at its policies: they decide who sees its rows"


def _judge_column(place: str, expected: str, found: str) -> tuple[str | None, str]:
    """Severity and remedy of a column that differs; severity None where it only reads differently."""
    wanted, actual = COLUMN.fullmatch(expected), COLUMN.fullmatch(found)
    table, column = place.split(".", 1)
    alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
    width = _compare_types(wanted["type"], actual["type"])
    if width in ("narrower", "other"):
        return "error", f"{alter} TYPE {wanted['type']}, once every value fits"
    if _value(wanted["value"]) != _value(actual["value"]):
        if wanted["value"] is None:
            return "warning", f"{alter} DROP DEFAULT, unless you know why it is there"
        if wanted["value"] == "SERIAL":
            return "error", f"{alter} SET DEFAULT nextval(...) of a sequence that is OWNED BY {place}"
        return "error", f"{alter} SET {wanted['value']}, or {PUT_BACK}"
    if wanted["not_null"] != actual["not_null"]:
        return "error", f"{alter} SET NOT NULL, or {PUT_BACK}" if wanted["not_null"] else f"{alter} DROP NOT NULL"
    if wanted["collation"] != actual["collation"]:
        return "warning", f"{alter} TYPE {wanted['type']}{wanted['collation'] or ' COLLATE pg_catalog.default'}"
    return ("notice" if width == "wider" else None), "nothing to do: it takes every value that is expected"


def _compare_types(expected: str, found: str) -> str:
    """Whether the type found is the same as, wider or narrower than, or other than the expected one."""
    if expected == found:
        return "same"
    pattern = r"(character varying|numeric)(?:\((\d+)(?:,(\d+))?\))?"
    wanted, actual = re.fullmatch(pattern, expected), re.fullmatch(pattern, found)
    if wanted and wanted[1] == "character varying" and found == "text":
        return "wider"
    if wanted and actual and wanted[1] == actual[1]:
        if actual[2] is None:
            return "wider"
        if wanted[2] is None:
            return "narrower"
        scales = int(wanted[3] or 0), int(actual[3] or 0)
        integers = int(wanted[2]) - scales[0], int(actual[2]) - scales[1]
        return "wider" if scales[1] >= scales[0] and integers[1] >= integers[0] else "narrower"
    integers = ["smallint", "integer", "bigint"]
    if expected in integers and found in integers:
        return "wider" if integers.index(found) > integers.index(expected) else "narrower"
    return "narrower" if expected == "text" and actual else "other"


def _value(text: str | None) -> str | None:
    """A default without the cast that only repeats the column's type: '0'::numeric is 0."""
    if text is None:
        return None
    literal = re.fullmatch(r"DEFAULT \(?('(?:[^']|'')*'|-?[\d.]+)\)?(?:::[a-z ]+(?:\([\d,]+\))?)?", text)
    if not literal:
        return text
    number = re.fullmatch(r"'?(-?\d+)(?:\.0+)?'?", literal[1])
    return number[1] if number else literal[1]


def _extra(expected: dict[str, str], state: State):
    for name, definitions in state.objects.items():
        kind, table = type_of(name), table_of(name)
        if kind == "function" or table in YOYO_TABLES:
            continue
        if kind == "table":
            if name not in expected:
                yield Difference("extra", "notice", name, None, definitions[0], "nothing to do: it is left alone")
            continue
        if f"table {table}" not in expected:
            continue
        for definition in definitions:
            if name in expected and (kind != "foreign key" or definition == expected[name] or len(definitions) == 1):
                continue
            difference = _judge_extra(kind, name, table, definition)
            if difference:
                yield difference


def _judge_extra(kind: str, name: str, table: str, definition: str) -> Difference | None:
    place = name.removeprefix(kind + " ")
    own = place.split(".", 1)[1]
    if kind == "column":
        column = COLUMN.fullmatch(definition)
        if column["not_null"] and not column["value"]:
            remedy = f"ALTER TABLE {table} ALTER COLUMN {own} DROP NOT NULL; as it is, no row can be inserted"
            return Difference("extra", "error", name, None, definition, remedy)
        return Difference("extra", "notice", name, None, definition, "nothing to do: it is left alone")
    if kind == "index" and not definition.startswith("UNIQUE"):
        return None  # an additional plain index is the DBA's own affair
    remedy = f"drop this {kind} unless you know why it is there: it can refuse rows that TimeTracker writes"
    return Difference("extra", "warning", name, None, definition, remedy)


def _rows(expected: dict[str, str], state: State):
    """What the second statement saw: sequences, and the one settings row."""
    for name, definition in expected.items():
        if type_of(name) != "column" or not definition.endswith(" SERIAL"):
            continue
        place = name.removeprefix("column ")
        sequence, is_readable = state.sequences.get(place, (None, True))
        if not is_readable:
            role = state.server["role"]
            grant = f"GRANT SELECT ON {sequence}, {state.schema}.{table_of(name)} TO {role}, to have it checked"
            yield Difference("changed", "notice", f"sequence {place}", "not behind max(id)", "not readable", grant)
        highest, last = state.positions.get(place, (None, 0))
        if highest is not None and highest > last:
            yield Difference(
                "changed", "error", f"sequence {place}", f"{highest} or more, the highest {place}", str(last),
                f"ALTER SEQUENCE {sequence} RESTART WITH {highest + 1}; as it is, the next insert fails",
            )  # fmt: skip
    if state.has_rows.get("settings") is False:
        yield Difference(
            "missing", "warning", "row settings", "one row", "none", "python runner.py migrate inserts the defaults"
        )
