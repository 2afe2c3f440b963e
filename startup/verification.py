"""Proving the schema: what the catalog says, compared line by line with sql/runner/schema.txt."""

from collections.abc import Iterator

from startup.catalog import YOYO_TABLES, State, read_snapshot, read_state, table_of, type_of
from startup.differences import (
    SEVERITIES,
    TYPES,
    Difference,
    changed,
    extra,
    in_sequence_of,
    in_settings,
    in_the_way,
    missing,
)
from startup.errors import UsageError


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

        A missing table is told whatever the type, for all that belongs to it is missing too.
        Raises UsageError for a table that is neither expected nor there.
        """
        known = {table_of(name) for name in [*self.state.objects, *read_snapshot()] if type_of(name) == "table"}
        if unknown := sorted(set(tables) - known):
            raise UsageError(f"verify: there is no table {', '.join(unknown)} in the schema {self.state.schema}")
        kept = []
        for difference in self.differences:
            type_fits = only in (None, type_of(difference.object))
            is_missing_table = (difference.kind, type_of(difference.object)) == ("missing", "table")
            if (type_fits or is_missing_table) and (not tables or table_of(difference.object) in tables):
                kept.append(difference)
        return Verification(self.state, kept)


def verify(connection) -> Verification:
    """Read the database behind an autocommit connection and compare it with the snapshot."""
    return compare(read_state(connection))


def compare(state: State) -> Verification:
    """Compare a state of the database with the snapshot."""
    differences = [difference for difference in _differences(read_snapshot(), state) if difference]
    return Verification(state, sorted(differences, key=_urgency))


def snapshot_text(state: State) -> str:
    """The schema as text, one line an object, as it is kept in the snapshot. Yoyo's own tables are left out."""
    lines = [
        f"{name}: {definition}"
        for name, definitions in state.objects.items()
        if table_of(name) not in YOYO_TABLES
        for definition in definitions
    ]
    return "\n".join(sorted(lines)) + "\n"


def _differences(expected: dict[str, str], state: State) -> Iterator[Difference | None]:
    for name, definition in expected.items():
        found = state.objects.get(name)
        if type_of(name) == "table" and (other := in_the_way(table_of(name), state)):
            yield other
        if found and definition not in found:
            yield changed(name, definition, found[0], state)
        # A missing table is one difference, not one for each of its columns and indexes.
        if not found and (type_of(name) == "function" or _is_first_to_miss(name, state)):
            yield missing(name, definition, state)
        if definition.endswith(" SERIAL"):
            yield in_sequence_of(name.removeprefix("column "), state)
    for name, found in state.objects.items():
        for definition in _unexpected(name, found, expected):
            yield extra(name, definition, state)
    yield in_settings(state)


def _is_first_to_miss(name: str, state: State) -> bool:
    """Whether an object that is missing is a difference of its own."""
    if type_of(name) == "table":
        return table_of(name) not in state.others
    return state.has_table(table_of(name))


def _urgency(difference: Difference) -> tuple[int, int, str]:
    return SEVERITIES.index(difference.severity), TYPES.index(type_of(difference.object)), difference.object


def _unexpected(name: str, found: list[str], expected: dict[str, str]) -> list[str]:
    """The definitions of an object, usually one, that are too many."""
    if name not in expected:
        is_of_ours = f"table {table_of(name)}" in expected
        is_other_table = type_of(name) == "table" and table_of(name) not in YOYO_TABLES
        return found if is_of_ours or is_other_table else []
    # A column may have one foreign key too many; a second key or unique index does no harm.
    if type_of(name) != "foreign key":
        return []
    others = [definition for definition in found if definition != expected[name]]
    return others if expected[name] in found else others[1:]
