"""Traits of old databases: what each makes of the database of base.sql, and what adoption may change on its account.

Traits are applied in the order of TRAITS. What they allow, `arrives`, changes the rows that were there into those that
are expected, from the last trait to the first; all else is expected to stay as it was, to the last digit.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

BASE = (Path(__file__).parent / "base.sql").read_text(encoding="ascii")
SEVEN = ("users", "projects", "tasks", "time_entries", "settings", "invoices", "invoice_items")

Row = dict[str, Any]  # the text of each column, or what is expected of it
Rows = dict[str, dict[str, Row]]  # of each table, by id

NOW = "the time of the adoption"
FALLBACK_CLIENT = "Default Client"
DEFAULTS = {
    "users": {"role": "user", "is_active": "true", "created_at": NOW, "updated_at": NOW},
    "projects": {"billable": "true", "status": "active"},
    "tasks": {"status": "pending", "priority": "medium", "created_at": NOW, "updated_at": NOW},
    "time_entries": {"source": "manual", "billable": "true"},
    "settings": {
        "timezone": "Europe/Rome",
        "currency": "EUR",
        "rounding_minutes": "1",
        "single_active_timer": "true",
        "allow_self_register": "true",
        "idle_timeout_minutes": "30",
        "backup_retention_days": "30",
        "backup_time": "02:00",
        "export_delimiter": ",",
        "allow_analytics": "true",
        "company_name": "Your Company Name",
        "company_address": "Your Company Address",
        "company_email": "info@yourcompany.com",
        "company_phone": "+1 (555) 123-4567",
        "company_website": "www.yourcompany.com",
        "company_logo_filename": "",
        "company_tax_id": "",
        "company_bank_info": "",
        "invoice_prefix": "INV",
        "invoice_start_number": "1000",
        "invoice_terms": "Payment is due within 30 days of invoice date.",
        "invoice_notes": "Thank you for your business!",
        "created_at": NOW,
        "updated_at": NOW,
    },
    "invoices": {
        "status": "draft",
        "subtotal": "0.00",
        "tax_rate": "0.00",
        "tax_amount": "0.00",
        "total_amount": "0.00",
    },
    "invoice_items": {"quantity": "1.00"},
}


@dataclass(frozen=True)
class Number:
    """The number of this text, however it is written."""

    text: str

    def is_met_by(self, found: str | None) -> bool:
        if found is None or "NaN" in (self.text, found):
            return found == self.text
        return Decimal(found) == Decimal(self.text)


@dataclass(frozen=True)
class Moment:
    """The time or the day of this text, however it is written; UTC where it names a zone."""

    text: str

    def is_met_by(self, found: str | None) -> bool:
        if found is None:
            return False
        expected = datetime.fromisoformat(self.text.strip()).replace(tzinfo=None)
        return datetime.fromisoformat(found) == expected


@dataclass(frozen=True)
class Trait:
    """A trait: the SQL that gives it to a database, and what it allows adoption to change.

    `conflicts` are traits that it cannot stand beside; `renames` columns that bear another name afterwards.
    Of one that must be refused, `names` are the ids of which the message tells.
    """

    name: str
    sql: str
    arrives: Callable[[Rows], None] = lambda rows: None
    conflicts: tuple[str, ...] = ()
    renames: tuple[tuple[str, str, str], ...] = ()
    names: tuple[str, ...] = ()
    before_base: bool = False

    def expect(self, rows: Rows) -> None:
        """Change rows as they were before adoption into those after it, as far as this trait goes."""
        for table, old, new in self.renames:
            for row in rows.get(table, {}).values():
                if old in row:
                    row[new] = row.pop(old)
        self.arrives(rows)


# --- SQL ---

OURS = (
    "(SELECT oid FROM pg_class"
    f" WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname IN {SEVEN})"
)
FKS = f"FROM pg_constraint WHERE contype = 'f' AND conrelid IN {OURS}"


def for_each(question: str) -> str:
    """SQL that runs each statement that a query gives."""
    return (
        "DO $do$ DECLARE statement TEXT; BEGIN"
        f" FOR statement IN {question} LOOP EXECUTE statement; END LOOP; END; $do$;"
    )


def retyped(columns: str, type: str, using: str = "{}::{type}", default: str = "") -> str:
    """SQL that gives columns, such as 'users.is_active', another type, and takes their default."""
    statements = []
    for column in columns.split():
        table, _, own = column.partition(".")
        statements.append(
            f"ALTER TABLE {table} ALTER {own} DROP DEFAULT,"
            f" ALTER {own} TYPE {type} USING {using.format(own, type=type)};"
        )
        if default:
            statements.append(f"ALTER TABLE {table} ALTER {own} SET DEFAULT {default};")
    return "\n".join(statements)


def emptied(columns: dict[str, Any], rows: str = "id % 2 = 1 AND id < 9000") -> str:
    """SQL that lets columns be NULL, and sets some of their values so."""
    return "\n".join(
        f"ALTER TABLE {table} ALTER {own} DROP NOT NULL; UPDATE {table} SET {own} = NULL WHERE {rows};"
        for table, owns in columns.items()
        for own in owns
    )


# --- What adoption may change ---


def each(rows: Rows, *tables: str) -> Iterator[Row]:
    for table in tables:
        yield from rows.get(table, {}).values()


def as_kind(kind: type, *columns: str) -> Callable[[Rows], None]:
    """The same number or time, in another type."""

    def arrives(rows: Rows) -> None:
        for column in columns:
            table, _, own = column.partition(".")
            for row in each(rows, table):
                if isinstance(row.get(own), str) and row[own] != NOW:
                    row[own] = kind(row[own])

    return arrives


def as_booleans(*columns: str, texts: dict[str, str] | None = None) -> Callable[[Rows], None]:
    """0 and 1 are false and true, unless other texts are."""
    texts = texts or {"0": "false", "1": "true"}

    def arrives(rows: Rows) -> None:
        for column in columns:
            table, _, own = column.partition(".")
            for row in each(rows, table):
                if own in row:
                    row[own] = texts.get(row[own], row[own])

    return arrives


def defaults_for(table: str, *columns: str) -> Callable[[Rows], None]:
    """NULL, or a column that is missing, becomes the default."""

    def arrives(rows: Rows) -> None:
        for row in each(rows, table):
            for column in columns:
                if row.get(column) is None:
                    row[column] = DEFAULTS[table][column]

    return arrives


def all_of(*several: Callable[[Rows], None]) -> Callable[[Rows], None]:
    def arrives(rows: Rows) -> None:
        for one in several:
            one(rows)

    return arrives


def times_of_each_other(rows: Rows) -> None:
    """Where one of the two times is not known the other one is nearer than that of the adoption."""
    for row in each(rows, "users", "tasks", "settings"):
        for empty, known in (("updated_at", "created_at"), ("created_at", "updated_at")):
            if row.get(empty) is None and isinstance(row.get(known), str) and row[known] != NOW:
                row[empty] = Moment(row[known])


def all_defaults(rows: Rows) -> None:
    times_of_each_other(rows)
    for table, columns in DEFAULTS.items():
        defaults_for(table, *columns)(rows)


def orphans_of_tasks(rows: Rows) -> None:
    """The foreign key says ON DELETE SET NULL, so a task that is gone leaves NULL."""
    for row in each(rows, "time_entries"):
        if row.get("task_id") is not None and row["task_id"] not in rows.get("tasks", {}):
            row["task_id"] = None


def filled_from(table: str, column: str, older: str, blank: tuple = (None,)) -> Callable[[Rows], None]:
    """What is empty comes from the older column."""

    def arrives(rows: Rows) -> None:
        for row in each(rows, table):
            if row.get(column) in blank and row.get(older) is not None:
                row[column] = row[older]

    return arrives


def clients_by_name(rows: Rows) -> None:
    for row in each(rows, "projects"):
        client = rows.get("clients", {}).get(str(row.get("client_id")), {})
        row["client"] = client.get("name", FALLBACK_CLIENT)


def seconds_of_intervals(rows: Rows) -> None:
    for row in each(rows, "time_entries"):
        if row.get("duration_seconds") is None:
            row["duration_seconds"] = None if row.get("duration") is None else str(seconds_of(row["duration"]))


def seconds_of(interval: str) -> int:
    """The seconds of an interval as the server writes it, such as '1 day -02:00:00'."""
    days, sign, hours, minutes, seconds = re.fullmatch(
        r"(?:(-?\d+) days?)? ?(?:([-+]?)(\d+):(\d\d):(\d\d))?", interval
    ).groups()
    clock = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return int(days or 0) * 86400 + (-clock if sign == "-" else clock)


def seconds_of_minutes(rows: Rows) -> None:
    for row in each(rows, "time_entries"):
        minutes = row.get("duration_minutes")
        row["duration_seconds"] = None if minutes is None else str(int(minutes) * 60)


def settings_of_pairs(rows: Rows) -> None:
    """The first row gets what the rows say; those of which TimeTracker knows nothing stay, with the defaults."""
    pairs = {row["key"]: row["value"] for row in each(rows, "settings") if "key" in row}
    for row in each(rows, "settings"):
        known = pairs if row["key"] == "timezone" else {}
        for column, value in DEFAULTS["settings"].items():
            row[column] = known.get(column, value)


def roles_of_admins(rows: Rows) -> None:
    for row in each(rows, "users"):
        row["role"] = "admin" if row.get("is_admin") == "true" else "user"


def projects_of_tasks(rows: Rows) -> None:
    for row in each(rows, "time_entries"):
        task = rows.get("tasks", {}).get(str(row.get("task_id")), {})
        row["project_id"] = task.get("project_id")


# --- The traits ---

CLIENTS = """
CREATE TABLE IF NOT EXISTS clients (
    id SERIAL PRIMARY KEY,
    name VARCHAR(200) UNIQUE NOT NULL,
    status VARCHAR(20) DEFAULT 'active' NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);
