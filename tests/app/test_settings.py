"""The settings: every column of the table, checked, saved and in force."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html import unescape

import pytest
from blocking import SOMEBODY_WAITS
from installation import wait_for

from app.views.settings import DEFAULTS

pytestmark = pytest.mark.only_pg("pg18")

TEXTS = {
    "company_name": 200, "company_address": 1000, "company_email": 200, "company_phone": 50, "company_website": 200,
    "company_tax_id": 100, "company_bank_info": 1000, "invoice_prefix": 10, "invoice_terms": 2000,
    "invoice_notes": 2000,
}  # fmt: skip
OTHER = {
    "timezone": "Asia/Kolkata", "currency": "JPY", "rounding_minutes": "15", "idle_timeout_minutes": "1440",
    "backup_retention_days": "7", "backup_time": "23:59", "export_delimiter": "\t", "allow_analytics": "y",
    "company_name": "Açme 🦊 & Søns", "company_address": "Via Roma 1\r\n00100 Roma", "company_email": "a@b.example",
    "company_phone": "+39 06 1", "company_website": "https://acme.example/x", "company_tax_id": "IT1",
    "company_bank_info": "IBAN IT60", "invoice_prefix": "R-", "invoice_start_number": "2000000000",
    "invoice_terms": "30 days", "invoice_notes": "<b>Thanks</b>",
}  # fmt: skip

WRONG = [
    ("timezone", "Mars/Phobos", "There is no time zone of that name."),
    ("timezone", "../../etc/passwd", "There is no time zone of that name."),
    ("timezone", "", "There is no time zone of that name."),
    ("timezone", "x" * 300, "At most 50 characters fit"),
    ("currency", "EURO", "There is no currency of that code."),
    ("currency", "ABC", "There is no currency of that code."),
    ("currency", "€", "There is no currency of that code."),
    ("rounding_minutes", "0", "Expected a whole number from 1 to 60."),
    ("rounding_minutes", "61", "Expected a whole number from 1 to 60."),
    ("rounding_minutes", "1.5", "Expected a whole number from 1 to 60."),
    ("rounding_minutes", "9" * 5000, "Expected a whole number from 1 to 60."),
    ("rounding_minutes", "a\0", "Expected a whole number from 1 to 60."),
    ("idle_timeout_minutes", "1441", "Expected a whole number from 1 to 1,440."),
    ("idle_timeout_minutes", "", "Expected a whole number from 1 to 1,440."),
    ("backup_retention_days", "-1", "Expected a whole number from 1 to 3,650."),
    ("backup_time", "24:00", "Expected a time from 00:00 to 23:59"),
    ("backup_time", "noon", "Expected a time from 00:00 to 23:59"),
    ("export_delimiter", "a", "Choose one of these."),
    ("export_delimiter", "", "Choose one of these."),
    ("company_email", "a@b", "This is no e-mail address."),
    ("company_email", "a b@c.example", "This is no e-mail address."),
    ("company_website", "javascript:alert(1)", "This is no website."),
    ("company_name", "a\0b", "characters in it that cannot be seen"),
    ("company_name", "a\u202eb", "characters in it that cannot be seen"),
    ("company_name", "a\nb", "characters in it that cannot be seen"),
    ("company_address", "a\0b", "characters in it that cannot be seen"),
    ("invoice_start_number", "2000000001", "Expected a whole number from 1 to 2,000,000,000."),
    *((name, "x" * (length + 1), f"At most {length:,} characters fit") for name, length in TEXTS.items()),
    *((name, None, "This was not sent.") for name in ("company_name", "rounding_minutes", "timezone")),
]  # fmt: skip
TYPED = [
    ("timezone", " europe/rome ", "Europe/Rome"), ("timezone", "America/New York", "America/New_York"),
    ("currency", "chf", "CHF"), ("backup_time", "2:05", "02:05"), ("company_name", "  ", ""),
]  # fmt: skip


@pytest.fixture
def carol(as_user):
    """A browser in which carol, the administrator, is signed in."""
    return as_user("carol")


@pytest.fixture
def filled(carol):
    """Return a function that gives what a browser would send when nothing was changed on the page but `changed`."""

    def form(**changed: str | None) -> dict[str, str]:
        html = carol.get("/settings").text
        version = re.search(r'name="version"[^>]*value="([^"]*)"', html)[1]
        return {
            name: value
            for name, value in {**OTHER, "version": unescape(version), **changed}.items()
            if value is not None
        }

    return form


def saved(migrated) -> dict[str, object]:
    [row] = migrated.query("SELECT to_jsonb(settings) FROM settings ORDER BY id LIMIT 1")
    return row[0]


def test_every_column_of_the_table_has_its_field_on_the_page(carol, migrated):
    columns = {
        name
        for (name,) in migrated.query(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'settings'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    }
    fields = set(re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', carol.get("/settings").text))
    assert columns - {"id", "created_at", "updated_at"} <= fields


def test_all_that_is_typed_is_saved_and_shown_again(carol, filled, migrated):
    answer = carol.submit("/settings", filled())
    assert answer.status_code == 303
    row = saved(migrated)
    for name, value in OTHER.items():
        expected = int(value) if value.isdigit() else value.replace("\r", "")
        assert row[name] == (True if name == "allow_analytics" else expected), name
    assert row["single_active_timer"] is row["allow_self_register"] is False, "a box that is not ticked is not sent"
    html = carol.get("/settings").text
    assert 'value="Açme 🦊 &amp; Søns"' in html and "Via Roma 1\n00100 Roma" in html
    assert "&lt;b&gt;Thanks&lt;/b&gt;" in html and '<option selected value="\t">Tab' in html
    assert "Settings · Açme 🦊 &amp; Søns</title>" in html


def test_what_is_wrong_is_said_beside_the_field_and_the_rest_is_kept(carol, filled, migrated):
    before, right = saved(migrated), filled()
    for name, value, sentence in WRONG:
        sent = {key: text for key, text in {**right, name: value}.items() if text is not None}
        answer = carol.submit("/settings", sent)
        assert answer.status_code == 422, name
        assert sentence in unescape(answer.text.split(f'id="{name}-error"')[1].split("</small>")[0])
        assert ("IBAN IT60" if name != "company_bank_info" else "+39 06 1") in answer.text
    assert saved(migrated) == before


def test_of_a_text_that_is_too_long_nothing_else_is_asked(carol, filled):
    """To look for a website in half a megabyte took minutes."""
    answer = carol.submit("/settings", filled(company_website="." * 300 + " x"))
    said = answer.text.split('id="company_website-error"')[1].split("</small>")[0]
    assert "At most 200 characters fit" in said and "website" not in said


def test_small_differences_of_typing_do_not_matter(carol, filled, migrated):
    for name, typed, kept in TYPED:
        assert carol.submit("/settings", filled(**{name: typed})).status_code == 303
        assert saved(migrated)[name] == kept


def test_of_two_who_save_at_once_the_later_one_is_told_and_keeps_the_input(carol, as_user, filled, migrated):
    mine, theirs = filled(company_name="Mine"), filled(company_name="Theirs", allow_self_register="y")
    assert as_user("carol").submit("/settings", theirs).status_code == 303
    answer = carol.submit("/settings", mine)
    assert answer.status_code == 409
    assert "Somebody else saved the settings while this page was open" in answer.text
    assert 'value="Mine"' in answer.text and "Saved meanwhile: Theirs." in answer.text
    assert "Saved meanwhile: yes." in answer.text and answer.text.count("Saved meanwhile") == 2
    assert saved(migrated)["company_name"] == "Theirs"
    version = unescape(re.search(r'name="version"[^>]*value="([^"]*)"', answer.text)[1])
    assert carol.submit("/settings", mine | {"version": version}).status_code == 303, "having seen it, one may insist"
    assert saved(migrated)["company_name"] == "Mine"


def test_a_form_that_is_sent_twice_is_saved_once_and_troubles_nobody(carol, filled, migrated):
    data = filled()
    assert carol.submit("/settings", data).status_code == 303
    before = saved(migrated)
    assert carol.submit("/settings", data).status_code == 303
    assert carol.submit("/settings", data | {"version": "nonsense\0", "company_name": "x"}).status_code == 409
    assert saved(migrated) == before


def test_without_a_row_one_is_made_and_of_several_the_first_is_the_one(carol, filled, migrated):
    migrated.execute("DELETE FROM settings")
    html = carol.get("/settings").text
    for name in ("timezone", "currency", "backup_time", "invoice_prefix"):
        assert f'value="{DEFAULTS[name]}"' in html
    assert carol.submit("/settings", filled()).status_code == 303
    migrated.execute("INSERT INTO settings (timezone) VALUES ('Pacific/Apia')")
    assert 'value="Asia/Kolkata"' in carol.get("/settings").text
    assert carol.submit("/settings", filled(timezone="UTC")).status_code == 303
    assert migrated.query("SELECT timezone FROM settings ORDER BY id") == [("UTC",), ("Pacific/Apia",)]


def test_of_two_who_save_the_first_row_at_once_the_later_one_is_told(carol, filled, migrated):
    migrated.execute("DELETE FROM settings")
    with closing(migrated.connect()) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("BEGIN; INSERT INTO settings (company_name) VALUES ('Theirs')")
        answer = pool.submit(carol.submit, "/settings", filled())
        wait_for(lambda: answer.done() or migrated.query(SOMEBODY_WAITS))
        cursor.execute("COMMIT")
        assert answer.result().status_code == 409
    assert migrated.query("SELECT company_name FROM settings") == [("Theirs",)]


def test_changing_rounding_or_the_zone_rewrites_no_entry(carol, filled, migrated, cast):
    migrated.execute(
        "INSERT INTO time_entries (user_id, start_time, end_time, duration_seconds) VALUES "
        "(%s, '2026-03-29 00:30', '2026-03-29 00:37:30', 420), (%s, '2026-03-29 01:30', NULL, NULL)",
        cast["alice"], cast["bob"],
    )  # fmt: skip
    before = migrated.query("SELECT to_jsonb(time_entries), xmin::text FROM time_entries ORDER BY id")
    assert carol.submit("/settings", filled(rounding_minutes="60", timezone="Pacific/Apia")).status_code == 303
    assert migrated.query("SELECT to_jsonb(time_entries), xmin::text FROM time_entries ORDER BY id") == before


def test_the_zone_is_in_force_at_once(carol, filled, migrated, read):
    migrated.execute("UPDATE sign_in_sessions SET created_at = '2026-03-09 13:05'")
    carol.submit("/settings", filled(timezone="Asia/Kolkata"))
    assert "since 2026-03-09 18:35" in "\n".join(read(carol.get("/profile").text))


def test_what_an_old_database_holds_is_shown_and_has_to_be_corrected(carol, filled, migrated):
    migrated.execute("UPDATE settings SET export_delimiter = ':', timezone = 'Mars/Phobos', currency = 'XQZ'")
    html = carol.get("/settings").text
    assert '<option selected value=":">Choose one</option>' in html and 'value="Mars/Phobos"' in html
    assert carol.submit("/settings", filled(export_delimiter=":")).status_code == 422
    assert carol.submit("/settings", filled()).status_code == 303


def test_the_name_that_nobody_gave_heads_no_page(carol, client, migrated):
    assert "Your Company Name</title>" not in carol.get("/settings").text
    assert "TimeTracker</title>" in client.get("/sign-in").text
    migrated.execute("UPDATE settings SET company_name = 'Acme'")
    assert "Sign in · Acme</title>" in client.get("/sign-in").text


def test_members_neither_see_nor_change_them(as_user, migrated):
    before, alice = saved(migrated), as_user("alice")
    assert alice.get("/settings").status_code == alice.submit("/settings", OTHER).status_code == 403
    assert saved(migrated) == before
