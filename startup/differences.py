"""How a schema can differ from the expected one, how bad that is, and what to do about it.

An error stops a start. A warning is wrong and harmless for now. A notice is somebody's own affair.
A remedy that is SQL can be run as it stands; what to think of before follows it as a comment.
"""

import re
from collections import namedtuple

from startup.catalog import State, place_of, type_of

SEVERITIES = ("error", "warning", "notice")

# In the order in which they are put back.
TYPES = (
    "table", "column", "sequence", "primary key", "unique", "foreign key", "check", "function", "trigger",
    "index", "row",
)  # fmt: skip

# kind: missing, changed, extra, invalid or not_validated. object starts with its type: 'index users.idx_…'.
Difference = namedtuple("Difference", ["kind", "severity", "object", "expected", "found", "remedy"])

PUT_BACK = "python runner.py migrate puts it back, unless HEAL=off"
LEFT_ALONE = "nothing to do: it is left alone"
MEANS_THE_SAME = "nothing to do: it takes every value that is expected"

COLUMN = (
    r"(?P<type>.+?)(?P<collation> COLLATE \S+)?(?P<not_null> NOT NULL)?"
    r"(?: (?P<value>SERIAL|IDENTITY.*|GENERATED AS .+|DEFAULT .+))?"
)
RULE_OR_POLICY = re.compile(r'(?:rule|policy) (?:"(?:[^"]|"")*"|\S+)')
INTEGERS = ("smallint", "integer", "bigint")
LARGEST_INTEGERS = (2**15 - 1, 2**31 - 1)  # which bigint exceeds


def missing(name: str, expected: str, state: State) -> Difference:
    """An object that should be there and is not."""
    table, _, own = place_of(name).partition(".")
    alter, remedy = f"ALTER TABLE {state.qualified(table)}", PUT_BACK
    if type_of(name) == "column":
        column = _column(expected)
        if column["value"] == "SERIAL":
            remedy = f"{alter} ADD COLUMN {own} serial -- numbers the rows anew; a backup knows the old numbers"
        elif column["not_null"] and not column["value"]:
            remedy = f"{alter} ADD COLUMN {own} {column['type']} -- fill it; python runner.py migrate does the rest"
    elif type_of(name) in ("primary key", "unique"):
        remedy = f"{alter} ADD {type_of(name).upper()} {expected} -- {_once_unique(table, expected, state)}"
    elif type_of(name) == "foreign key":
        remedy = f"{alter} ADD {_foreign_key(own, expected, state)} -- {_once_kept(name, expected, state)}"
    elif type_of(name) == "index" and (holder := _table_with_index(own, state)):
        found = f"an index of {holder} that has the name"
        remedy = f"ALTER INDEX {state.qualified(own)} RENAME TO {own}_of_others -- then {PUT_BACK}"
        return Difference("missing", _severity(name, expected), name, expected, found, remedy)
    return Difference("missing", _severity(name, expected), name, expected, None, remedy)


def changed(name: str, expected: str, found: str, state: State) -> Difference | None:
    """An object that is not as it should be; None where it only reads differently."""
    table, _, own = place_of(name).partition(".")
    alter, known_as = f"ALTER TABLE {state.qualified(table)}", state.names[name, found]
    kind, severity, remedy = "changed", _severity(name, expected), PUT_BACK
    if type_of(name) == "table":
        severity, remedy = _judge_table(alter, expected, found)
    elif type_of(name) == "column":
        severity, remedy = _judge_column(table, own, _column(expected), _column(found), state)
        if severity is None:
            return None
    elif type_of(name) == "primary key":
        remedy = f"{alter} DROP CONSTRAINT {known_as}, ADD PRIMARY KEY {expected}"
    elif type_of(name) == "unique":
        remedy = f"{alter} ADD UNIQUE {expected}"
    elif type_of(name) == "foreign key" and found == f"{expected} NOT VALID":
        kind, severity = "not_validated", "warning"
        remedy = f"{alter} VALIDATE CONSTRAINT {known_as} -- {_once_kept(name, expected, state)}"
    elif type_of(name) == "foreign key" and found == f"{expected} DISABLED":
        remedy = f"{alter} ENABLE TRIGGER ALL -- as a superuser; then look for rows that break the key"
    elif type_of(name) == "foreign key":
        remedy = f"{alter} DROP CONSTRAINT {known_as}, ADD {_foreign_key(own, expected, state)}"
    elif type_of(name) == "index" and found == f"{expected} INVALID":
        kind = "invalid"
    elif type_of(name) == "index":
        remedy = _rebuild(own, table, expected, state)
    return Difference(kind, severity, name, expected, found, remedy)


