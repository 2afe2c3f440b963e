"""The types of older columns: which become those of today, which stay, and what is said where neither is possible."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from installation import migration_files

BEFORE, (NAMES, TYPES, VALUES) = migration_files()[:3], migration_files()[3:6]

# A column of each type that there is today.
COLUMNS = {
    "integer": ("time_entries", "duration_seconds"),
    "numeric(5,2)": ("tasks", "estimated_hours"),
    "numeric(10,2)": ("invoices", "subtotal"),
    "character varying(10)": ("settings", "invoice_prefix"),
    "text": ("projects", "description"),
    "boolean": ("users", "is_active"),
    "date": ("tasks", "due_date"),
    "timestamp without time zone": ("users", "last_login"),
}


class Old:
    """An older database within a transaction that is never committed."""

    def __init__(self, cursor: Any):
        self.cursor = cursor

    def execute(self, sql: str, *parameters: Any) -> None:
        self.cursor.execute(sql, parameters or None)

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        self.cursor.execute(sql, parameters or None)
        return self.cursor.fetchall()

    def make(self, wanted: str, found: str, values: list[str | None], rest: str = "") -> None:
        """Make the table that has a column of the type `wanted` today, with that column as `found`."""
        table, column = COLUMNS[wanted]
        self.execute(f"CREATE TABLE {table} (id serial PRIMARY KEY, {column} {found} {rest})")
        for value in values:
            self.execute(f"INSERT INTO {table} ({column}) VALUES (%s)", value)

    def adopt_types(self) -> None:
        """Run the files up to that of the types, and the function that 0006-adopt-values calls."""
        self.execute(NAMES.read_text("ascii"))
        self.execute(TYPES.read_text("ascii"))
        self.convert()

    def convert(self) -> None:
        """Convert the types, for the first time or again."""
        self.execute("SELECT adoption_convert_types()")

    def type_of(self, table: str, column: str) -> str:
        return self.query(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
            table,
            column,
        )[0][0]

    def values(self, table: str, column: str) -> list[str | None]:
        return [value for (value,) in self.query(f"SELECT {column}::text FROM {table} ORDER BY id")]

    def report(self, step: str, object: str = "%") -> list[tuple[int | None, str]]:
        return self.query(
            "SELECT rows, detail FROM adoption_report WHERE step = %s AND object LIKE %s ORDER BY id", step, object
        )

    def obstacles(self) -> dict[str, str]:
        return dict(self.query("SELECT object, detail FROM adoption_report WHERE step = 'in the way' ORDER BY id"))


@pytest.fixture(scope="module")
def prepared(server: Any) -> Iterator[Any]:
    """A database with the bookkeeping and the functions, and no table of the document."""
    with server.new_database() as lent:
        lent.execute("CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'happy')", user="postgres")
        for path in BEFORE:
            lent.execute(path.read_text("ascii"))
        yield lent


@pytest.fixture
def old(prepared: Any) -> Iterator[Old]:
    """An empty database whose adoption begins; nothing of it is kept."""
    with contextlib.closing(psycopg2.connect(prepared.url)) as connection, connection.cursor() as cursor:
        yield Old(cursor)
        connection.rollback()


LONG = "x" * 30

# (the type today, the older type, its values, the type that it gets, the values then)
SURVIVE = [
    # Numbers out of text
    ("integer", "text", ["1e2", " 12 ", "\t12.0\n", "-0", "+7", "007", None], "integer", [100, 12, 12, 0, 7, 7, None]),
    ("integer", "varchar(20)", ["2147483647", "-2147483648"], "integer", [2147483647, -2147483648]),
    ("integer", "text", ["2147483648"], "bigint", [2147483648]),
    ("integer", "text", ["9223372036854775807", "-9223372036854775808"], "bigint", [2**63 - 1, -(2**63)]),
    ("integer", "char(5)", ["12"], "integer", [12]),
    ("integer", "citext", ["12"], "integer", [12]),
    (
        "numeric(5,2)",
        "text",
        [" 12.50 ", "1e2", "NaN", ".5", "5.", "-999.99"],
        "numeric(5,2)",
        "12.50 100.00 NaN 0.50 5.00 -999.99",
    ),
    ("numeric(5,2)", "text", ["1e400"], "numeric", ["1" + "0" * 400]),
    ("numeric(5,2)", "text", ["1e-4000"], "numeric", ["0." + "0" * 3999 + "1"]),
    ("numeric(5,2)", "text", ["0." + "1" * 3000], "numeric", ["0." + "1" * 3000]),
    ("numeric(5,2)", "text", ["-inf", "Infinity", "nan"], "numeric", ["-Infinity", "Infinity", "NaN"]),
    ("numeric(5,2)", "text", ["999.995"], "numeric", ["999.995"]),
    # Numbers of other types
    ("integer", "smallint", [-32768, 32767, None], "integer", [-32768, 32767, None]),
    ("integer", "bigint", [1], "bigint", [1]),
    ("integer", "numeric", ["3.00"], "integer", [3]),
    ("integer", "numeric(10,0)", ["9999999999"], "bigint", [9999999999]),
    ("integer", "double precision", ["3", "-0", "1e10"], "bigint", [3, 0, 10**10]),
    ("integer", "real", ["16777216"], "integer", [16777216]),
    ("numeric(5,2)", "double precision", ["1.25", "NaN", "-0", "0.1"], "numeric(5,2)", ["1.25", "NaN", "0.00", "0.10"]),
    ("numeric(5,2)", "double precision", ["1500.25", "999.995", "NaN"], "numeric", ["1500.25", "999.995", "NaN"]),
    ("numeric(5,2)", "double precision", ["0.30000000000000004"], "numeric", ["0.30000000000000004"]),
    ("numeric(5,2)", "double precision", ["5e-324", "-infinity"], "numeric", ["0." + "0" * 323 + "5", "-Infinity"]),
    ("numeric(5,2)", "real", ["0.1"], "numeric(5,2)", ["0.10"]),
    ("numeric(5,2)", "integer", [999, -999], "numeric(5,2)", ["999.00", "-999.00"]),
    ("numeric(5,2)", "bigint", [1000], "numeric", ["1000"]),
    ("numeric(5,2)", "numeric", ["NaN"], "numeric", ["NaN"]),
    ("numeric(5,2)", "numeric(7,2)", ["1.25"], "numeric(7,2)", ["1.25"]),
    ("numeric(5,2)", "numeric(3,0)", [999], "numeric(5,2)", ["999.00"]),
    ("numeric(5,2)", "numeric(6,4)", ["1.25"], "numeric(7,4)", ["1.2500"]),
    ("numeric(10,2)", "numeric(4,3)", ["1.125"], "numeric(11,3)", ["1.125"]),
    # Text
    ("character varying(10)", "text", [LONG], "text", [LONG]),
    ("character varying(10)", "varchar", [LONG], "character varying", [LONG]),
    ("character varying(10)", "varchar(50)", [LONG], "character varying(50)", [LONG]),
    ("character varying(10)", "varchar(5)", ["a b  "], "character varying(10)", ["a b  "]),
    ("character varying(10)", "char(3)", ["ab", ""], "character varying(10)", ["ab", ""]),
    ("character varying(10)", "char(30)", ["ab"], "character varying(30)", ["ab"]),
    (
        "character varying(10)",
        "citext",
        ["aB ", "x" * 10, "\u00e9" * 10],
        "character varying(10)",
        ["aB ", "x" * 10, "\u00e9" * 10],
    ),
    ("character varying(10)", "citext", [LONG + " "], "text", [LONG + " "]),
    ("character varying(10)", "name", ["sad"], "character varying(10)", ["sad"]),
    ("character varying(10)", "mood", ["sad"], "character varying(10)", ["sad"]),
    ("character varying(10)", '"char"', ["s"], "character varying(10)", ["s"]),
    ("character varying(10)", "uuid", ["a" * 32], "text", ["aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"]),
    ("character varying(10)", "integer", [17], "character varying(10)", ["17"]),
    ("character varying(10)", "timestamptz", ["2025-08-18 08:00+02"], "text", ["2025-08-18 06:00:00+00"]),
    ("text", "varchar(5)", ["a  "], "text", ["a  "]),
    ("text", "char(5)", ["a"], "text", ["a"]),
    ("text", "citext", [LONG], "text", [LONG]),
    ("text", "boolean", ["t"], "text", ["true"]),
    ("text", "varchar", [LONG], "character varying", [LONG]),
    # Yes and no
    ("boolean", "integer", [0, 1, None], "boolean", ["false", "true", None]),
    ("boolean", "smallint", [0, 1], "boolean", ["false", "true"]),
    ("boolean", "numeric(1,0)", [0, 1], "boolean", ["false", "true"]),
    ("boolean", "double precision", ["-0", 1], "boolean", ["false", "true"]),
    (
        "boolean",
        "text",
        ["t", "F", "yes", "OFF", " 1 ", "TRU", "0", "on"],
        "boolean",
        "true false true false true true false true",
    ),
    ("boolean", "char(5)", ["true", "n"], "boolean", ["true", "false"]),
    # Days
    ("date", "timestamp", ["2025-08-18", None, "infinity"], "date", ["2025-08-18", None, "infinity"]),
    ("date", "timestamp", ["4713-01-01 BC", "294276-12-31"], "date", ["4713-01-01 BC", "294276-12-31"]),
    ("date", "timestamptz", ["2025-08-18 00:00+00"], "date", ["2025-08-18"]),
    (
        "date",
        "text",
        ["2025-08-18", " 2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"],
        "date",
        "2025-08-18 2024-02-29 2000-02-29 0001-01-01 9999-12-31",
    ),
    ("date", "text", ["2025-08-18T00:00:00.000", "2025-08-18"], "date", ["2025-08-18", "2025-08-18"]),
    ("date", "text", ["2025-08-18T02:00:00+02:00"], "date", ["2025-08-18"]),
    # Times
    (
        "timestamp without time zone",
        "text",
        ["2025-08-18", "2025-08-18T08:00", "2025-08-18 08:00:00.123456"],
        "timestamp without time zone",
        ["2025-08-18 00:00:00", "2025-08-18 08:00:00", "2025-08-18 08:00:00.123456"],
    ),
    (
        "timestamp without time zone",
        "text",
        ["2025-08-18 08:00:00Z", "2025-08-18T08:00:00+02:00", "2025-08-18t08:00:00.5-0330", "2025-08-18 08:00:00+02"],
        "timestamp without time zone",
        ["2025-08-18 08:00:00", "2025-08-18 06:00:00", "2025-08-18 11:30:00.5", "2025-08-18 06:00:00"],
    ),
    (
        "timestamp without time zone",
        "text",
        ["0001-01-01 00:00:00+14"],
        "timestamp without time zone",
        ["0001-12-31 10:00:00 BC"],
    ),
    (
        "timestamp without time zone",
        "timestamptz",
        ["2025-08-18 08:00+02", "infinity", "294276-12-31 23:59:59+00"],
        "timestamp without time zone",
        ["2025-08-18 06:00:00", "infinity", "294276-12-31 23:59:59"],
    ),
    (
        "timestamp without time zone",
        "timestamptz(0)",
        ["2025-08-18 08:00+02"],
        "timestamp without time zone",
        ["2025-08-18 06:00:00"],
    ),
    (
        "timestamp without time zone",
        "timestamp(3)",
        ["2025-08-18 08:00:00.123"],
        "timestamp without time zone",
        ["2025-08-18 08:00:00.123"],
    ),
    (
        "timestamp without time zone",
        "date",
        ["2025-08-18", "-infinity", "4713-01-01 BC"],
        "timestamp without time zone",
        ["2025-08-18 00:00:00", "-infinity", "4713-01-01 00:00:00 BC"],
    ),
    # Where there is no value, none is lost
    ("integer", "interval", [None], "integer", [None]),
    ("timestamp without time zone", "jsonb", [], "timestamp without time zone", []),
]

# (the type today, the older type, values that all are in the way, a part of what is said)
IN_THE_WAY = [
    (
        "integer",
        "text",
        ["", "  ", "n/a", "12,5", "1.5", "\u00a012", "1_000", "0x1F", "NaN", "infinity", "\u0661"],
        "no whole numbers",
    ),
    (
        "integer",
        "text",
        ["9223372036854775808", "1e400", "9" * 5000, "1e999999999", "1e99999", "1e-1"],
        "no whole numbers",
    ),
    ("integer", "numeric", ["NaN", "Infinity", "0.5"], "no whole numbers"),
    ("integer", "double precision", ["1e19", "0.1", "-infinity"], "no whole numbers"),
    ("integer", "interval", ["1 hour"], "interval cannot become integer"),
    ("integer", "boolean", ["true"], "boolean cannot become integer"),
    ("integer", "date", ["2025-08-18"], "date cannot become integer"),
    (
        "numeric(5,2)",
        "text",
        [".", "e5", "--1", "1 2", "12.5 h", "1,5", "", "1e99999", "9" * 4000],
        "no numbers such as 12.50",
    ),
    ("numeric(5,2)", "interval", ["1 hour"], "whose meaning nobody can know"),
    ("character varying(10)", "text[]", ["{a}"], "text[] cannot become character varying(10)"),
    ("character varying(10)", "jsonb", ['"a"'], "jsonb cannot become"),
    ("text", "json", ["{}"], "json cannot become text"),
    ("text", "bytea", ["a"], "bytea cannot become text"),
    ("boolean", "integer", [2, -1], "neither 0 nor 1"),
    ("boolean", "double precision", ["0.5", "NaN"], "neither 0 nor 1"),
    ("boolean", "text", ["o", "", "maybe", "10", "\u00a0t"], "neither 0 nor 1"),
    ("boolean", "timestamp", ["2025-08-18"], "timestamp without time zone cannot become boolean"),
    ("date", "timestamp", ["2025-08-18 00:00:00.000001", "2025-08-18 23:59:59.5"], "not at midnight"),
    ("date", "timestamptz", ["2025-08-18 00:00+02"], "not at midnight"),
    (
        "date",
        "text",
        ["2025-02-30", "1900-02-29", "2025-04-31", "0000-01-01", "2025-13-01", "2025-00-10"],
        "no days such as",
    ),
    (
        "date",
        "text",
        ["18.08.2025", "08/18/2025", "20250818", "2025-8-18", "18 Aug 2025", "12025-01-01"],
        "no days such as",
    ),
    (
        "date",
        "text",
        ["infinity", "today", "epoch", "", "44-03-15 BC", "2025-08-18 BC", "2025-08-18 08:00"],
        "no days such as",
    ),
    ("date", "integer", [20250818], "whose meaning nobody can know"),
    (
        "timestamp without time zone",
        "text",
        ["2025-08-18 24:00:00", "2025-08-18 23:59:60", "2025-08-18 08:60", "2025-02-30 08:00"],
        "no times such as",
    ),
    (
        "timestamp without time zone",
        "text",
        ["2025-08-18 08:00:00.1234567", "294276-01-01 00:00", "2025-08-18 8:00", "08:00"],
        "no times such as",
    ),
    (
        "timestamp without time zone",
        "text",
        ["now", "infinity", "2025-08-18 08:00 Europe/Rome", "2025-08-18 08:00+15", "2025-08-18 08:00 PM"],
        "no times such as",
    ),
    ("timestamp without time zone", "bigint", [1755504000], "whose meaning nobody can know"),
    ("timestamp without time zone", "date", ["294277-01-01", "5874897-12-31"], "no times such as"),
    ("timestamp without time zone", "time", ["08:00"], "whose meaning nobody can know"),
]


@pytest.mark.parametrize(("wanted", "older", "values", "expected", "then"), SURVIVE)
def test_a_column_gets_the_first_type_that_every_value_survives(old, wanted, older, values, expected, then):
    old.make(wanted, older, values)
    old.adopt_types()
    table, column = COLUMNS[wanted]
    then = then.split() if isinstance(then, str) else [None if value is None else str(value) for value in then]
    assert old.obstacles() == {}
    assert old.type_of(table, column) == expected
    assert old.values(table, column) == then


@pytest.mark.parametrize(("wanted", "older", "values", "said"), IN_THE_WAY)
def test_a_value_that_no_type_of_today_holds_is_in_the_way(old, wanted, older, values, said):
    old.make(wanted, older, [*values, None])
    table, column = COLUMNS[wanted]
    before = old.type_of(table, column), old.values(table, column)
    old.adopt_types()
    [(object, detail)] = old.obstacles().items()
    assert object == f"column {table}.{column}"
    assert said in detail
    assert (old.type_of(table, column), old.values(table, column)) == before
    ids = ", ".join(str(number) for number in range(1, len(values) + 1))
    assert f"(id {ids}). To see them: SELECT * FROM {table} WHERE id IN ({ids}). To mend them: " in detail


@pytest.mark.parametrize(("wanted", "older", "values", "said"), IN_THE_WAY)
def test_one_such_value_among_others_is_in_the_way(old, wanted, older, values, said):
    good = {"text": {"integer": "1", "numeric(5,2)": "1", "boolean": "1"}.get(wanted, "2025-08-18")}.get(older)
    old.make(wanted, older, [good, good, values[0]])
    old.adopt_types()
    assert "(id 3)" in old.obstacles()["column {}.{}".format(*COLUMNS[wanted])]


@pytest.mark.parametrize(("wanted", "older", "values", "said"), IN_THE_WAY)
def test_the_advice_can_be_followed_as_it_is(old, wanted, older, values, said):
    old.make(wanted, older, values)
    table, column = COLUMNS[wanted]
    before = old.values(table, column)
    old.adopt_types()
    [detail] = old.obstacles().values()
    see, mend = detail.split(" To see them: ")[1].split(". To mend them: ")
    assert old.query(f"SELECT count(*) FROM ({see}) AS seen") == [(len(values),)]
    old.execute(mend)
    old.execute("DELETE FROM adoption_report")
    old.convert()
    assert old.obstacles() == {}
    assert old.type_of(table, column) == wanted
    assert old.values(table, f"{column}_before") == before


class TestTheReport:
    def test_says_what_became_of_a_column(self, old):
        old.make("boolean", "integer", [1, None, 0])
        old.adopt_types()
        assert old.report("done", "column users.is_active") == [(2, "integer became boolean")]

    def test_says_which_values_made_a_wider_type_necessary(self, old):
        old.make("numeric(5,2)", "double precision", ["1500.25", "1.25", "999.995"])
        old.adopt_types()
        assert old.report("done", "column tasks.estimated_hours") == [
            (3, "double precision became numeric, not numeric(5,2), which cannot hold the values of id 1, 3")
        ]

    def test_names_all_columns_that_are_in_the_way(self, old):
        old.execute("CREATE TABLE users (id serial, is_active text, last_login text, updated_at text)")
        old.execute("INSERT INTO users (is_active, last_login, updated_at) VALUES ('maybe', 'never', '2025-08-18')")
        old.execute("CREATE TABLE tasks (id serial, due_date text)")
        old.execute("INSERT INTO tasks (due_date) VALUES ('soon')")
        old.adopt_types()
        assert set(old.obstacles()) == {"column users.is_active", "column users.last_login", "column tasks.due_date"}

    def test_changes_nothing_where_anything_is_in_the_way(self, old):
        """By hand this file is a transaction of its own."""
        old.execute("CREATE TABLE users (id serial, is_active integer, last_login text)")
        old.execute("INSERT INTO users (is_active, last_login) VALUES (1, 'never')")
        old.adopt_types()
        assert old.type_of("users", "is_active") == "integer"
        assert old.report("done", "column %") == []

    def test_goes_on_where_it_stopped_once_the_rows_are_mended(self, old):
        old.make("boolean", "text", ["maybe"])
        old.adopt_types()
        old.execute("UPDATE users SET is_active = 'true'")
        old.convert()
        assert old.type_of("users", "is_active") == "boolean"

    def test_gives_the_condition_where_there_are_too_many_rows_to_name(self, old):
        old.make("integer", "text", [])
        old.execute("INSERT INTO time_entries (duration_seconds) SELECT 'n/a' FROM generate_series(1, 150)")
        old.execute("INSERT INTO time_entries (duration_seconds) VALUES ('7')")
        old.adopt_types()
        detail = old.obstacles()["column time_entries.duration_seconds"]
        assert "100 and 50 more)" in detail
        see, mend = detail.split(" To see them: ")[1].split(". To mend them: ")
        assert len(old.query(see)) == 150
        old.execute(mend)
        old.convert()
        assert old.type_of("time_entries", "duration_seconds") == "integer"

    def test_advises_no_null_where_none_is_allowed(self, old):
        old.make("integer", "text", ["n/a"], "NOT NULL")
        old.adopt_types()
        assert "UPDATE time_entries SET duration_seconds = '0' WHERE id IN (1)" in "".join(old.obstacles().values())

    def test_does_without_an_id(self, old):
        old.execute("CREATE TABLE settings (key text, rounding_minutes text, idle_timeout_minutes text)")
        old.execute("INSERT INTO settings VALUES ('a', 'n/a', '3000000000')")
        old.execute(TYPES.read_text("ascii"))  # nobody's, as long as no adoption is due
        old.execute("INSERT INTO startup_marks (name, value) VALUES ('adoption', 'begun')")
        old.convert()
        assert "WHERE rounding_minutes IS NOT NULL" in old.obstacles()["column settings.rounding_minutes"]


EXACT_TIMES = ["2025-08-18 08:00:00", "2025-08-18T08:00:00", "2025-08-18 08:00:00.5", "9999-12-31 23:59:59"]
EXACT_ZONED = [
    "2025-08-18 08:00:00Z",
    "2025-08-18T08:00:00+02:00",
    "2025-08-18T08:00:00.123456-0330",
    "2025-08-18 08:00:00+14",
]
ODD = [
    "2025-08-18 24:00:00",
    "2025-08-18 23:59:60",
    "2025-02-29 08:00:00",
    "0000-01-01 00:00:00",
    "0044-03-15 00:00:00 BC",
    "294276-01-01 00:00:00",
    "2025-08-18 08:00:00.1234567",
    "2025-08-18 08:00:00 PM",
    "infinity",
    "-infinity",
    "epoch",
    "now",
    "2025-08-18 08:00:00+15",
    "2025-08-18 08:00:00+02:60",
    "2025-08-18 08:00:00+2",
    "2025-08-18 08:00:00+02:00:30",
    "2025-08-18 08:00:00 Europe/Rome",
    "2025-08-18 08:00:00Z ",
    "2025-08-18  08:00:00",
    "",
    " ",
    "2025-08-18",
    "1e2",
    "NaN",
    "Infinity",
    "12.50",
    "12.500",
    "-0",
    "0",
    "1",
    "-1",
    "007",
    "+7",
    "2147483648",
    "1e400",
    "999.99",
    "1000",
    "t",
    "true",
    "TRUE",
    "y",
    "o",
    "2025-02-30",
    "2024-02-29",
    "10000-01-01",
    "\u0661",
    "\u00a01",
]


@pytest.mark.parametrize(
    ("wanted", "is_utc"),
    [
        ("timestamp without time zone", False),
        ("timestamp without time zone", True),
        ("date", False),
        ("boolean", False),
        ("integer", False),
        ("bigint", False),
        ("numeric(5,2)", False),
        ("numeric", False),
    ],
)
def test_the_shortcut_proves_nothing_that_the_pattern_denies(old, wanted, is_utc):
    """It may fail, and it may deny what is right; then the pattern decides."""
    old.adopt_types()
    old.execute("SET LOCAL timezone = 'UTC'; CREATE TABLE texts (value text)")
    today = {"bigint": "integer", "numeric": "numeric(5,2)"}.get(wanted, wanted)
    [(fits, shortcut)] = old.query(
        "SELECT fits, adoption_shortcut('value', 'text', 'text', type, is_utc)"
        " FROM adoption_candidates('value', 'text', 'text', %s, false) WHERE type = %s AND is_utc = %s",
        today,
        wanted,
        is_utc,
    )
    for value in EXACT_TIMES + EXACT_ZONED + ODD:
        old.execute("DELETE FROM texts")
        old.execute("INSERT INTO texts VALUES (%s)", value)
        old.execute("SAVEPOINT before")
        try:
            [(proven,)] = old.query(f"SELECT {shortcut or 'false'} FROM texts")
        except psycopg2.errors.DataError:
            proven = False
            old.execute("ROLLBACK TO before")
        [(is_fit,)] = old.query(f"SELECT ({fits}) IS TRUE FROM texts")
        assert is_fit or not proven, value
        if value in (EXACT_ZONED if is_utc else EXACT_TIMES[:2]) and wanted.startswith("timestamp"):
            assert proven, value


class TestTimesWithAZone:
    def test_a_mix_with_local_ones_is_in_the_way(self, old):
        old.make(
            "timestamp without time zone", "text", ["2025-08-18 08:00:00Z", "2025-08-18T08:00:00", "2025-08-18", None]
        )
        old.adopt_types()
        [detail] = old.obstacles().values()
        assert "values without a time zone beside others with one (id 2, 3)" in detail
        old.execute(detail.split("To mend them: ")[1])
        old.convert()
        assert old.values("users", "last_login") == [
            "2025-08-18 08:00:00",
            "2025-08-18 08:00:00",
            "2025-08-18 00:00:00",
            None,
        ]

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Rome", "America/Caracas"])
    def test_do_not_depend_on_the_settings_of_the_session(self, old, zone):
        old.execute(
            "SELECT set_config('timezone', %s, true), set_config('datestyle', 'German', true),"
            " set_config('extra_float_digits', '-5', true), set_config('intervalstyle', 'sql_standard', true)",
            zone,
        )
        old.execute(
            "CREATE TABLE tasks (id serial, started_at timestamptz, completed_at text, due_date text,"
            " estimated_hours double precision, name date)"
        )
        old.execute(
            "INSERT INTO tasks (started_at, completed_at, due_date, estimated_hours, name) VALUES"
            " ('2025-03-30 02:30:00+00', '2025-03-30 02:30:00', '2025-03-04', 0.12345678901234568, '2025-03-04')"
        )
        old.adopt_types()
        assert old.query(
            "SELECT started_at = timestamp '2025-03-30 02:30', completed_at = timestamp '2025-03-30 02:30',"
            " due_date = date '2025-03-04', estimated_hours = 0.12345678901234568, name FROM tasks"
        ) == [(True, True, True, True, "2025-03-04")]

    def test_of_an_entry_are_marked_as_utc(self, old):
        old.execute(
            "CREATE TABLE time_entries (id serial, start_time timestamptz, end_time text, created_at timestamptz)"
        )
        old.execute("INSERT INTO time_entries (start_time, end_time) VALUES (now(), '2025-08-18T08:00:00Z')")
        old.adopt_types()
        assert old.query("SELECT value FROM startup_marks WHERE name = 'adoption utc'") == [
            ("time_entries.start_time time_entries.end_time",)
        ]
        assert old.report("done", "column time_entries.start_time") == [
            (1, "timestamp with time zone became timestamp without time zone, in UTC")
        ]

    def test_are_marked_one_by_one(self, old):
        old.execute("CREATE TABLE time_entries (id serial, start_time timestamptz, end_time timestamp)")
        old.adopt_types()
        old.execute("ALTER TABLE time_entries ALTER end_time TYPE timestamptz")
        old.convert()
        assert old.query("SELECT value FROM startup_marks WHERE name = 'adoption utc'") == [
            ("time_entries.start_time time_entries.end_time",)
        ]

    def test_that_are_local_are_not_marked(self, old):
        old.execute(
            "CREATE TABLE time_entries (id serial, start_time timestamp, end_time text, created_at timestamptz)"
        )
        old.execute("INSERT INTO time_entries (end_time) VALUES ('2025-08-18 08:00:00')")
        old.adopt_types()
        assert old.query("SELECT value FROM startup_marks WHERE name = 'adoption utc'") == []


class TestWhatDependsOnAColumn:
    def test_a_view_is_named_with_its_definition(self, old):
        old.make("boolean", "integer", [1])
        old.execute("CREATE VIEW busy AS SELECT id FROM users WHERE is_active = 1")
        old.execute("CREATE MATERIALIZED VIEW busier AS SELECT id FROM busy")
        old.adopt_types()
        [detail] = old.obstacles().values()
        assert 'rule _RETURN on view busy depends on column "is_active"' in detail
        assert "To mend it: DROP MATERIALIZED VIEW busier; DROP VIEW busy -- then start again" in detail
        made_anew = "CREATE VIEW busy AS SELECT id FROM users WHERE (is_active = 1); CREATE MATERIALIZED VIEW busier AS"
        assert made_anew in detail.replace("users.", "")
        old.execute(detail.split("To mend it: ")[1])
        old.convert()
        assert old.type_of("users", "is_active") == "boolean"

    def test_a_view_over_other_columns_stays(self, old):
        old.make("boolean", "integer", [1])
        old.execute("CREATE VIEW everybody AS SELECT id FROM users")
        old.adopt_types()
        assert old.query("SELECT id FROM everybody") == [(1,)]
        assert old.type_of("users", "is_active") == "boolean"

    @pytest.mark.parametrize(
        ("made", "taken_away"),
        [
            ("CREATE INDEX active ON users (id) WHERE is_active = 1", "DROP INDEX active"),
            ("CREATE INDEX active ON users ((is_active + 1))", "DROP INDEX active"),
            (
                "ALTER TABLE users ADD CONSTRAINT active CHECK (is_active = 1)",
                "ALTER TABLE users DROP CONSTRAINT active",
            ),
            (
                "CREATE RULE active AS ON UPDATE TO users WHERE NEW.is_active = 1 DO NOTHING",
                "DROP RULE active ON users",
            ),
            ("CREATE POLICY active ON users TO PUBLIC USING (is_active = 1)", "DROP POLICY active ON users"),
            (
                "CREATE TRIGGER active BEFORE UPDATE OF is_active ON users FOR EACH ROW"
                " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
                "DROP TRIGGER active ON users",
            ),
            pytest.param(
                "ALTER TABLE users ADD was integer GENERATED ALWAYS AS (is_active + 1) STORED",
                "ALTER TABLE users ALTER COLUMN was DROP EXPRESSION",
                marks=pytest.mark.since_pg(15),  # 14 keeps another kind of dependency: it is named by its own message
            ),
            (
                "CREATE FUNCTION active() RETURNS bigint"
                " BEGIN ATOMIC SELECT count(*) FROM users WHERE is_active = 1; END",
                "DROP ROUTINE active()",
            ),
        ],
    )
    def test_what_cannot_go_along_is_named(self, old, made, taken_away):
        old.make("boolean", "integer", [1])
        old.execute(made)
        old.adopt_types()
        [detail] = old.obstacles().values()
        assert f"To mend it: {taken_away} -- then start again, and make anew what it was: " in detail
        assert old.type_of("users", "is_active") == "integer"
        old.execute(detail.split("To mend it: ")[1])
        old.convert()
        assert old.type_of("users", "is_active") == "boolean"

    def test_each_column_that_a_view_uses_is_named_at_once(self, old):
        old.execute("CREATE TABLE users (id serial, is_active integer, username varchar(5), last_login text)")
        old.execute("CREATE VIEW active AS SELECT username FROM users WHERE is_active = 1")
        old.adopt_types()
        assert set(old.obstacles()) == {"column users.is_active", "column users.username"}

    def test_a_check_that_allows_both_0_and_1_goes(self, old):
        old.make("boolean", "integer", [1, 0], "CHECK (is_active IN (0, 1))")
        old.adopt_types()
        [(_, detail)] = old.report("done", "column users.is_active")
        assert detail.endswith("; the CHECK ((is_active = ANY (ARRAY[0, 1]))) says nothing more and was dropped")
        assert old.type_of("users", "is_active") == "boolean"

    def test_two_texts_that_are_the_same_number_are_in_the_way_of_a_key(self, old):
        old.execute("CREATE TABLE users (id text PRIMARY KEY); INSERT INTO users VALUES ('1'), ('01')")
        old.adopt_types()
        assert "(Key (id)=(1) is duplicated.)" in old.obstacles()["column users.id"]

    def test_comments_grants_indexes_and_collations_stay(self, old):
        old.execute(
            'CREATE TABLE users (id serial, username varchar(5) COLLATE "C" UNIQUE, is_active integer NOT NULL)'
        )
        old.execute("COMMENT ON COLUMN users.is_active IS 'since 2019'; GRANT SELECT (is_active) ON users TO PUBLIC")
        old.execute("CREATE INDEX active ON users (is_active DESC, id)")
        kept = (
            "SELECT col_description(attrelid, attnum), attacl::text, attnotnull, attcollation::regcollation::text"
            " FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0"
            " UNION ALL SELECT pg_get_indexdef(indexrelid), '', indisunique, '' FROM pg_index"
            " WHERE indrelid = 'users'::regclass ORDER BY 1, 2, 3, 4"
        )
        before = old.query(kept)
        old.adopt_types()
        assert old.type_of("users", "is_active") == "boolean"
        assert old.query(kept) == before


class TestForeignKeys:
    def test_both_sides_change_and_the_key_stays(self, old):
        old.execute(
            "CREATE TABLE users (id numeric PRIMARY KEY);"
            "CREATE TABLE time_entries (id serial, user_id numeric REFERENCES users ON DELETE CASCADE);"
            "COMMENT ON CONSTRAINT time_entries_user_id_fkey ON time_entries IS 'since 2019';"
            "INSERT INTO users VALUES (1), (3000000000);"
            "INSERT INTO time_entries (user_id) VALUES (1), (1), (NULL)"
        )
        old.adopt_types()
        assert old.obstacles() == {}
        assert (old.type_of("users", "id"), old.type_of("time_entries", "user_id")) == ("bigint", "integer")
        assert old.query(
            "SELECT pg_get_constraintdef(oid), obj_description(oid) FROM pg_constraint WHERE contype = 'f'"
        ) == [("FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE", "since 2019")]
        assert len(old.report("done", "foreign key time_entries.time_entries_user_id_fkey")) == 1

    def test_a_side_that_cannot_change_leaves_the_other_and_the_key(self, old):
        old.execute(
            "CREATE TABLE users (id text PRIMARY KEY);"
            "CREATE TABLE time_entries (id serial, user_id text REFERENCES users);"
            "INSERT INTO users VALUES ('alice'), ('2'); INSERT INTO time_entries (user_id) VALUES ('2')"
        )
        old.adopt_types()
        assert set(old.obstacles()) == {"column users.id"}
        assert old.type_of("time_entries", "user_id") == "text"
        assert old.query("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(1,)]

    def test_the_key_of_a_table_that_is_not_ours_is_in_the_way(self, old):
        old.execute("CREATE TABLE users (id numeric PRIMARY KEY); CREATE TABLE badges (owner numeric REFERENCES users)")
        old.adopt_types()
        detail = old.obstacles()["column users.id"]
        assert "incompatible types: numeric and integer" in detail
        assert "To mend it: ALTER TABLE badges DROP CONSTRAINT badges_owner_fkey -- then start again" in detail

    def test_the_key_of_a_table_that_is_not_ours_stays_where_it_can(self, old):
        old.execute(
            "CREATE TABLE users (id smallserial PRIMARY KEY); CREATE TABLE badges (owner smallint REFERENCES users)"
        )
        old.adopt_types()
        assert old.type_of("users", "id") == "integer"
        assert old.query("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(1,)]


class TestDefaults:
    def test_a_sequence_goes_on(self, old):
        old.execute(
            "CREATE SEQUENCE numbers START 7; CREATE TABLE users (id numeric PRIMARY KEY DEFAULT nextval('numbers'))"
        )
        old.execute("INSERT INTO users DEFAULT VALUES")
        old.adopt_types()
        old.execute("INSERT INTO users DEFAULT VALUES")
        assert old.query("SELECT id FROM users ORDER BY id") == [(7,), (8,)]

    @pytest.mark.parametrize("id", ["smallserial", "smallint GENERATED BY DEFAULT AS IDENTITY"])
    def test_a_small_sequence_grows_with_its_column(self, old, id):
        old.execute(
            f"CREATE TABLE users (id {id} PRIMARY KEY, username text); INSERT INTO users (username) VALUES ('alice')"
        )
        old.adopt_types()
        assert old.query(
            "SELECT seqtypid::regtype::text, seqmax FROM pg_sequence WHERE seqrelid = 'users_id_seq'::regclass"
        ) == [("integer", 2147483647)]
        old.execute("INSERT INTO users (username) VALUES ('bob')")
        assert old.query("SELECT max(id) FROM users") == [(2,)]

    def test_one_of_the_old_type_goes_without_a_word_where_there_is_one_today(self, old):
        old.make("boolean", "integer", [1], "DEFAULT 1 NOT NULL")
        old.adopt_types()
        assert old.report("done", "column users.is_active") == [(1, "integer became boolean")]

    def test_one_that_there_is_not_today_is_reported(self, old):
        old.make("timestamp without time zone", "timestamptz", [], "DEFAULT now()")
        old.adopt_types()
        [(_, detail)] = old.report("done", "column users.last_login")
        assert detail.endswith("; its default now() was dropped")

    def test_one_stays_where_the_type_only_grows(self, old):
        old.make("character varying(10)", "varchar(5)", [], "DEFAULT 'TT'")
        old.adopt_types()
        old.execute("INSERT INTO settings DEFAULT VALUES")
        assert old.values("settings", "invoice_prefix") == ["TT"]


class TestCost:
    COUNTS = "SELECT relname, relfilenode, pg_stat_get_xact_numscans(oid) FROM pg_class WHERE relname = 'users'"

    def test_nothing_is_read_or_written_where_nothing_differs(self, old):
        old.execute(
            "CREATE TABLE users (id bigserial PRIMARY KEY, username text, is_active boolean, last_login timestamp);"
            "INSERT INTO users (username) SELECT 'alice' FROM generate_series(1, 10)"
        )
        old.execute(NAMES.read_text("ascii"))
        old.execute(TYPES.read_text("ascii"))
        before = old.query(self.COUNTS)
        old.convert()
        assert old.query(self.COUNTS) == before
        assert old.query(
            "SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND pid = pg_backend_pid()"
            " AND mode = 'AccessExclusiveLock' AND NOT granted"
        ) == [(0,)]

    def test_nothing_happens_where_no_adoption_is_due(self, old):
        old.make("boolean", "integer", [1])
        old.execute("INSERT INTO startup_marks (name, value) VALUES ('adoption', 'done')")
        for file in (NAMES, TYPES, VALUES):
            old.execute(file.read_text("ascii"))
        assert old.type_of("users", "is_active") == "integer"
        assert old.query("SELECT count(*) FROM adoption_report") == [(0,)]

    @pytest.mark.parametrize(
        ("wanted", "older"),
        [
            ("character varying(10)", "varchar(5)"),
            ("text", "varchar(5)"),
            ("timestamp without time zone", "timestamptz"),
            ("timestamp without time zone", "timestamp(3)"),
            ("numeric(5,2)", "numeric(3,2)"),
        ],
    )
    def test_a_type_that_only_grows_rewrites_no_row(self, old, wanted, older):
        old.make(wanted, older, [None])
        table, column = COLUMNS[wanted]
        before = old.query("SELECT relfilenode FROM pg_class WHERE oid = %s::regclass", table)
        old.adopt_types()
        assert old.type_of(table, column) == wanted
        assert old.query("SELECT relfilenode FROM pg_class WHERE oid = %s::regclass", table) == before

    def test_a_second_time_changes_nothing(self, old):
        old.make("numeric(5,2)", "double precision", ["1500.25"])
        old.adopt_types()
        before = (
            old.query("SELECT * FROM adoption_report"),
            old.query("SELECT relfilenode FROM pg_class WHERE relname = 'tasks'"),
        )
        old.convert()
        assert (
            old.query("SELECT * FROM adoption_report"),
            old.query("SELECT relfilenode FROM pg_class WHERE relname = 'tasks'"),
        ) == before


class TestDomains:
    def test_count_as_the_type_below(self, old):
        old.execute(
            "CREATE DOMAIN amount AS numeric(9,2) CHECK (VALUE > 0); CREATE DOMAIN flag0 AS integer;"
            "CREATE DOMAIN flag AS flag0; CREATE DOMAIN words AS text;"
            "CREATE TABLE projects (id serial, hourly_rate amount, billable flag, name words);"
            "INSERT INTO projects (hourly_rate, billable, name) VALUES (12.5, 1, 'General')"
        )
        old.adopt_types()
        assert [old.type_of("projects", name) for name in ("hourly_rate", "billable", "name")] == [
            "numeric(9,2)",
            "boolean",
            "text",
        ]
        assert old.query("SELECT hourly_rate::text, billable, name FROM projects") == [("12.50", True, "General")]


def test_a_table_of_another_schema_is_left_alone(old):
    old.make("boolean", "integer", [1])
    old.execute("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.users (id serial, is_active integer)")
    old.adopt_types()
    assert old.type_of("elsewhere.users", "is_active") == "integer"


def test_no_row_hides_from_it(old):
    """Row security that holds for the owner too would hide a value that does not fit."""
    old.make("date", "timestamp", ["2025-08-18 08:00"])
    old.execute("ALTER TABLE tasks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="row-level security"):
        old.adopt_types()


def test_names_that_need_quotes_are_quoted(old):
    """No column of ours needs any; a constraint or a collation may."""
    old.make("boolean", "integer", [1], 'CONSTRAINT "0 or 1, says O\'Hara %s" CHECK (is_active IN (0, 1))')
    old.adopt_types()
    assert old.type_of("users", "is_active") == "boolean"
