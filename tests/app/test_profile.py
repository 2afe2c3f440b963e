"""What one changes of oneself: password, formats, sessions."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pages import width_of
from playwright.sync_api import expect

from app import formats, passwords

pytestmark = pytest.mark.only_pg("pg18")

OLD, NEW = "correct horse battery", "staple of the old house"
SENT = {"current_password": OLD, "new_password": NEW, "repeated": NEW}

WRONG = [
    ({"current_password": "wrong"}, "current_password", "This is not your password."),
    ({"current_password": ""}, "current_password", "Type the password that you have now."),
    ({"current_password": "a\0b"}, "current_password", "This is not your password."),
    ({"current_password": "x" * 2000}, "current_password", "At most 1,000 characters"),
    ({"new_password": "too short", "repeated": "too short"}, "new_password", "at least 12 characters"),
    ({"new_password": "aaaaaaaaaaaaaa", "repeated": "aaaaaaaaaaaaaa"}, "new_password", "few characters"),
    ({"new_password": "x" * 2000, "repeated": "x" * 2000}, "new_password", "At most 1,000 characters"),
    ({"repeated": "something else"}, "repeated", "The two new passwords differ."),
    ({"new_password": "", "repeated": ""}, "new_password", "Type a new password."),
]


@pytest.fixture
def alice(as_user, migrated, cast):
    """A browser in which alice, who has a password, is signed in."""
    migrated.execute(
        "INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (%s, %s)",
        cast["alice"],
        passwords.hash_of(OLD),
    )
    return as_user("alice")


def is_hers(migrated, password: str) -> bool:
    return passwords.is_right(password, migrated.query("SELECT password_hash FROM sign_in_credentials")[0][0])


# --- Password ---


def test_a_new_password_holds_at_once_and_signs_out_every_other_browser(alice, as_user, client, migrated, cast, read):
    other, bob = as_user("alice"), as_user("bob")
    migrated.execute(
        "INSERT INTO sign_in_invitations (user_id, token_sha256, expires_at) VALUES (%s, 'x', '2100-01-01')",
        cast["alice"],
    )
    answer = alice.submit("/profile/password", SENT)
    assert answer.status_code == 303
    assert "The password is changed, and every other browser is signed out." in read(alice.get("/profile").text)
    assert is_hers(migrated, NEW) and not is_hers(migrated, OLD)
    assert [browser.get("/profile").status_code for browser in (alice, other, bob)] == [200, 302, 200]
    assert migrated.query("SELECT count(*) FROM sign_in_invitations") == [(0,)], "a link that lay around is void"
    assert client.submit("/sign-in", {"username": "alice", "password": NEW}).status_code == 303


def test_what_is_wrong_with_it_is_said_beside_the_field(alice, migrated):
    for changed, field, sentence in WRONG:
        migrated.execute("DELETE FROM sign_in_failures")
        answer = alice.submit("/profile/password", SENT | changed)
        assert answer.status_code == 422
        assert sentence in answer.text.split(f'id="{field}-error"')[1].split("</small>")[0]
        assert answer.text.lower().count("at most") <= 1, "each thing is said once"
        assert OLD not in answer.text and NEW not in answer.text, "a page repeats no password"
    assert is_hers(migrated, OLD)


def test_an_empty_form_is_answered_and_nobody_guesses_in_a_browser_that_lies_open(alice, migrated):
    assert alice.submit("/profile/password", {}).status_code == 422
    statuses = [
        alice.submit("/profile/password", SENT | {"current_password": f"guess {number}"}).status_code
        for number in range(6)
    ]
    assert statuses == [422] * 5 + [429]
    answer = alice.submit("/profile/password", SENT)
    assert answer.status_code == 429 and "There were too many attempts." in answer.text
    assert 0 < int(answer.headers["Retry-After"]) <= 30
    assert is_hers(migrated, OLD)


def test_the_page_names_the_length_that_is_asked_for(alice, client):
    html = alice.get("/profile").text
    assert f"At least {passwords.SHORTEST} characters." in html and f'minlength="{passwords.SHORTEST}"' in html
    assert f"At least {passwords.SHORTEST} characters; a few words" in client.get("/register").text


def test_who_has_no_password_is_told_how_to_get_one(as_user, read):
    bob = as_user("bob")
    assert "You have none. An administrator can make a link for you by which you set one." in read(
        bob.get("/profile").text
    )
    assert bob.submit("/profile/password", SENT).status_code == 422


# --- Display ---


def test_times_and_dates_are_written_as_one_likes_from_then_on(as_user, migrated, cast, read):
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")
    alice, bob = as_user("alice"), as_user("bob")
    migrated.execute("UPDATE sign_in_sessions SET created_at = '2026-03-09 13:05'")
    assert "since 2026-03-09 14:05" in "\n".join(read(alice.get("/profile").text))
    for _ in range(2):
        answer = alice.submit("/profile/display", {"time_format": "12h", "date_locale": "de-DE", "shortcuts": "y"})
        assert answer.status_code == 303
    html = alice.get("/profile").text
    assert "since 09.03.2026 2:05 pm" in "\n".join(read(html))
    assert '<option selected value="de-DE">09.03.2026, German (Germany)</option>' in html
    assert migrated.query("SELECT user_id, time_format, date_locale, shortcuts FROM display_preferences") == [
        (cast["alice"], "12h", "de-DE", True)
    ]
    assert "since 2026-03-09 14:05" in "\n".join(read(bob.get("/profile").text))
    alice.submit("/profile/display", {"time_format": "24h", "date_locale": ""})
    assert migrated.query("SELECT time_format, date_locale, shortcuts FROM display_preferences") == [("24h", "", False)]


def test_only_what_is_offered_can_be_chosen(as_user, migrated):
    alice = as_user("alice")
    for sent in (
        {},
        {"time_format": "25h", "date_locale": ""},
        {"time_format": "24h", "date_locale": "xx-XX"},
        {"time_format": "24h", "date_locale": "de\0"},
        {"time_format": "24h", "date_locale": "de-DE" * 100},
        {"date_locale": "de-DE"},
    ):
        answer = alice.submit("/profile/display", sent)
        assert answer.status_code == 422
        assert "Choose one of these." in answer.text
    assert migrated.query("SELECT count(*) FROM display_preferences") == [(0,)]


# --- Sessions ---


def test_ones_sessions_are_listed_and_each_can_be_ended(alice, as_user, migrated, cast, read):
    phone, bob = as_user("alice"), as_user("bob")
    migrated.execute("UPDATE sign_in_sessions SET user_agent = 'X Firefox/140 (Linux)', address = '192.0.2.7'")
    ids = [id for (id,) in migrated.query("SELECT id FROM sign_in_sessions ORDER BY id")]  # hers, her phone's, bob's
    rows = [line for line in read(alice.get("/profile").text) if line.startswith("Firefox on Linux")]
    assert len(rows) == 2 and sum("this browser 192.0.2.7" in row for row in rows) == 1
    assert alice.submit(f"/profile/sessions/{ids[2]}/end").status_code == 303
    assert bob.get("/profile").status_code == 200, "somebody else's session stays"
    assert alice.submit(f"/profile/sessions/{ids[1]}/end").status_code == 303
    assert phone.get("/profile").status_code == 302 and alice.get("/profile").status_code == 200
    assert alice.submit(f"/profile/sessions/{10**30}/end").status_code == 404
    assert alice.submit(f"/profile/sessions/{ids[0]}/end").location == "/sign-in"
    assert alice.get("/profile").status_code == 302


def test_a_session_that_was_ended_while_a_timer_runs_stays_ended(as_user, migrated, cast):
    alice = as_user("alice")
    migrated.execute(
        "INSERT INTO time_entries (user_id, start_time) VALUES (%s, timezone('utc', now()) - interval '5 minutes')",
        cast["alice"],
    )
    alice.get("/profile")
    [(own,)] = migrated.query("SELECT id FROM sign_in_sessions")
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=90), tick=False):
        assert alice.submit(f"/profile/sessions/{own}/end").location == "/sign-in"
        answer = alice.get("/profile")
        assert (answer.status_code, answer.location) == (302, "/sign-in?next=/profile")


def test_one_can_sign_out_everywhere_else(alice, as_user, read):
    others, bob = [as_user("alice"), as_user("alice")], as_user("bob")
    alice.submit("/profile/sessions/end-others")
    assert "You are signed out everywhere else." in read(alice.get("/profile").text)
    assert [browser.get("/profile").status_code for browser in (alice, bob, *others)] == [200, 200, 302, 302]
    assert "Sign out everywhere else" not in alice.get("/profile").text


@pytest.mark.needs("chromium")
def test_sessions_fit_a_phone_however_long_their_times_are(as_user, open_page, migrated, cast):
    """Whatever time of day it is: an hour of two digits in twelve, and the longest of each locale's dates."""
    as_user("alice")
    page = open_page("alice", "/profile", viewport={"width": 360, "height": 640})
    # 12:58 pm in Rome, with a day and a month of two digits; ahead of any clock, so that no visit is noted.
    longest = "timestamp '2099-12-23 11:58', created_at = '2099-12-23 11:58', expires_at = '2100-01-22'"
    migrated.execute(f"UPDATE sign_in_sessions SET user_agent = 'SamsungBrowser Android', last_seen_at = {longest}")
    migrated.execute("INSERT INTO display_preferences (user_id, time_format) VALUES (%s, '12h')", cast["alice"])
    widths = {}
    for locale in ("", *formats.DATE_LOCALES):
        migrated.execute("UPDATE display_preferences SET date_locale = %s", locale)
        page.reload()
        expect(page.locator(".sessions tbody tr")).to_have_count(2)
        assert page.locator(".sessions").inner_text().count("12:58 pm") == 4
        widths[locale] = width_of(page)
    assert {locale: width for locale, width in widths.items() if width > 360} == {}


@pytest.mark.needs("chromium")
def test_all_of_it_by_keyboard_in_a_real_browser(alice, open_page, migrated):
    page = open_page("alice", "/profile", viewport={"width": 360, "height": 640})
    page.get_by_label("2:05 pm").focus()
    page.keyboard.press("Space")
    page.get_by_label("Date").select_option(label="09/03/2026, English (United Kingdom)")
    page.get_by_label("Date").press("Tab")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("2:05 pm")).to_be_checked()
    assert migrated.query("SELECT time_format, date_locale, shortcuts FROM display_preferences") == [
        ("12h", "en-GB", False)
    ]
    for label, text in (("Current password", OLD), ("New password", NEW), ("New password again", NEW)):
        page.get_by_label(label, exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(page.get_by_text("The password is changed")).to_be_visible()
    assert width_of(page) <= 360