def extra(name: str, found: str, state: State) -> Difference | None:
    """A table, or an object of a table of ours, that is not expected; None where it is nobody's business."""
    table, _, own = place_of(name).partition(".")
    alter, known_as = f"ALTER TABLE {state.qualified(table)}", state.names[name, found]
    if type_of(name) == "table":
        return Difference("extra", "notice", name, None, found, LEFT_ALONE)
    if type_of(name) == "column":
        column = _column(found)
        if column["not_null"] and not column["value"]:
            remedy = f"{alter} ALTER COLUMN {own} DROP NOT NULL -- as it is, no row can be inserted"
            return Difference("extra", "error", name, None, found, remedy)
        return Difference("extra", "notice", name, None, found, LEFT_ALONE)
    if type_of(name) == "index" and not found.startswith("UNIQUE "):
        return None
    if type_of(name) == "check" and found.startswith("NOT NULL "):
        remedy = f"{alter} VALIDATE CONSTRAINT {known_as} -- once none is empty"
        return Difference("not_validated", "warning", name, None, found, remedy)
    if type_of(name) == "index":
        drop = f"DROP INDEX {state.qualified(own)}"
    elif type_of(name) == "unique":  # a constraint, or nothing but an index
        drop = f"{alter} DROP CONSTRAINT IF EXISTS {known_as}; DROP INDEX IF EXISTS {state.qualified(known_as)}"
    elif type_of(name) == "trigger":
        drop = f"DROP TRIGGER {own} ON {state.qualified(table)}"
    else:
        drop = f"{alter} DROP CONSTRAINT {known_as}"
    remedy = f"{drop} -- unless you know why it is there: it can refuse or change what TimeTracker writes"
    return Difference("extra", "warning", name, None, found, remedy)


def in_the_way(table: str, state: State) -> Difference | None:
    """What the name of a table leads to in its place."""
    if table not in state.others:
        return None
    kind, place = state.others[table]
    if place == state.qualified(table):
        remedy = f"ALTER {kind.upper()} {place} RENAME TO {table}_of_others -- then {PUT_BACK}"
        return Difference("missing", "error", f"table {table}", "table", f"{kind} {place} in its place", remedy)
    remedy = (
        f"ALTER ROLE {state.server['quoted role']} SET search_path = {state.server['quoted schema']}"
        " -- or as an option in DATABASE_URL: as it is, the app would take it for the table of that name"
    )
    return Difference("extra", "error", f"table {table}", None, f"{kind} {place} before it on the search_path", remedy)


def in_sequence_of(column: str, state: State) -> Difference | None:
    """What is wrong with the sequence of a serial column such as users.id, as far as this role can tell."""
    name = f"sequence {column}"
    sequence, is_readable = state.sequences.get(column, (None, True))
    if not is_readable:
        table, role = state.qualified(column.split(".")[0]), state.server["quoted role"]
        remedy = f"GRANT SELECT ON {sequence}, {table} TO {role} -- by their owner, to have it checked"
        return Difference("changed", "notice", name, "readable", "not readable by this role", remedy)
    highest, last, limit = state.positions.get(column, (None, 0, 1))
    if highest is not None and last < highest < limit:
        remedy = f"ALTER SEQUENCE {sequence} RESTART WITH {highest + 1} -- as it is, the next insert fails"
        return Difference("changed", "error", name, f"at least {highest}, the highest {column}", str(last), remedy)
    if max(last, highest or 0) < limit:
        return None
    if limit in LARGEST_INTEGERS:
        table, _, own = column.partition(".")
        alter = f"ALTER TABLE {state.qualified(table)} ALTER COLUMN {own} TYPE bigint"
        remedy = f"{alter}; ALTER SEQUENCE {sequence} AS bigint -- rewrites the table; those that refer to it as well"
    else:
        remedy = f"ALTER SEQUENCE {sequence} NO MAXVALUE -- as it is, the next insert fails"
    return Difference("changed", "error", name, f"less than {limit}, its last value", str(last), remedy)


def in_settings(state: State) -> Difference | None:
    """Settings without their one row."""
    if state.has_rows.get("settings") is not False:
        return None
    remedy = "python runner.py migrate inserts the defaults"
    return Difference("missing", "warning", "row settings", "one row", None, remedy)


def _severity(name: str, expected: str) -> str:
    return "warning" if type_of(name) == "index" and not expected.startswith("UNIQUE ") else "error"


def _foreign_key(columns: str, definition: str, state: State) -> str:
    return f"FOREIGN KEY ({columns}) REFERENCES {state.qualified(definition.removeprefix('REFERENCES '))}"


