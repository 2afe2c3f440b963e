"""Projects: who may do what with them, their hours, and what is left to bill."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from html import unescape
from uuid import uuid4

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from installation import wait_for

from app import billing
from app.queries import projects

pytestmark = pytest.mark.only_pg("pg18")


def asked(database, question, *arguments):
    """Return what a query of the app gives."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        return question(cursor, *arguments)


def test_the_projects_of_ones_last_entries_can_be_chosen_first_and_archived_ones_not_at_all(migrated, cast):
    migrated.execute(
        """
        INSERT INTO projects (id, name, client, billable, status) VALUES
            (10, 'apples', 'Acme', true, 'active'), (11, 'Bananas', 'Acme', false, 'active'),
            (12, 'Cherries', '', true, 'active'), (13, 'Old', 'Acme', true, 'archived'),
            (14, 'Foreign', 'Acme', true, 'inactive');
        """
    )
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, project_id, start_time, end_time)
        SELECT users.id, project_id, day, day + interval '1 hour'
        FROM (VALUES ('alice', 11, '2026-03-02'::timestamp), ('alice', 12, '2026-03-03'), ('alice', 13, '2026-03-04'),
            ('alice', NULL, '2026-03-04'), ('bob', 10, '2026-03-05')
        ) AS worked (username, project_id, day)
        JOIN users USING (username)
        """
    )
    chosen = asked(migrated, projects.choices, cast["alice"])
    assert [choice.name for choice in chosen] == ["Cherries", "Bananas", "apples", "General"]
    assert chosen[1] == (11, "Bananas", "Acme", False)
    assert asked(migrated, projects.choices, cast["bob"])[0].name == "apples"
    assert asked(migrated, projects.is_active, 10)
    assert not asked(migrated, projects.is_active, 13)
    assert not asked(migrated, projects.is_active, 99)


# --- The list ---


@pytest.fixture
def shop(migrated, cast):
    """A billable project at 80 an hour."""
    migrated.execute(
        """
        INSERT INTO projects (id, name, client, hourly_rate, billing_ref, description)
        VALUES (20, 'Shop', 'Acme', 80, 'PO-1', 'Sells things')
        """
    )
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")
    return 20


def spend(database, user_id, start, minutes, project_id=20, billable=True, task_id=None):
    """Add an entry that starts then (UTC) and return its id; None minutes for one that runs."""
    [(entry_id,)] = database.query(
        """
        INSERT INTO time_entries
            (user_id, project_id, task_id, start_time, end_time, duration_seconds, billable)
        SELECT %s, %s, %s, start, start + minutes * interval '1 minute', minutes * 60, %s
        FROM (VALUES (%s::timestamp, %s::int)) AS worked (start, minutes)
        RETURNING id
        """,
        user_id,
        project_id,
        task_id,
        billable,
        start,
        minutes,
    )
    return entry_id


def test_the_list_sums_ones_own_hours_and_for_administrators_everybodys(as_user, migrated, cast, shop, read):
    with time_machine.travel("2026-03-20 12:00Z", tick=False):
        spend(migrated, cast["alice"], "2026-02-28 22:59:59", 60)  # still February in Rome
        spend(migrated, cast["alice"], "2026-02-28 23:00", 20)  # already March there
        spend(migrated, cast["alice"], "2026-03-20 11:30", None)  # runs since half an hour
        spend(migrated, cast["bob"], "2026-03-05 08:00", 100)
        assert "Shop Acme | 0:50 | 1:50" in read(as_user("alice").get("/projects").text)
        assert "Shop Acme · €80.00 an hour | 2:30 | 3:30" in read(as_user("carol").get("/projects").text)
        assert "Shop Acme | 1:40 | 1:40" in read(as_user("bob").get("/projects").text)


def test_archived_projects_are_behind_a_filter_also_those_with_a_status_of_an_old_database(
    as_user, migrated, shop, read
):
    migrated.execute("UPDATE projects SET status = 'inactive' WHERE id = 20")
    alice = as_user("alice")
    assert "Shop" not in alice.get("/projects").text
    assert "Shop Acme · inactive | \N{EN DASH} | \N{EN DASH}" in read(alice.get("/projects?status=archived").text)
    assert alice.get("/projects/20").status_code == 200


def main_of(answer) -> str:
    """Return the page without the bar above it, which offers all projects."""
    return answer.text.partition('<main id="main">')[2]


def test_projects_are_found_by_a_part_of_name_client_or_reference_as_it_is_typed(as_user, shop):
    alice = as_user("alice")
    for search in ("sho", "ACME", "po-1", " shop "):
        assert "Shop" in main_of(alice.get("/projects", query_string={"q": search}))
    for search in ("%", "_", "\\", "nothing"):
        found = main_of(alice.get("/projects", query_string={"q": search}))
        assert "Shop" not in found and "No active project has “" in found


def test_no_filter_breaks_the_list(as_user, shop):
    alice = as_user("alice")
    for query in ("q=%00", "q=%FF&page=x", "page=99999999999999999999", "page=-1", "status=%00"):
        assert alice.get(f"/projects?{query}").status_code == 200, query


def test_a_long_list_has_pages_that_weigh_little(as_user, migrated, cast, read):
    migrated.execute(
        "INSERT INTO projects (name, client) SELECT 'P' || n, 'Acme GmbH' FROM generate_series(101, 200) n"
    )
    first, third = (as_user("carol").get(f"/projects?page={number}") for number in (1, 3))
    assert len(first.data) < 50_000
    assert "P149" in main_of(first) and "P150" not in main_of(first)
    assert "page=2" in first.text
    assert "P200" in main_of(third) and "page=4" not in third.text


# --- One project ---


def test_three_entries_of_twenty_minutes_at_80_are_80(as_user, migrated, cast, shop, read):
    for day in ("02", "03", "04"):
        spend(migrated, cast["alice"], f"2026-03-{day} 08:00", 20)
    assert "€80.00 not billed yet" in read(as_user("carol").get("/projects/20").text)


@given(st.integers(0, 10**7), st.decimals(0, "9999999.99", places=2))
def test_an_amount_is_the_exact_product_rounded_half_up(minutes, rate):
    exact = Fraction(minutes) * Fraction(rate) / 60
    assert Fraction(billing.amount(minutes, rate, billing.coin_of("EUR"))) * 100 == (exact * 100 + Fraction(1, 2)) // 1


def test_what_is_on_a_live_invoice_what_is_not_billable_and_what_runs_is_not_left_to_bill(
    as_user, migrated, cast, shop, read
):
    ids = [spend(migrated, cast["alice"], f"2026-03-{day:02} 08:00", 60) for day in range(2, 8)]
    spend(migrated, cast["bob"], "2026-03-09 08:00", 60, billable=False)
    spend(migrated, cast["bob"], "2026-03-10 08:00", None)
    migrated.execute(
        """
        INSERT INTO invoices (id, invoice_number, client_name, issue_date, due_date, status) VALUES
            (1, 'A', '', '2026-03-31', '2026-03-31', 'sent'), (2, 'B', '', '2026-03-31', '2026-03-31', 'cancelled')
        """
    )
    migrated.execute(
        """
        INSERT INTO invoice_items (invoice_id, description, unit_price, total_amount, time_entry_ids) VALUES
            (1, '', 80, 80, %s), (1, '', 80, 80, %s), (1, '', 80, 80, NULL), (1, '', 0, 0, 'x,,99999999999999'),
            (2, '', 80, 80, %s)
        """,
        f"{ids[0]},{ids[1]}",
        f"[{ids[1]}, {ids[2]}, 4444]",
        str(ids[3]),
    )
    page = read(as_user("carol").get("/projects/20").text)
    assert "€240.00 not billed yet" in page
    assert any("3:00 at €80.00 an hour, of 6:00 billable" in line for line in page)


def test_a_project_without_a_rate_says_so_and_one_that_is_not_billable_too(as_user, migrated, cast, shop, read):
    spend(migrated, cast["alice"], "2026-03-02 08:00", 90)
    migrated.execute("UPDATE projects SET hourly_rate = NULL")
    page = read(as_user("carol").get("/projects/20").text)
    assert "1:30 not billed yet" in page and not any("€" in line for line in page)
    assert any("No rate is agreed" in line for line in page)
    migrated.execute("UPDATE projects SET hourly_rate = 0")
    assert "€0.00 not billed yet" in read(as_user("carol").get("/projects/20").text)
    migrated.execute("UPDATE projects SET billable = false")
    assert "This project is not billable." in read(as_user("carol").get("/projects/20").text)


def test_a_member_sees_own_hours_and_no_money_an_administrator_everybodys(as_user, migrated, cast, shop, read):
    spend(migrated, cast["alice"], "2026-03-02 08:00", 20)
    spend(migrated, cast["bob"], "2026-03-02 08:00", 100)
    html = as_user("alice").get("/projects/20").text
    assert "In all | 0:20" in read(html)
    assert not any(word in html for word in ("€", "80.00", "bob", "To bill", "PO-1", "Edit", "Archive"))
    page = read(as_user("carol").get("/projects/20").text)
    assert {"In all | 2:00", "alice | 0:20", "bob | 1:40"} <= set(page)


def test_the_months_of_a_project_add_up_to_its_hours(as_user, migrated, cast, shop, read):
    with time_machine.travel("2026-03-20 12:00Z", tick=False):
        spend(migrated, cast["alice"], "2024-01-02 08:00", 1)
        spend(migrated, cast["alice"], "2025-03-31 21:59", 2)  # the last minute before the twelve months
        spend(migrated, cast["alice"], "2025-03-31 22:00", 4)
        spend(migrated, cast["alice"], "2026-03-20 08:00", 8)
        spend(migrated, cast["alice"], "2026-03-31 22:00", 16)  # April in Rome
        html = as_user("alice").get("/projects/20").text
        links = re.findall(r'<a href="(/reports\?[^"]*)">([^<]*)</a>', html)
        reports = [read(as_user("alice").get(unescape(address)).text) for address, _ in links]
    page = read(html)
    assert {"Earlier | 0:03", "Apr 2025 | 0:04", "Mar 2026 | 0:08", "Later | 0:16", "In all | 0:31"} <= set(page)
    assert [hours for _, hours in links] == ["0:04", "0:08", "0:31"]
    for (_, hours), report in zip(links, reports, strict=True):
        assert any(line.startswith(f"Total | {hours} | ") for line in report)


def test_the_months_begin_with_the_first_hours_and_have_no_gap_after_earlier_ones(as_user, migrated, cast, shop, read):
    def months() -> list[str]:
        page = read(as_user("alice").get("/projects/20").text)
        return [line.partition(" | ")[0] for line in page if line[:3] in ("Ear", "Apr", "Dec", "Jan", "Feb", "Mar")]

    with time_machine.travel("2026-03-20 12:00Z", tick=False):
        spend(migrated, cast["alice"], "2026-01-20 08:00", 1)
        assert months() == ["Jan 2026", "Feb 2026", "Mar 2026"]
        spend(migrated, cast["alice"], "2024-01-02 08:00", 2)
        assert months() == ["Earlier", "Apr 2025", "Dec 2025", "Jan 2026", "Feb 2026", "Mar 2026"]


def test_nobody_elses_address_shows_a_project(as_user, cast):
    for path in ("/projects/999", "/projects/99999999999999999999"):
        assert as_user("alice").get(path).status_code == 404


# --- Making and changing ---

GOOD = {"name": "Site", "client": "Acme", "hourly_rate": "80,50", "billable": "y", "status": "active"}


def test_an_administrator_makes_a_project_once_also_by_a_double_click(as_user, migrated):
    carol = as_user("carol")
    data = {**GOOD, "token": str(uuid4()), "billing_ref": " PO-7 ", "description": "One\nTwo"}
    for _ in range(2):
        assert carol.submit("/projects/new", data).status_code == 303
    assert migrated.query(
        "SELECT name, client, hourly_rate, billable, billing_ref, description, status FROM projects WHERE id > 1"
    ) == [("Site", "Acme", Decimal("80.50"), True, "PO-7", "One\nTwo", "active")]


WRONG = [
    ("name", " ", "Give the project a name."),
    ("name", "x" * 201, "longer than 200"),
    ("name", "a\0b", "cannot be seen"),
    ("client", "", "Name the client"),
    ("client", "x" * 201, "longer than 200"),
    ("hourly_rate", "-1", "not negative"),
    ("hourly_rate", "1.234,50", "Type the rate as 80 or 80.50"),
    ("hourly_rate", "80.505", "at most two decimals"),
    ("hourly_rate", "1e3", "Type the rate as 80 or 80.50"),
    ("hourly_rate", "NaN", "Type the rate as 80 or 80.50"),
    ("hourly_rate", "10000000", "at most 9999999.99"),
    ("hourly_rate", "9" * 5000, "at most 9999999.99"),
    ("billing_ref", "x" * 101, "longer than 100"),
    ("description", "x" * 10_001, "longer than 10000"),
    ("status", "deleted", "Not a valid choice"),
]


def test_what_a_project_cannot_be_is_told_beside_the_field_and_what_was_typed_is_kept(as_user, migrated):
    carol = as_user("carol")
    for field, typed, sentence in WRONG:
        answer = carol.submit("/projects/new", {**GOOD, "billing_ref": "<keep me>", field: typed})
        assert answer.status_code == 422, (field, typed[:20])
        assert sentence in answer.text and f'id="{field}-error"' in answer.text, (field, typed[:20])
        assert field == "billing_ref" or "&lt;keep me&gt;" in answer.text
    assert migrated.query("SELECT count(*) FROM projects WHERE id > 1") == [(0,)]


def test_a_rate_is_kept_to_the_cent(as_user, migrated):
    carol = as_user("carol")
    for typed in ("", "0", "9999999,99", "80.5"):
        assert carol.submit("/projects/new", {**GOOD, "hourly_rate": typed}).status_code == 303
    rates = migrated.query("SELECT hourly_rate FROM projects WHERE id > 1 ORDER BY id")
    assert rates == [(None,), (0,), (Decimal("9999999.99"),), (Decimal("80.50"),)]


def test_an_edit_is_written_and_keeps_a_status_of_an_old_database(as_user, migrated, shop):
    migrated.execute("UPDATE projects SET status = 'inactive' WHERE id = 20")
    carol = as_user("carol")
    page = carol.get("/projects/20/edit").text
    assert 'value="80.00"' in page and '<option selected value="inactive">' in page
    data = {**GOOD, "status": "inactive", "version": version_on(page)}
    assert carol.submit("/projects/20/edit", data).status_code == 303
    assert migrated.query("SELECT name, hourly_rate, status FROM projects WHERE id = 20") == [
        ("Site", Decimal("80.50"), "inactive")
    ]


@pytest.mark.parametrize("kept", ["80.125", "80.1200", "-5", "123456789012.5", "0.004"])
def test_a_rate_of_an_old_database_stays_as_it_is_until_somebody_types_another(as_user, migrated, shop, kept):
    migrated.execute("ALTER TABLE projects ALTER hourly_rate TYPE numeric")
    migrated.execute("UPDATE projects SET hourly_rate = %s::numeric", kept)
    carol = as_user("carol")
    page = carol.get("/projects/20/edit").text
    shown = re.search(r'name="hourly_rate"[^>]* value="([^"]*)"', page)[1]
    data = {**GOOD, "hourly_rate": shown, "name": "Renamed", "version": version_on(page)}
    assert carol.submit("/projects/20/edit", data).status_code == 303
    name_and_rate = "SELECT name, hourly_rate::text FROM projects WHERE id = 20"
    assert migrated.query(name_and_rate) == [("Renamed", kept)]
    page = carol.get("/projects/20/edit").text
    carol.submit("/projects/20/edit", {**GOOD, "hourly_rate": "90", "version": version_on(page)})
    assert migrated.query(name_and_rate) == [("Site", "90")]
    assert carol.submit("/projects/new", {**GOOD, "hourly_rate": "80.125"}).status_code == 422


def test_a_stale_edit_is_told_and_wins_when_it_is_sent_again(as_user, migrated, shop):
    carol = as_user("carol")
    version = version_on(carol.get("/projects/20/edit").text)
    migrated.execute("UPDATE projects SET name = 'Somebody else''s'")
    answer = carol.submit("/projects/20/edit", {**GOOD, "version": version})
    assert answer.status_code == 409
    assert "Somebody else changed this project meanwhile." in answer.text and 'value="80,50"' in answer.text
    assert carol.submit("/projects/20/edit", {**GOOD, "version": version_on(answer.text)}).status_code == 303
    assert migrated.query("SELECT name FROM projects WHERE id = 20") == [("Site",)]


def version_on(html):
    """Return the version that a form carries."""
    return re.search(r'name="version" type="hidden" value="([^"]*)"', html)[1]


def test_a_project_is_archived_and_made_active_again(as_user, migrated, cast, shop):
    spend(migrated, cast["alice"], "2026-03-02 08:00", 20)
    carol = as_user("carol")
    assert carol.submit("/projects/20/archive").status_code == 303
    assert migrated.query("SELECT status FROM projects WHERE id = 20") == [("archived",)]
    assert "Shop" not in [choice.name for choice in asked(migrated, projects.choices, cast["alice"])]
    assert migrated.query("SELECT count(*) FROM time_entries") == [(1,)]
    assert carol.submit("/projects/20/activate").status_code == 303
    assert migrated.query("SELECT status FROM projects WHERE id = 20") == [("active",)]


def test_a_project_with_entries_tasks_or_invoices_is_not_deleted(as_user, migrated, cast, shop):
    migrated.execute("INSERT INTO projects (id, name, client) VALUES (21, 'Two', ''), (22, 'Three', '')")
    spend(migrated, cast["alice"], "2026-03-02 08:00", 20)
    migrated.execute("INSERT INTO tasks (project_id, name, created_by) VALUES (21, 'Cart', %s)", cast["alice"])
    migrated.execute(
        """
        INSERT INTO invoices (invoice_number, client_name, issue_date, due_date, project_id)
        VALUES ('A', '', '2026-03-31', '2026-03-31', 22)
        """
    )
    carol = as_user("carol")
    for project_id, held in ((20, "entries"), (21, "tasks"), (22, "invoices")):
        assert "Delete the project" not in carol.get(f"/projects/{project_id}/edit").text
        answer = carol.submit(f"/projects/{project_id}/delete")
        assert answer.status_code == 409
        assert f"It has {held}, so it cannot be deleted. Archive it instead." in answer.text
    assert migrated.query("SELECT count(*) FROM projects WHERE id >= 20") == [(3,)]


def test_a_project_whose_deleted_entry_may_come_back_is_not_deleted(as_user, migrated, cast, shop):
    entry = spend(migrated, cast["alice"], "2026-03-02 08:00", 20)
    carol = as_user("carol")
    assert carol.submit(f"/entries/{entry}/delete").status_code == 303
    assert migrated.query("SELECT count(*) FROM time_entries WHERE project_id = 20") == [(0,)]
    assert "Delete the project" not in carol.get("/projects/20/edit").text
    answer = carol.submit("/projects/20/delete")
    assert answer.status_code == 409
    assert "It has deleted entries, so it cannot be deleted. Archive it instead." in answer.text
    assert carol.submit(f"/entries/{entry}/restore").status_code == 303
    assert migrated.query("SELECT count(*) FROM time_entries WHERE project_id = 20") == [(1,)]


def test_a_project_to_which_nothing_belongs_is_deleted(as_user, migrated, shop):
    carol = as_user("carol")
    assert "Delete the project" in carol.get("/projects/20/edit").text
    assert carol.submit("/projects/20/delete").status_code == 303
    assert carol.submit("/projects/20/delete").status_code == 404
    assert migrated.query("SELECT count(*) FROM projects WHERE id = 20") == [(0,)]


def test_an_entry_that_is_being_added_keeps_its_project_from_being_deleted(as_user, migrated, cast, shop):
    carol = as_user("carol")
    with closing(migrated.connect()) as connection, connection.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        connection.autocommit = False
        cursor.execute(
            "INSERT INTO time_entries (user_id, project_id, start_time) VALUES (%s, 20, now())", (cast["bob"],)
        )
        deleting = pool.submit(carol.submit, "/projects/20/delete")
        wait_for(lambda: migrated.query("SELECT FROM pg_locks WHERE NOT granted"))
        connection.commit()
        assert deleting.result(30).status_code == 409
    assert migrated.query("SELECT count(*) FROM time_entries WHERE project_id = 20") == [(1,)]


def test_members_change_no_project(as_user, migrated, shop):
    before = migrated.query("SELECT * FROM projects ORDER BY id")
    alice = as_user("alice")
    for path in ("new", "20/edit", "20/archive", "20/activate", "20/delete"):
        assert alice.submit(f"/projects/{path}", GOOD).status_code == 403, path
    assert migrated.query("SELECT * FROM projects ORDER BY id") == before


def test_a_project_that_is_not_there_is_not_found(as_user):
    carol = as_user("carol")
    for path in ("edit", "archive", "activate", "delete"):
        assert carol.submit(f"/projects/999/{path}", GOOD).status_code == 404, path