INSERT INTO clients (name) SELECT DISTINCT client FROM projects ON CONFLICT DO NOTHING;
ALTER TABLE projects ADD COLUMN IF NOT EXISTS client_id INTEGER;
UPDATE projects SET client_id = clients.id FROM clients WHERE clients.name = client;
"""
# One of these at a time: the actions of the foreign keys, the columns of a superseded pair.
KEY_TRAITS = ("FKs deferrable", "FKs without ON DELETE", "FKs with another action", "FKs missing", "FKs not validated")
BRANDING = (
    "company_name company_address company_phone company_logo_filename company_tax_id invoice_prefix invoice_notes"
)
HALF_BRANDING = "company_website company_bank_info invoice_terms invoice_start_number"
SETTINGS_TRAITS = (
    "several settings rows and General projects",
    "branding columns missing",
    "branding columns nullable",
    "company_logo_path instead",
    "company_logo_path beside",
    "logo_path instead",
    "allow_analytics missing",
    "allow_analytics nullable",
    "booleans as 0 and 1",
    "numbers as text",
    "char(n)",
    "narrower varchar",
    "over-long text in text columns",
    "text as varchar",
    "invoice_prefix wider",
    "NULLs in columns with a default",
    "settings missing",
)
LOGO_TRAITS = ("company_logo_path instead", "company_logo_path beside", "logo_path instead")
DURATION_TRAITS = ("duration INTERVAL instead", "duration INTERVAL beside", "duration_minutes instead")
TEXT_TIMES = "users.created_at users.last_login time_entries.end_time tasks.due_date invoices.issue_date"
ZONED_TIMES = "time_entries.start_time projects.created_at tasks.updated_at settings.created_at"
INTEGERS_FOR_BOOLEANS = "users.is_active projects.billable time_entries.billable settings.single_active_timer"
DOUBLES = "projects.hourly_rate invoices.subtotal invoice_items.quantity"
IDS = (
    " ".join(f"{table}.id" for table in SEVEN)
    + " tasks.project_id tasks.assigned_to tasks.created_by time_entries.user_id time_entries.project_id"
    " time_entries.task_id invoices.project_id invoices.created_by invoice_items.invoice_id"
)
NULLABLE_HERE = {
    "users": ("role", "is_active", "created_at", "updated_at"),
    "projects": ("billable", "status", "created_at"),
    "tasks": ("status", "priority", "created_at"),
    "time_entries": ("source", "billable", "updated_at"),
    "settings": ("timezone", "currency", "rounding_minutes", "backup_time", "export_delimiter", "company_email"),
    "invoices": ("status", "subtotal", "tax_rate", "total_amount", "created_at"),
    "invoice_items": ("quantity", "created_at"),
}

TRAITS = [
    Trait(
        "all tables in a schema of their own",
        "CREATE SCHEMA tracker;\n"
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = tracker', current_database()); END; $$;\n"
        "SET search_path = tracker;",
        before_base=True,
    ),
    # Of rows alone
    Trait(
        "several settings rows and General projects",
        "INSERT INTO settings (id, timezone, created_at, updated_at)"
        " SELECT 20 + n, 'Europe/Rome', '2025-01-01', '2025-01-01' FROM generate_series(1, 3) AS n;\n"
        "INSERT INTO projects (id, name, client) SELECT 900 + n, 'General', 'Default Client' FROM generate_series(1,"
        " 3) AS n;",
    ),
    Trait(
        "one running timer a user",
        "UPDATE time_entries SET end_time = start_time WHERE end_time IS NULL;\n"
        "CREATE UNIQUE INDEX ux_time_entries_one_active ON time_entries (user_id, id) WHERE end_time IS NULL;",
    ),
    # ORM-born
    Trait(
        "no server defaults",
        for_each(
            "SELECT format('ALTER TABLE %s ALTER %I DROP DEFAULT', adrelid::regclass, attname) FROM pg_attrdef"
            " JOIN pg_attribute ON (attrelid, attnum) = (adrelid, adnum)"
            f" WHERE adrelid IN {OURS} AND pg_get_expr(adbin, adrelid) NOT LIKE 'nextval%'"
        ),
    ),
    Trait(
        "NOT NULL where the target has none",
        "DELETE FROM time_entries WHERE user_id IS NULL OR project_id IS NULL;\n"
        "DELETE FROM invoices WHERE project_id IS NULL OR created_by IS NULL;\n"
        "DELETE FROM invoice_items WHERE invoice_id IS NULL;\n"
        "ALTER TABLE time_entries ALTER user_id SET NOT NULL, ALTER project_id SET NOT NULL,"
        " ALTER created_at SET NOT NULL, ALTER updated_at SET NOT NULL;\n"
        "ALTER TABLE projects ALTER created_at SET NOT NULL, ALTER updated_at SET NOT NULL;\n"
        "ALTER TABLE invoices ALTER project_id SET NOT NULL, ALTER created_by SET NOT NULL,"
        " ALTER created_at SET NOT NULL;\n"
        "ALTER TABLE invoice_items ALTER invoice_id SET NOT NULL, ALTER created_at SET NOT NULL;",
    ),
    Trait(
        "indexes named ix_",
        for_each(
            "SELECT format('ALTER INDEX %s RENAME TO %I', indexrelid::regclass, replace(relname, 'idx_', 'ix_'))"
            f" FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid IN {OURS} AND relname LIKE 'idx\\_%'"
        ),
    ),
    Trait(
        "indexes missing",
        for_each(
            "SELECT format('DROP INDEX %s', indexrelid::regclass)"
            f" FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid IN {OURS} AND relname LIKE 'i%x\\_%'"
        ),
        conflicts=("indexes named ix_", "the index of start_utc under its old name"),
    ),
    Trait(
        "FKs without ON DELETE",
        for_each(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', conrelid::regclass, conname,"
            f" regexp_replace(pg_get_constraintdef(oid), ' ON DELETE .*', '')) {FKS}"
        ),
        conflicts=KEY_TRAITS,
    ),
    Trait(
        "FKs with another action",
        for_each(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s ON DELETE RESTRICT',"
            f" conrelid::regclass, conname, regexp_replace(pg_get_constraintdef(oid), ' ON DELETE .*', '')) {FKS}"
        ),
        conflicts=KEY_TRAITS,
    ),
    Trait(
        "FKs deferrable",
        for_each(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s ON UPDATE CASCADE DEFERRABLE"
            " INITIALLY DEFERRED', conrelid::regclass, conname,"
            f" regexp_replace(pg_get_constraintdef(oid), ' ON DELETE .*', '')) {FKS}"
        ),
        conflicts=KEY_TRAITS,
    ),
    Trait(
        "a deferred constraint trigger",
        "CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END; $$;\n"
        + "\n".join(
            f"CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION do_nothing();"
            for table in SEVEN
        ),
    ),
    Trait(
        "unique constraints that are deferrable",
        "ALTER TABLE users DROP CONSTRAINT users_username_key;\n"
        "ALTER TABLE users ADD CONSTRAINT users_username_key UNIQUE (username) DEFERRABLE INITIALLY DEFERRED;",
        conflicts=("nothing is unique", "unique indexes instead of constraints"),
    ),
    Trait(
        "FKs missing",
        for_each(f"SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) {FKS}"),
        conflicts=KEY_TRAITS,
    ),
    Trait(
        "FKs not validated",
        for_each(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s NOT VALID', conrelid::regclass,"
            f" conname, pg_get_constraintdef(oid)) {FKS}"
        ),
        conflicts=KEY_TRAITS,
    ),
    Trait(
        "FKs of other names",
        for_each(
            "SELECT format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', conrelid::regclass, conname, 'fk ' || conname)"
            f" {FKS}"
        ),
        conflicts=("FKs missing",),
    ),
    Trait(
        "orphans",
        for_each(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)"
            f" {FKS} AND confrelid IN ('users'::regclass, 'projects'::regclass, 'invoices'::regclass)"
        )
        + "\nUPDATE time_entries SET user_id = 404 WHERE id % 3 = 1;\n"
        "UPDATE time_entries SET project_id = 405 WHERE id % 3 = 2;\n"
        "UPDATE tasks SET created_by = 404 WHERE id % 2 = 1;\n"
        "UPDATE invoices SET created_by = 404 WHERE id % 2 = 1;\n"
        "UPDATE invoice_items SET invoice_id = 404 WHERE id % 2 = 1;",
    ),
    Trait(
        "task_id without FK, with orphans",
        for_each(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)"
            f" {FKS} AND confrelid = 'tasks'::regclass"
        )
        + "\nUPDATE time_entries SET task_id = 404 WHERE id % 2 = 1;",
        arrives=orphans_of_tasks,
    ),
    Trait(
        "no triggers",
        for_each(
            f"SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger"
            f" WHERE tgrelid IN {OURS} AND NOT tgisinternal"
        )
        + "\nDROP FUNCTION update_updated_at_column();",
        conflicts=("triggers that are disabled", "the trigger function of another body"),
    ),
    Trait(
        "triggers that are disabled",
        for_each(
            f"SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) FROM pg_trigger"
            f" WHERE tgrelid IN {OURS} AND NOT tgisinternal"
        ),
    ),
    Trait(
        "the trigger function of another body",
        "CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.updated_at := timezone('Europe/Rome', clock_timestamp()); RETURN NEW; END; $$;",
    ),
    Trait(
        "other triggers that touch updated_at",
        "CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.updated_at := '1999-01-01'; RETURN NEW; END; $$;\n"
        + "\n".join(
            f"CREATE TRIGGER trg_{table}_touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION"
            f" touch_updated_at();"
            for table in SEVEN
            if table != "invoice_items"
        ),
        conflicts=("users.updated_at missing",),  # it would fail at each update
    ),
    Trait(
        "estimated_hours double",
        retyped("tasks.estimated_hours", "DOUBLE PRECISION")
        + "\nUPDATE tasks SET estimated_hours = (ARRAY[1500.25, 999.995, 'NaN', 0.1])[1 + id % 4] WHERE id % 3 > 0;",
        arrives=as_kind(Number, "tasks.estimated_hours"),
    ),
    # Loose imports
    Trait(
        "bigint ids",
        retyped(" ".join(column for column in IDS.split() if not column.endswith(".id")), "BIGINT")
        + "\n"
        + "\n".join(f"ALTER TABLE {table} ALTER id TYPE BIGINT;" for table in SEVEN),
    ),
    Trait(
        "no sequences",
        "\n".join(f"ALTER TABLE {table} ALTER id DROP DEFAULT; DROP SEQUENCE {table}_id_seq;" for table in SEVEN),
        conflicts=("sequences behind", "identity columns"),
    ),
    Trait("sequences behind", "\n".join(f"SELECT setval('{table}_id_seq', 1, false);" for table in SEVEN)),
    Trait(
        "identity columns",
        "\n".join(
            f"ALTER TABLE {table} ALTER id DROP DEFAULT; DROP SEQUENCE {table}_id_seq;"
            f" ALTER TABLE {table} ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START 1000);"
            for table in SEVEN
        ),
        conflicts=("sequences behind",),
    ),
    Trait(
        "no primary keys",
        "\n".join(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey CASCADE;" for table in SEVEN),
        conflicts=("extra tables",),  # which could not refer to them
    ),
    Trait(
        "dates as text",
        retyped(TEXT_TIMES, "TEXT"),
        arrives=as_kind(Moment, *TEXT_TIMES.split()),
    ),
    Trait(
        "start_time as text",
        retyped("time_entries.start_time", "VARCHAR(40)", "replace({}::text, ' ', 'T')"),
        arrives=as_kind(Moment, "time_entries.start_time"),
        conflicts=("timestamptz",),
    ),
    Trait(
        "timestamptz",
        retyped(ZONED_TIMES, "TIMESTAMPTZ", "{} AT TIME ZONE 'UTC'", "CURRENT_TIMESTAMP"),
        arrives=as_kind(Moment, *ZONED_TIMES.split()),
    ),
    Trait(
        "booleans as 0 and 1",
        retyped(INTEGERS_FOR_BOOLEANS, "INTEGER", default="1"),
        arrives=as_booleans(*INTEGERS_FOR_BOOLEANS.split()),
    ),
    Trait(
        "booleans as text",
        retyped(INTEGERS_FOR_BOOLEANS, "VARCHAR(5)", "CASE WHEN {} THEN 'true' ELSE 'f' END"),
        arrives=as_booleans(*INTEGERS_FOR_BOOLEANS.split(), texts={"true": "true", "f": "false"}),
        conflicts=("booleans as 0 and 1", "checks of 0 and 1"),
    ),
    Trait(
        "enums",
        "CREATE TYPE project_status AS ENUM ('active', 'archived');\n"
        + retyped("projects.status", "project_status", "{}::text::project_status", "'active'"),
    ),
    Trait(
        "numeric ids",
        retyped("time_entries.project_id invoices.project_id invoice_items.invoice_id", "BIGINT")
        + "\nALTER TABLE invoice_items ALTER id TYPE NUMERIC;",
        arrives=as_kind(Number, "invoice_items.id"),
        conflicts=("bigint ids", "views", "sequences behind", "identity columns", "no sequences"),
    ),
    Trait(
        "checks of 0 and 1",
        for_each(
            "SELECT format('ALTER TABLE %s ADD CHECK (%I IN (0, 1))', attrelid::regclass, attname) FROM pg_attribute"
            f" WHERE attrelid IN {OURS} AND attname IN ('is_active', 'billable') AND atttypid = 'integer'::regtype"
        )
        + "\nCREATE INDEX ix_entries_long ON time_entries (duration_seconds) WHERE duration_seconds > 0;\n"
        "ALTER TABLE projects ADD CHECK (length(name) < 1000);",
    ),
    Trait(
        "char(n)", retyped("users.username projects.billing_ref", "CHAR(100)") + retyped("settings.currency", "CHAR(3)")
    ),
    Trait(
        "double precision for money",
        retyped(DOUBLES, "DOUBLE PRECISION") + "\nUPDATE projects SET hourly_rate = 10.125 WHERE id % 3 = 1;",
        arrives=as_kind(Number, *DOUBLES.split()),
    ),
    Trait(
        "numbers as text",
        retyped("settings.rounding_minutes invoices.tax_rate invoice_items.unit_price", "TEXT", "{}::text"),
        arrives=as_kind(Number, "settings.rounding_minutes", "invoices.tax_rate", "invoice_items.unit_price"),
    ),
    Trait(
        "narrower varchar",
        retyped("projects.name settings.company_name invoice_items.description", "VARCHAR(50)", "left({}, 50)"),
        conflicts=("over-long text in text columns",),
    ),
    Trait(
        "over-long text in text columns",
        retyped("time_entries.tags projects.name projects.client", "TEXT")
        + retyped("settings.company_logo_filename", "VARCHAR(500)")
        + "\nUPDATE time_entries SET tags = repeat('ü', 600) WHERE id % 2 = 1;\n"
        "UPDATE projects SET name = repeat('p', 300), client = repeat('c', 250) WHERE id % 2 = 1;\n"
        "UPDATE settings SET company_logo_filename = repeat('l', 400);",
        conflicts=("client_id beside client", "client_id instead of client"),  # clients.name is no longer than 200
    ),
    Trait(
        "text as varchar", retyped("time_entries.notes projects.description settings.invoice_terms", "VARCHAR(4000)")
    ),
    Trait(
        "invoice_prefix wider",
        "ALTER TABLE settings ALTER invoice_prefix TYPE VARCHAR(50);\n"
        "UPDATE settings SET invoice_prefix = 'RECHNUNG-2025-ZÜRICH';",
    ),
    # Dirty rows that arrive
    Trait(
        "NULLs in columns with a default",
        emptied(NULLABLE_HERE),
        arrives=all_defaults,
        conflicts=("NOT NULL where the target has none",),
    ),
    Trait(
        "wrong columns under the right index names",
        "DROP INDEX IF EXISTS idx_projects_client, idx_time_entries_start_time, idx_time_entries_billable;\n"
        "CREATE INDEX idx_projects_client ON projects (name);\n"
        "CREATE INDEX idx_time_entries_start_time ON time_entries (end_time);\n"
        "CREATE INDEX idx_time_entries_billable ON time_entries (user_id) WHERE user_id > 1;",
    ),
    Trait(
        "unique indexes instead of constraints",
        "ALTER TABLE users DROP CONSTRAINT users_username_key;\n"
        "CREATE UNIQUE INDEX ux_users_username ON users (username);\n"
        "ALTER TABLE invoices DROP CONSTRAINT invoices_invoice_number_key;\n"
        "CREATE UNIQUE INDEX ux_invoices_invoice_number ON invoices (invoice_number);",
        conflicts=("nothing is unique",),
    ),
    Trait(
        "nothing is unique",
        "ALTER TABLE users DROP CONSTRAINT users_username_key;\n"
        "ALTER TABLE invoices DROP CONSTRAINT invoices_invoice_number_key;",
    ),
    # Surroundings
    Trait(
        "extra columns",
        "ALTER TABLE users ADD full_name VARCHAR(200), ADD email TEXT DEFAULT 'none';\n"
        "ALTER TABLE projects ADD budget NUMERIC(10, 2);\n"
        "ALTER TABLE time_entries ADD external_id UUID;\n"
        "ALTER TABLE settings ADD theme VARCHAR(10) DEFAULT 'dark' NOT NULL;",
    ),
    Trait(
        "extra NOT NULL columns without default",
        "ALTER TABLE users ADD password_hash TEXT DEFAULT 'x' NOT NULL; ALTER TABLE users ALTER password_hash DROP"
        " DEFAULT;\n"
        "ALTER TABLE time_entries ADD kind INTEGER DEFAULT 1 NOT NULL; ALTER TABLE time_entries ALTER kind DROP"
        " DEFAULT;\n"
        "ALTER TABLE invoices ADD payment_status VARCHAR(20) DEFAULT 'unpaid' NOT NULL; ALTER TABLE invoices ALTER"
        " payment_status DROP DEFAULT;\n"
        "ALTER TABLE invoice_items ADD position INTEGER DEFAULT 1 NOT NULL; ALTER TABLE invoice_items ALTER position"
        " DROP DEFAULT;",
    ),
    Trait(
        "extra tables",
        "CREATE TABLE comments (id SERIAL PRIMARY KEY, project_id INTEGER REFERENCES projects (id) ON DELETE CASCADE,"
        " user_id INTEGER REFERENCES users (id), content TEXT NOT NULL);\n"
        "INSERT INTO comments (project_id, content) SELECT id, 'Zürich ' || id FROM projects;\n"
        "CREATE INDEX idx_comments ON comments (user_id);",
    ),
    Trait(
        "alembic_version",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY); INSERT INTO alembic_version VALUES"
        " ('018');",
    ),
    Trait(
        "comments",
        "COMMENT ON TABLE users IS 'Who''s who';\nCOMMENT ON COLUMN users.username IS 'the login';\n"
        "COMMENT ON COLUMN time_entries.start_time IS 'when it began';\n"
        "COMMENT ON INDEX users_pkey IS 'of an index';",
        conflicts=("no primary keys",),
    ),
    Trait(
        "grants",
        "GRANT SELECT ON users, time_entries TO old_reader;\nGRANT SELECT (id, name), UPDATE (name) ON projects TO"
        " old_reader;\n"
        "GRANT INSERT ON invoices TO PUBLIC;",
    ),
    Trait(
        "views",
        "CREATE VIEW entry_numbers AS SELECT e.id, t.description FROM time_entries e"
        " LEFT JOIN tasks t ON t.id = e.task_id;\n"
        "CREATE VIEW item_numbers AS SELECT id, invoice_id FROM invoice_items;\n"
        "CREATE MATERIALIZED VIEW user_count AS SELECT count(*) FROM users;",
        # A view of a column that gets another type is in the way.
        conflicts=("bigint ids",),
    ),
    Trait(
        "tables of the same names in another schema",
        "CREATE SCHEMA other;\n"
        "CREATE TABLE other.users (id TEXT, username INTEGER);\nINSERT INTO other.users VALUES ('one', 1), ('one',"
        " NULL);\n"
        "CREATE TABLE other.time_entries (start_utc TIMESTAMP NOT NULL, duration INTERVAL);\n"
        "CREATE TABLE other.settings (key TEXT, value TEXT);\nCREATE INDEX idx_users_role ON other.users (username);",
    ),
    # Superseded columns
    Trait(
        "users.updated_at missing",
        "DROP TRIGGER IF EXISTS update_users_updated_at ON users;\nALTER TABLE users DROP COLUMN updated_at;",
        arrives=all_of(times_of_each_other, defaults_for("users", "updated_at")),
    ),
    Trait(
        "start_utc instead",
        "ALTER TABLE time_entries RENAME start_time TO start_utc;\nALTER TABLE time_entries RENAME end_time TO"
        " end_utc;",
        renames=(("time_entries", "start_utc", "start_time"), ("time_entries", "end_utc", "end_time")),
        conflicts=("start_utc NOT NULL beside",),
    ),
    Trait(
        "start_utc NOT NULL beside",
        "ALTER TABLE time_entries ADD start_utc TIMESTAMP, ADD end_utc TIMESTAMP, ALTER start_time DROP NOT NULL;\n"
        "UPDATE time_entries SET start_utc = start_time::timestamp - interval '1 hour',"
        " end_utc = end_time::timestamp - interval '1 hour';\n"
        "ALTER TABLE time_entries ALTER start_utc SET NOT NULL;\n"
        "UPDATE time_entries SET start_time = NULL, end_time = NULL WHERE id % 2 = 1;",
        arrives=all_of(
            filled_from("time_entries", "start_time", "start_utc"), filled_from("time_entries", "end_time", "end_utc")
        ),
    ),
    Trait(
        "the index of start_utc under its old name",
        "DROP INDEX IF EXISTS ix_time_entries_start_time, idx_time_entries_start_time;\n"
        + for_each(
            "SELECT 'CREATE INDEX ix_time_entries_start_utc ON time_entries (' || attname || ')' FROM pg_attribute"
            " WHERE attrelid = 'time_entries'::regclass AND attname IN ('start_utc', 'start_time')"
            " ORDER BY attname DESC LIMIT 1"
        ),
        conflicts=("wrong columns under the right index names",),
    ),
    Trait(
        "client_id beside client", CLIENTS + "ALTER TABLE projects ADD FOREIGN KEY (client_id) REFERENCES clients (id);"
    ),
    Trait(
        "clients that disagree",
        CLIENTS + "UPDATE clients SET name = name || ' AG' WHERE id % 2 = 1 AND length(name) < 190;",
        conflicts=("over-long text in text columns",),
    ),
    Trait(
        "client_id that dangles or is NULL",
        CLIENTS + "ALTER TABLE projects DROP CONSTRAINT IF EXISTS projects_client_id_fkey;\n"
        "UPDATE projects SET client_id = CASE WHEN id % 2 = 1 THEN 404 END WHERE id % 3 > 0;",
        conflicts=("over-long text in text columns",),
    ),
    Trait(
        "client_id instead of client",
        for_each(
            "SELECT $sql$ CREATE TABLE clients (id SERIAL PRIMARY KEY, name VARCHAR(200));"
            " INSERT INTO clients (name) SELECT DISTINCT client FROM projects; ALTER TABLE projects ADD client_id"
            " INTEGER;"
            " UPDATE projects SET client_id = clients.id FROM clients WHERE clients.name = client $sql$"
            " WHERE to_regclass('clients') IS NULL"
        )
        + "\nALTER TABLE projects DROP COLUMN client;",
        arrives=clients_by_name,
        conflicts=("client missing",),
    ),
    Trait(
        "client missing",
        "ALTER TABLE projects DROP COLUMN client;",
        arrives=clients_by_name,
        conflicts=(
            "client_id beside client",
            "clients that disagree",
            "client_id that dangles or is NULL",
        ),
    ),
    Trait(
        "duration INTERVAL instead",
        "ALTER TABLE time_entries ADD duration INTERVAL;\n"
        "UPDATE time_entries SET duration = duration_seconds * interval '1 second';\n"
        "UPDATE time_entries SET duration = '1 day 02:03:04' WHERE id % 4 = 1;\n"
        "ALTER TABLE time_entries DROP COLUMN duration_seconds;",
        arrives=seconds_of_intervals,
        conflicts=DURATION_TRAITS,
    ),
    Trait(
        "duration INTERVAL beside",
        "ALTER TABLE time_entries ADD duration INTERVAL;\n"
        "UPDATE time_entries SET duration = interval '90 minutes', duration_seconds = nullif(duration_seconds, 3412);",
        arrives=seconds_of_intervals,
        conflicts=DURATION_TRAITS,
    ),
    Trait(
        "duration_minutes instead",
        "ALTER TABLE time_entries ADD duration_minutes INTEGER;\n"
        "UPDATE time_entries SET duration_minutes = duration_seconds / 60;\n"
        "ALTER TABLE time_entries DROP COLUMN duration_seconds;",
        arrives=seconds_of_minutes,
        conflicts=DURATION_TRAITS,
    ),
    Trait(
        "total instead",
        "ALTER TABLE invoices RENAME total_amount TO total;\nALTER TABLE invoice_items RENAME total_amount TO total;",
        renames=(("invoices", "total", "total_amount"), ("invoice_items", "total", "total_amount")),
        conflicts=("total beside",),
    ),
    Trait(
        "total beside",
        "ALTER TABLE invoices ADD total NUMERIC(10, 2) DEFAULT 7.5 NOT NULL; ALTER TABLE invoices ALTER total DROP"
        " DEFAULT;\n"
        "UPDATE invoices SET total_amount = 0 WHERE id % 2 = 1;",
        arrives=filled_from("invoices", "total_amount", "total", blank=(None, "0.00")),
    ),
    Trait(
        "is_admin instead of role",
        "ALTER TABLE users ADD is_admin BOOLEAN;\nUPDATE users SET is_admin = role = 'admin';\n"
        "ALTER TABLE users DROP COLUMN role;",
        arrives=roles_of_admins,
    ),
    Trait(
        "description instead of notes",
        "ALTER TABLE time_entries RENAME notes TO description;",
        renames=(("time_entries", "description", "notes"),),
    ),
    Trait(
        "a project through the task only",
        "ALTER TABLE time_entries DROP COLUMN project_id;",
        arrives=projects_of_tasks,
    ),
    Trait(
        "company_logo_path instead",
        "ALTER TABLE settings RENAME company_logo_filename TO company_logo_path;",
        renames=(("settings", "company_logo_path", "company_logo_filename"),),
        conflicts=LOGO_TRAITS,
    ),
    Trait(
        "company_logo_path beside",
        "ALTER TABLE settings ADD company_logo_path VARCHAR(255), ALTER company_logo_filename DROP NOT NULL;\n"
        "UPDATE settings SET company_logo_path = 'logos/old.png',"
        " company_logo_filename = nullif(company_logo_filename, '');",
        arrives=filled_from("settings", "company_logo_filename", "company_logo_path", blank=(None, "")),
        conflicts=LOGO_TRAITS,
    ),
    Trait(
        "logo_path instead",
        "ALTER TABLE settings RENAME company_logo_filename TO logo_path;",
        renames=(("settings", "logo_path", "company_logo_filename"),),
        conflicts=LOGO_TRAITS,
    ),
    Trait(
        "branding columns missing",
        "\n".join(f"ALTER TABLE settings DROP COLUMN {column};" for column in HALF_BRANDING.split()),
        arrives=defaults_for("settings", *HALF_BRANDING.split()),
    ),
    Trait(
        "branding columns nullable",
        "\n".join(
            f"ALTER TABLE settings ALTER {column} DROP NOT NULL; UPDATE settings SET {column} = NULL WHERE id % 2 = 1;"
            for column in BRANDING.split()
            if column != "company_logo_filename"
        ),
        arrives=defaults_for("settings", *(name for name in BRANDING.split() if name != "company_logo_filename")),
    ),
    Trait(
        "allow_analytics missing",
        "ALTER TABLE settings DROP COLUMN allow_analytics;",
        arrives=defaults_for("settings", "allow_analytics"),
        conflicts=("allow_analytics nullable",),
    ),
    Trait(
        "allow_analytics nullable",
        emptied({"settings": ["allow_analytics"]}),
        arrives=defaults_for("settings", "allow_analytics"),
    ),
    Trait(
        "settings as key and value",
        "DROP TABLE settings CASCADE;\nCREATE TABLE settings (key VARCHAR(50) PRIMARY KEY, value TEXT);\n"
        "INSERT INTO settings VALUES ('timezone', 'Europe/Brussels'), ('currency', 'CHF'), ('company_name', 'Müller"
        " & Söhne'),"
        " ('theme', 'dark');",
        arrives=settings_of_pairs,
        conflicts=SETTINGS_TRAITS,
    ),
    # Half-applied, and tables that were not known yet
    Trait("actual_hours missing", "ALTER TABLE tasks DROP COLUMN actual_hours, DROP COLUMN started_at;"),
    Trait(
        "task_id missing",
        "ALTER TABLE time_entries DROP COLUMN task_id CASCADE;",
        conflicts=("a project through the task only",),
    ),
    Trait("tasks missing", "DROP TABLE tasks CASCADE;", arrives=orphans_of_tasks),
    Trait("invoices missing", "DROP TABLE invoice_items, invoices CASCADE;"),
    Trait("invoice_items missing", "DROP TABLE invoice_items CASCADE;", conflicts=("invoices missing",)),
    Trait("settings missing", "DROP TABLE settings CASCADE;"),
    Trait("time_entries missing", "DROP TABLE time_entries CASCADE;"),
    Trait(
        "users and projects and no row",
        for_each(f"SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') FROM pg_class WHERE oid IN {OURS}")
        + "\nDROP TABLE IF EXISTS time_entries, tasks, invoice_items, invoices, settings CASCADE;",
        conflicts=(
            "tasks missing",
            "invoices missing",
            "invoice_items missing",
            "settings missing",
            "time_entries missing",
            "orphans",
            "extra tables",  # whose rows would hold the others
            "several settings rows and General projects",
        ),
    ),
]

# Traits that cannot arrive without guessing.
REFUSED = [
    Trait(
        "two users of one name",
        "ALTER TABLE users DROP CONSTRAINT users_username_key;\n"
        "INSERT INTO users (id, username) VALUES (9001, 'alice'), (9002, 'alice');",
        names=("9001", "9002"),
        conflicts=(
            "unique constraints that are deferrable",
            "unique indexes instead of constraints",
            "nothing is unique",
            "users and projects and no row",
        ),
    ),
    Trait(
        "two invoices of one number",
        "ALTER TABLE invoices DROP CONSTRAINT invoices_invoice_number_key;\n"
        "INSERT INTO invoices (id, invoice_number, client_name, issue_date, due_date) VALUES"
        " (9011, 'INV-1', 'c', '2025-01-01', '2025-01-01'), (9012, 'INV-1', 'c', '2025-01-01', '2025-01-01');",
        names=("9011", "9012"),
        conflicts=(
            "unique indexes instead of constraints",
            "nothing is unique",
            "users and projects and no row",
            "invoices missing",
            "NOT NULL where the target has none",
        ),
    ),
    Trait(
        "a user without a name",
        "ALTER TABLE users ALTER username DROP NOT NULL;\nINSERT INTO users (id, username) VALUES (9021, NULL);",
        names=("9021",),
        conflicts=("users and projects and no row",),
    ),
    Trait(
        "an entry without a start",
        "ALTER TABLE time_entries ALTER start_time DROP NOT NULL;\nINSERT INTO time_entries (id, notes) VALUES"
        " (9031, 'when?');",
        names=("9031",),
        conflicts=(
            "users and projects and no row",
            "time_entries missing",
            "NOT NULL where the target has none",
            "start_utc NOT NULL beside",
        ),
    ),
    Trait(
        "a task without a project",
        "ALTER TABLE tasks ALTER project_id DROP NOT NULL, ALTER created_by DROP NOT NULL;\n"
        "INSERT INTO tasks (id, name) VALUES (9041, 'of nothing');",
        names=("9041",),
        conflicts=(
            "users and projects and no row",
            "tasks missing",
            "orphans",
        ),
    ),
    Trait(
        "an item without a price",
        "ALTER TABLE invoice_items ALTER unit_price DROP NOT NULL, ALTER total_amount DROP NOT NULL;\n"
        "INSERT INTO invoice_items (id, description) VALUES (9051, 'for nothing');",
        names=("9051",),
        conflicts=(
            "users and projects and no row",
            "invoices missing",
            "invoice_items missing",
            "NOT NULL where the target has none",
        ),
    ),
    Trait(
        "text that is no number",
        retyped("tasks.actual_hours", "TEXT")
        + "\nINSERT INTO users (id, username) VALUES (9060, 'of 9061'); INSERT INTO projects (id, name, client)"
        " VALUES (9060, 'of 9061', 'c'); INSERT INTO tasks (id, name, project_id, created_by, actual_hours)"
        " VALUES (9061, 'a', 9060, 9060, '12,5'), (9062, 'b', 9060, 9060, 'n/a'), (9063, 'c', 9060, 9060, '3.5');",
        names=("9061", "9062"),
        conflicts=(
            "users and projects and no row",
            "tasks missing",
            "actual_hours missing",
        ),
    ),
    Trait(
        "text that is no time",
        retyped("time_entries.start_time", "TEXT")
        + "\nINSERT INTO time_entries (id, start_time) VALUES (9071, 'yesterday, I think'), (9072, '2025-13-45');",
        names=("9071", "9072"),
        conflicts=(
            "users and projects and no row",
            "time_entries missing",
            "NOT NULL where the target has none",
            "start_utc NOT NULL beside",
            "timestamptz",
            "one running timer a user",
        ),
    ),
    Trait(
        "integers that are no booleans",
        retyped("time_entries.billable", "INTEGER")
        + "\nINSERT INTO time_entries (id, start_time, billable) VALUES (9081, '2025-01-01', 2), (9082,"
        " '2025-01-01', -1);",
        names=("9081", "9082"),
        conflicts=(
            "booleans as text",
            "checks of 0 and 1",
            "users and projects and no row",
            "time_entries missing",
            "NOT NULL where the target has none",
        ),
    ),
    Trait(
        "a view of a column that needs another type",
        retyped("users.is_active", "INTEGER", default="1")
        + "\nCREATE VIEW active_users AS SELECT id, is_active FROM users;",
        names=("active_users",),
        conflicts=(
            "booleans as text",
            "checks of 0 and 1",
            "booleans as 0 and 1",
            "bigint ids",
        ),
    ),
    Trait(
        "two rows of one id",
        "ALTER TABLE projects DROP CONSTRAINT projects_pkey CASCADE;\n"
        "INSERT INTO projects (id, name, client) VALUES (9091, 'a', 'c'), (9091, 'b', 'c');",
        names=("9091",),
        conflicts=(
            "users and projects and no row",
            "no primary keys",
            "extra tables",
        ),
    ),
]


def are_compatible(one: Trait, other: Trait) -> bool:
    """Whether a database may bear both traits."""
    return one is not other and other.name not in one.conflicts and one.name not in other.conflicts


def statements_for(rows: str, traits: list[Trait]) -> str:
    """The SQL of a database with these rows and traits."""
    ordered = [trait for trait in TRAITS if trait in traits]
    parts = [f"-- {trait.name}\n{trait.sql}" for trait in ordered if trait.before_base]
    parts += [BASE, rows]
    # What is refused comes of rows in the plain tables; the other traits change those as well.
    parts += [f"-- {trait.name}\n{trait.sql}" for trait in REFUSED if trait in traits]
    parts += [f"-- {trait.name}\n{trait.sql}" for trait in ordered if not trait.before_base]
    # What is deferred would keep the tables of this transaction from being altered.
    return "SET TimeZone = 'UTC';\nSET CONSTRAINTS ALL IMMEDIATE;\n" + "\n".join(parts)


def expected_rows(before: Rows, traits: list[Trait]) -> Rows:
    """The rows that adoption should leave of those that were there."""
    rows = {table: {id: dict(row) for id, row in found.items()} for table, found in before.items()}
    applied = [trait for trait in TRAITS if trait in traits] or traits
    for trait in reversed(applied):
        trait.expect(rows)
    return rows