def rows_that_break(foreign_key: str, definition: str, state: State) -> str:
    """SQL that shows the rows which refer to what is not there."""
    table, _, column = place_of(foreign_key).partition(".")
    target, target_column = re.match(r"REFERENCES ([^(]+)\(([^(,]+)\)", definition).groups()
    there = f"SELECT FROM {state.qualified(target)} AS target WHERE target.{target_column} = {table}.{column}"
    return f"SELECT * FROM {state.qualified(table)} WHERE {column} IS NOT NULL AND NOT EXISTS ({there})"  # noqa: S608


def _once_kept(foreign_key: str, definition: str, state: State) -> str:
    return f"once no row breaks it: {rows_that_break(foreign_key, definition, state)}"


def _once_unique(table: str, columns: str, state: State) -> str:
    columns, place = columns.strip("()"), state.qualified(table)
    return f"once no two rows agree in it: SELECT {columns} FROM {place} GROUP BY {columns} HAVING count(*) > 1"  # noqa: S608


def _table_with_index(index: str, state: State) -> str | None:
    """The table whose index has this name, which is one in a schema."""
    places = (place_of(name) for name in state.objects if type_of(name) == "index")
    return next((place.removesuffix(f".{index}") for place in places if place.endswith(f".{index}")), None)


def _rebuild(index: str, table: str, definition: str, state: State) -> str:
    """SQL that makes an index anew: a unique one at once, for it guards rows, any other without stalling writers."""
    place, own = state.qualified(table), state.qualified(index)
    if definition.startswith("UNIQUE "):
        return f"DROP INDEX {own}; CREATE UNIQUE INDEX {index} ON {place} {definition.removeprefix('UNIQUE ')}"
    create = f"CREATE INDEX CONCURRENTLY {index} ON {place} {definition}"
    return f"DROP INDEX CONCURRENTLY {own}; {create} -- each by itself: not in one transaction, nor by one psql -c"


def _judge_table(alter: str, expected: str, found: str) -> tuple[str, str]:
    """Severity and remedy of a table that itself differs, not a part of it."""
    lacking = set(expected.split(", ")) - set(found.split(", "))
    added = set(found.split(", ")) - set(expected.split(", "))
    remedies = []
    if "row security" in lacking:
        remedies.append(f"{alter} ENABLE ROW LEVEL SECURITY")
    if "row security" in added:
        remedies.append(f"{alter} DISABLE ROW LEVEL SECURITY")
    if "forced row security" in added:
        remedies.append(f"{alter} NO FORCE ROW LEVEL SECURITY")
    # 'rule no_delete', 'policy "For all" …', where what follows the name says what the policy lets through.
    kept = {part[0] for part in map(RULE_OR_POLICY.match, sorted(lacking)) if part}
    extra = [part[0] for part in map(RULE_OR_POLICY.match, sorted(added)) if part and part[0] not in kept]
    remedies += [f"DROP {part} on {alter.removeprefix('ALTER TABLE ')}" for part in extra]
    if kept and not remedies:
        remedies.append(PUT_BACK)
    if "partitioned" in added:
        remedies.append("make a plain table of that name and move the rows into it")
    harmless = []
    if "unlogged" in added:
        harmless.append(f"{alter} SET LOGGED -- as it is, a crash of the server empties it")
    for child in sorted(part.removeprefix("inherited by ") for part in added if part.startswith("inherited by ")):
        parent = alter.removeprefix("ALTER TABLE ")
        harmless.append(f"ALTER TABLE {child} NO INHERIT {parent} -- as it is, its rows show in {parent}")
    return ("error", "; ".join(remedies)) if remedies else ("warning", harmless[0])


