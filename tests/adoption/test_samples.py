"""The seven sample databases of the predecessor: each arrives with what it held, or says why it cannot."""

import re
from pathlib import Path

import pytest
from adoption.checks import (
    picture_of,
    require_no_write,
    require_refusal,
    require_rows,
    require_untouched,
    require_usable,
)
from adoption.traits import (
    FALLBACK_CLIENT,
    Number,
    Rows,
    Trait,
    all_defaults,
    all_of,
    as_kind,
    defaults_for,
    each,
    orphans_of_tasks,
    times_of_each_other,
)
from adoption.trial import old_database, require_adoption
from faults.proxy import Place
from installation import contents_of

from startup.catalog import place_of, read_snapshot, type_of

LEGACY = Path(__file__).parents[1] / "legacy"
DIRTY, SUPERSET = "22-dirty-rows-near-target", "23-future-v230-superset"

# What adoption may change in each; that is all.
PERMITTED = {
    "04-v105-sql-4tables": Trait("a sample", ""),
    "07-v111-orm-7tables": Trait(
        "a sample",
        "",
        arrives=all_of(
            times_of_each_other,  # users.updated_at is missing
            as_kind(Number, "tasks.estimated_hours"),
            defaults_for("settings", "company_logo_filename", "company_tax_id", "company_bank_info"),
        ),
    ),
    "13-v121-half-init-empty": Trait("a sample", ""),
    "14-v122-stuck-on-utc": Trait(
        "a sample",
        "",
        renames=(("time_entries", "start_utc", "start_time"), ("time_entries", "end_utc", "end_time")),
    ),
    "17-v123-upgraded-stamped": Trait("a sample", "", arrives=orphans_of_tasks),
    SUPERSET: Trait("a sample", ""),
}

# NOT NULL without a default on what is not TimeTracker's would refuse its rows.
RELAXED_IN_SUPERSET = {"column payment_status", "column currency_code", "column client_id"}
REPLACED = "function public.update_updated_at_column()"

# The ids that the refusal names, by what it says of them.
REASONS = {
    "column tasks.estimated_hours": "1, 2, 7, 41",
    "column settings.rounding_minutes": "3",
    "column users.username": "22",
    "column projects.name": "32",
    "column tasks.project_id": "41",
    "column tasks.name": "41",
    "column tasks.created_by": "41",
    "column time_entries.start_time": "2003",
    "column invoices.invoice_number": "8",
    "column invoices.client_name": "8",
    "column invoices.issue_date": "8",
    "column invoices.due_date": "8",
    "column invoice_items.description": "51",
    "column invoice_items.unit_price": "51",
    "column invoice_items.total_amount": "51",
    "unique users.username": "2, 20",
    "unique invoices.invoice_number": "1, 7",
}
# What an operator writes into the SQL that the refusal suggests, where that leaves it open.
ANSWERS = {
    "column tasks.project_id": "2",
    "column tasks.created_by": "1",
    "column time_entries.start_time": "created_at",
    "column invoices.issue_date": "'2025-08-30'",
    "column invoices.due_date": "'2025-09-30'",
    "column invoice_items.unit_price": "0",
    "column invoice_items.total_amount": "0",
}


def sample(name: str) -> str:
    return (LEGACY / f"{name}.sql").read_text(encoding="utf-8")


def test_each_sample_is_tried():
    assert {path.stem for path in LEGACY.glob("*.sql")} == {*PERMITTED, DIRTY}


@pytest.mark.parametrize("name", PERMITTED)
def test_a_sample_arrives(laboratory, name):
    require_adoption(laboratory, sample(name), [PERMITTED[name]], by_hand=True)


@pytest.mark.parametrize("number", [60, 120])
@pytest.mark.parametrize("name", PERMITTED)
def test_a_sample_arrives_after_a_kill(laboratory, name, number):
    require_adoption(laboratory, sample(name), [PERMITTED[name]], kill=Place(number, "after"))


def test_nothing_of_a_superset_is_narrowed_dropped_or_seeded_again(laboratory):
    with old_database(laboratory, sample(SUPERSET)) as database:
        before = picture_of(database)
        assert laboratory.forks.run("migrate", url=database.url).code == 0
        after = picture_of(database)
        assert after.rows.items() >= before.rows.items()
        changed = {
            key: after.objects.get(key) for key in before.objects if after.objects.get(key) != before.objects[key]
        }
        assert changed.keys() == {("public", "invoices", name) for name in RELAXED_IN_SUPERSET} | {
            ("public", "", REPLACED)
        }
        for key in changed.keys() - {("public", "", REPLACED)}:
            assert changed[key].split() == before.objects[key].replace("NOT NULL", "").split()
        new = {key for key in after.objects.keys() - before.objects.keys() if key[1] in before.rows}
        ours = {f"index public.{place_of(name).split('.')[1]}" for name in read_snapshot() if type_of(name) == "index"}
        assert {key for key in new if "gin_trgm_ops" not in after.objects[key] and key[2] not in ours} == set()


def mended(said: str) -> dict[str, str]:
    """The SQL that a refusal suggests for each thing in the way, with an operator's answers in it."""
    statements = {}
    for reason, rest in re.findall(r"error: ((?:column|unique) \S+): (.*)", said):
        suggested = rest.partition(" To mend them: ")[2].partition(" -- ")[0]
        suggested = suggested.replace(" = ... ", f" = {ANSWERS.get(reason)} ")
        statements[reason] = suggested
    return statements


def test_the_dirty_sample_is_refused_with_every_reason_at_once(laboratory):
    with old_database(laboratory, sample(DIRTY)) as database:
        before = contents_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        require_refusal(before, database, start, [])
        told = dict(re.findall(r"error: ((?:column|unique) \S+): .*?\(id ([^)]*)\)", start.said))
        assert told == REASONS


def values_of_the_dirty(rows: Rows) -> None:
    """What becomes of the dirty rows once those in the way are mended."""
    for row in each(rows, "projects"):
        row["client"] = FALLBACK_CLIENT if row["client"] is None else row["client"]
    orphans_of_tasks(rows)
    all_defaults(rows)
    as_kind(Number, "tasks.estimated_hours", "settings.rounding_minutes")(rows)


def test_the_dirty_sample_arrives_once_it_is_mended_as_the_refusal_says(laboratory):
    with old_database(laboratory, sample(DIRTY)) as database:
        refused = laboratory.forks.run("migrate", url=database.url)
        for statement in mended(refused.said).values():
            database.execute(statement)
        before = picture_of(database)
        start = laboratory.forks.run("migrate", url=database.url)
        assert start.code == 0, start.said
        expected = {table: {id: dict(row) for id, row in rows.items()} for table, rows in before.rows.items()}
        values_of_the_dirty(expected)
        after = picture_of(database)
        require_rows(expected, after.rows)
        require_untouched(before, after, [])
        require_usable(database)
        require_no_write(database, lambda: laboratory.forks.run("migrate", url=database.url))
