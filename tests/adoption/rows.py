"""Rows of an old database in use, drawn from values that have made trouble somewhere."""

from collections.abc import Callable, Sequence
from typing import Any

TEXTS = (
    "plain",
    "",
    "   ",
    'O\'Neil "Phase 2"',
    "back\\slash \\n, percent %s %(x)s, colon :name, $1, {0}; --",
    "'); DROP TABLE users; /*",
    "Zürich \u2013 日本語メモ, עברית, e\u0301, 👩‍💻🕒, zero\u200bwidth",
    "line one\nline two\n\ttabbed, trailing blanks   ",
    "NULL",
    "x" * 200,
)
TIMES = (
    "1970-01-01 00:00:00",
    "2024-02-29 12:00:00",
    "2025-03-30 02:30:00",  # does not exist in Rome
    "2025-10-26 02:30:00",  # exists there twice
    "2025-08-18 08:03:17.123456",
    "2025-08-19 22:30:00.5",
    "2099-12-31 23:59:59.999999",
)
DATES = ("1999-12-31", "2024-02-29", "2025-09-15", "2028-02-29")
DURATIONS = (None, 0, 1, 3412, -3600, 129600, 2147483647)
MONEY = ("0", "0.00", "10.50", "-150.00", "99999.99", "1824.71")
HOURS = (None, "0", "0.25", "12.50", "999.99")
COUNTS = {"users": 6, "projects": 6, "tasks": 6, "time_entries": 6, "settings": 1, "invoices": 6, "invoice_items": 6}

# Gives one of some things: hypothesis, or a generator of random numbers.
Choose = Callable[[Sequence[Any]], Any]


def literal(value: Any) -> str:
    """A value in SQL."""
    if value is None:
        return "NULL"
    return "'" + str(value).replace("'", "''") + "'"


def draw_rows(choose: Choose, fewest: int = 0) -> str:
    """Draw rows for each table, at least so many: INSERTs into the tables of base.sql, with the ids that they need."""
    ids: dict[str, list[int]] = {}
    statements = []
    for table, most in COUNTS.items():
        count = choose(range(min(fewest, most), most + 1))
        needed = {"tasks": ("users", "projects")}.get(table, ())
        if not all(ids[other] for other in needed):
            count = 0
        step = choose((1, 3))  # gaps between the ids
        ids[table] = [1 + number * step for number in range(count)]
        for id in ids[table]:
            row = {"id": id} | _row(table, id, ids, choose)
            values = ", ".join(map(literal, row.values()))
            statements.append(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values});")
        if count:
            statements.append(f"SELECT setval('{table}_id_seq', {ids[table][-1]});")
    return "\n".join(statements)


def _row(table: str, id: int, ids: dict[str, list[int]], choose: Choose) -> dict[str, Any]:
    def one_of(other: str, may_be_null: bool = True) -> int | None:
        return choose([*ids[other], None] if may_be_null or not ids[other] else ids[other])

    def text(length: int) -> str:
        return choose(TEXTS)[:length]

    times = {"created_at": choose(TIMES), "updated_at": choose(TIMES)}
    if table == "users":
        return times | {
            "username": f"{text(70)} {id}",
            "role": choose(("user", "admin")),
            "last_login": choose((None, *TIMES)),
            "is_active": choose((True, False)),
        }
    if table == "projects":
        return times | {
            "name": text(200),
            "client": text(190),
            "description": choose((None, *TEXTS)),
            "billable": choose((True, False)),
            "hourly_rate": choose((None, "0.00", "125.50", "9999999.99")),
            "billing_ref": choose((None, "", "PO-2025/0815")),
            "status": choose(("active", "archived")),
        }
    if table == "tasks":
        return times | {
            "project_id": one_of("projects", may_be_null=False),
            "name": text(200),
            "description": choose((None, *TEXTS)),
            "status": choose(("pending", "done", "cancelled")),
            "priority": choose(("low", "urgent")),
            "assigned_to": one_of("users"),
            "created_by": one_of("users", may_be_null=False),
            "due_date": choose((None, *DATES)),
            "estimated_hours": choose(HOURS),
            "actual_hours": choose(HOURS),
            "started_at": choose((None, *TIMES)),
        }
    if table == "time_entries":
        return times | {
            "user_id": one_of("users"),
            "project_id": one_of("projects"),
            "task_id": one_of("tasks"),
            "start_time": choose(TIMES),
            "end_time": choose((None, *TIMES)),  # often before the start
            "duration_seconds": choose(DURATIONS),
            "notes": choose((None, *TEXTS)),
            "tags": choose((None, "", "a''b,\"c\"", "x" * 500)),
            "source": choose(("manual", "auto")),
            "billable": choose((True, False)),
        }
    if table == "settings":
        return times | {
            "timezone": choose(("Europe/Brussels", "UTC", "Atlantis/Nowhere")),
            "currency": choose(("CHF", "EUR")),
            "rounding_minutes": choose((1, 15)),
            "single_active_timer": choose((True, False)),
            "allow_analytics": choose((True, False)),
            "company_name": text(200),
            "company_logo_filename": choose(("", "company_logo_3f1c.png")),
            "invoice_prefix": choose(("INV", "RE", "")),
            "invoice_terms": choose(TEXTS),
        }
    if table == "invoices":
        return times | {
            "invoice_number": f"{text(40)} {id}",
            "project_id": one_of("projects"),
            "client_name": text(200),
            "client_address": choose((None, *TEXTS)),
            "issue_date": choose(DATES),
            "due_date": choose(DATES),
            "status": choose(("draft", "paid")),
            "subtotal": choose(MONEY),
            "tax_rate": choose(("0", "7.70", "19.00")),
            "total_amount": choose(MONEY),
            "notes": choose((None, *TEXTS)),
            "created_by": one_of("users"),
        }
    return {
        "created_at": choose(TIMES),
        "invoice_id": one_of("invoices"),
        "description": text(200),
        "quantity": choose(("1", "3.75", "-1.00", "99999999.99")),
        "unit_price": choose(MONEY),
        "total_amount": choose(MONEY),
        "time_entry_ids": choose((None, "", "1,2")),
    }