def _judge_column(table: str, own: str, wanted: dict, actual: dict, state: State) -> tuple[str | None, str]:
    """Severity and remedy of a column that differs; severity None where it only reads differently."""
    width = _compare_types(wanted["type"], actual["type"])
    is_identity = wanted["value"] == "SERIAL" and actual["value"].startswith("IDENTITY")
    other_value = not is_identity and _meaning(wanted) != _meaning(actual)
    if other_value and wanted["value"] == "SERIAL":
        return "error", _serial(table, own, actual["value"], state)
    alter = f"ALTER TABLE {state.qualified(table)}"
    if actual["value"].startswith("GENERATED") and not actual["value"].endswith("STORED"):
        return "error", f"{alter} DROP COLUMN {own} -- its values are computed; then {PUT_BACK}"

    severities, actions, remarks = {"notice"} if width == "wider" or is_identity else set(), [], []
    # A default stands in the way of another type, even one that says the same.
    new_value = other_value or (width == "other" and wanted["value"].startswith("DEFAULT"))
    if new_value and actual["value"]:
        named = {"IDENTITY": "IDENTITY", "GENERATED": "EXPRESSION"}.get(actual["value"].split()[0], "DEFAULT")
        actions.append(f"DROP {named}")
    if width in ("narrower", "other"):
        severities.add("error")
        zone = " AT TIME ZONE 'UTC'" if actual["type"] == "timestamp with time zone" else f"::{wanted['type']}"
        actions.append(f"TYPE {wanted['type']}{wanted['collation']} USING {own}{zone}")
        remarks.append("once every value fits")
    elif wanted["collation"] != actual["collation"]:
        severities.add("warning")
        collation = wanted["collation"] or ' COLLATE pg_catalog."default"'
        actions.append(f"TYPE {actual['type']}{collation}")
    if new_value and wanted["value"]:
        actions.append(f"SET {wanted['value']}")
    if actual["value"] == "IDENTITY ALWAYS" and is_identity:
        severities.add("error")
        actions.append("SET GENERATED BY DEFAULT")
    if other_value:
        harmless = not wanted["value"] and actual["value"].startswith("DEFAULT")
        severities.add("warning" if harmless else "error")
        remarks += ["unless you know why it is there"] if harmless else []
    if wanted["not_null"] != actual["not_null"]:
        severities.add("error")
        actions.append("SET NOT NULL" if wanted["not_null"] else "DROP NOT NULL")
        if wanted["not_null"]:
            empty = f"SELECT * FROM {state.qualified(table)} WHERE {own} IS NULL"  # noqa: S608
            remarks.append(f"once none is empty: {empty}")

    severity = next((one for one in SEVERITIES if one in severities), None)
    if not actions:
        return severity, MEANS_THE_SAME
    remark = f" -- {', '.join(remarks)}" if remarks else ""
    return severity, f"{alter} {', '.join(f'ALTER COLUMN {own} {action}' for action in actions)}{remark}"


def _serial(table: str, own: str, value: str, state: State) -> str:
    """SQL that gives a column a sequence of its own, or the one that it already takes its values from."""
    column = f"{state.qualified(table)}.{own}"
    used = re.fullmatch(r"DEFAULT nextval\('([^.]+)'::regclass\)", value)
    of_others = [sequence for sequence, _ in state.sequences.values()]
    if used and state.qualified(used[1]) not in of_others:
        return f"ALTER SEQUENCE {state.qualified(used[1])} OWNED BY {column}"
    sequence = state.qualified(f"{table}_{own}_seq")
    return "; ".join(
        [
            f"CREATE SEQUENCE IF NOT EXISTS {sequence}",
            f"ALTER SEQUENCE {sequence} OWNED BY {column}",
            f"SELECT setval('{sequence}', max({own})) FROM {state.qualified(table)}",  # noqa: S608
            f"ALTER TABLE {state.qualified(table)} ALTER COLUMN {own} SET DEFAULT nextval('{sequence}')",
        ]
    )


def _column(definition: str) -> dict[str, str]:
    """The parts of a column's definition; what it does not say is empty."""
    return re.fullmatch(COLUMN, definition, re.DOTALL).groupdict(default="")


def width_of(expected: str, found: str | None) -> str:
    """How the type of a column is, by its definition: none, same, wider, narrower or other."""
    return "none" if found is None else _compare_types(_column(expected)["type"], _column(found)["type"])


def _compare_types(expected: str, found: str) -> str:
    """Whether the type found is the same as, wider or narrower than, or other than the expected one."""
    if expected == found:
        return "same"
    wanted, actual = _bounds(expected), _bounds(found)
    if wanted[0] != actual[0]:
        return "other"
    return "wider" if all(limit <= other for limit, other in zip(wanted[1:], actual[1:], strict=True)) else "narrower"


def _bounds(type_name: str) -> tuple:
    """What kind of values a type takes, and how large they may be."""
    if type_name in INTEGERS:
        return "integer", INTEGERS.index(type_name)
    parts = re.fullmatch(r"(text|character varying|numeric)(?:\((\d+)(?:,(\d+))?\))?", type_name)
    if not parts:
        return (type_name,)
    if parts[1] != "numeric":
        return "text", float(parts[2] or "inf")
    if parts[2] is None:
        return "numeric", float("inf"), float("inf")
    return "numeric", int(parts[2]) - int(parts[3]), int(parts[3])


def _meaning(column: dict[str, str]) -> str:
    """A default without what changes nothing: '0'::numeric is 0, and now() the CURRENT_TIMESTAMP."""
    value = column["value"]
    if value == "DEFAULT now()":
        return "DEFAULT CURRENT_TIMESTAMP"
    literal = re.fullmatch(r"DEFAULT \(?('(?:[^']|'')*'|-?[\d.]+)\)?(?:::[a-z ]+(?:\([\d,]+\))?)?", value)
    if not literal:
        return value
    number = re.fullmatch(r"'?(-?\d+)(?:\.0+)?'?", literal[1])
    is_text = _bounds(column["type"])[0] == "text"
    return number[1] if number and not is_text else literal[1]
