"""The link by which somebody sets a password: good once, and for a week."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app import passwords
from app.queries import invitations
from app.views import sign_in

pytestmark = pytest.mark.only_pg("pg18")

GOOD = "quite a long sentence"
GONE = "This link does not work"


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture
def invite(migrated, cast):
    """Return a function that invites one of the cast, and gives the path of the link."""

    def make(name: str = "alice") -> str:
        with migrated.connect() as connection, connection.cursor() as cursor:
            return f"/invitation/{invitations.make(cursor, cast[name], now())}"

    return make


def choose(browser, path: str, password: str = GOOD, repeated: str | None = None):
    return browser.submit(path, {"password": password, "repeated": password if repeated is None else repeated})


def test_whoever_has_the_link_sets_a_password_and_is_in(client, invite, migrated, read):
    path = invite()
    answer = client.get(path)
    assert answer.status_code == 200
    assert "Welcome, alice" in read(answer.text)
    assert "Referrer-Policy" in answer.headers and answer.headers["Cache-Control"] == "no-store"
    answer = choose(client, path)
    assert (answer.status_code, answer.location) == (303, "/")
    assert "alice" in client.get("/week").text
    [(kept, used)] = migrated.query(
        "SELECT password_hash, used_at IS NOT NULL FROM sign_in_credentials, sign_in_invitations"
    )
    assert passwords.is_right(GOOD, kept) and used
    assert migrated.query("SELECT last_login IS NOT NULL FROM users WHERE username = 'alice'") == [(True,)]


def test_it_works_once(app, invite, migrated):
    path = invite()
    choose(app.test_client(), path)
    kept = migrated.query("SELECT password_hash FROM sign_in_credentials")
    for answer in (app.test_client().get(path), choose(app.test_client(), path, "another long sentence")):
        assert answer.status_code == 410
        assert GONE in answer.text and "alice" not in answer.text
    assert migrated.query("SELECT password_hash FROM sign_in_credentials") == kept


def test_looking_at_it_does_not_use_it_up(client, invite):
    path = invite()
    assert [client.get(path).status_code for _ in range(3)] == [200] * 3
    assert client.head(path).status_code == 200


def test_of_two_who_use_it_at_once_one_is_in(app, invite, migrated):
    path = invite()
    browsers = [app.test_client() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: choose(browsers[number], path, f"{GOOD} {number}"), range(4)))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [303, 410, 410, 410]
    winner = statuses.index(303)
    [(kept,)] = migrated.query("SELECT password_hash FROM sign_in_credentials")
    assert passwords.is_right(f"{GOOD} {winner}", kept)
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(1,)]


def test_it_ends_after_7_days(client, invite, read):
    path = invite()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=6, hours=23)):
        assert client.get(path).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(days=7, seconds=1)):
        answer = client.get(path)
        assert answer.status_code == 410
        assert choose(client, path).status_code == 410
    assert any("ask an administrator for a new link" in line for line in read(answer.text))


def test_a_newer_one_voids_it(client, invite):
    older, newer = invite(), invite()
    assert client.get(older).status_code == 404
    assert client.get(newer).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "%00", "a" * 5000, "..", "%C3%A9"])
def test_an_unknown_one_gives_the_same_page(token, client, cast):
    answer = client.get(f"/invitation/{token}")
    assert answer.status_code == 404
    assert GONE in answer.text or token == ".."


def test_an_unknown_one_costs_no_computation(client, cast, monkeypatch):
    monkeypatch.setattr(passwords, "hash_of", lambda _: pytest.fail("it was computed"))
    assert choose(client, "/invitation/unknown").status_code == 404


def test_whoever_was_deactivated_is_not_invited_any_more(client, invite, migrated):
    path = invite()
    migrated.execute("UPDATE users SET is_active = false WHERE username = 'alice'")
    assert client.get(path).status_code == 410
    assert choose(client, path).status_code == 410
    assert migrated.query("SELECT count(*) FROM sign_in_credentials") == [(0,)]


def test_a_forgotten_password_is_replaced_and_what_it_opened_is_closed(app, as_user, invite, migrated, cast):
    migrated.execute("INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (%s, 'forgotten')", cast["alice"])
    elsewhere = as_user("alice")
    choose(app.test_client(), invite())
    assert elsewhere.get("/week").status_code == 302
    assert "forgotten" not in str(migrated.query("SELECT password_hash FROM sign_in_credentials"))


def test_whoever_was_signed_in_here_before_is_not_any_more(as_user, invite, migrated):
    browser = as_user("bob")
    choose(browser, invite("alice"))
    assert "alice" in browser.get("/week").text
    assert migrated.query("SELECT username FROM sign_in_sessions, users WHERE users.id = user_id") == [("alice",)]


@pytest.mark.parametrize(
    ("password", "repeated", "sentence"),
    [
        ("", "", "Type a password."),
        ("elevenchars", None, "A password has at least 12 characters"),
        ("aaaaaaaaaaaaaaaa", None, "This password repeats so few characters"),
        ("alice-alice-2026", None, "This password is little more than the name"),
        ("ALICE alice Alice", None, "This password is little more than the name"),
        ("p4ssw0rd" * 200, None, "A password has at most 1000 characters."),
        (GOOD, GOOD + "!", "The two differ"),
        (GOOD, "", "The two differ"),
    ],
)
def test_a_password_that_will_not_do_is_told_beside_the_field(password, repeated, sentence, client, invite, migrated):
    path = invite()
    answer = choose(client, path, password, repeated)
    assert answer.status_code == 422
    assert re.search(f'role="alert">[^<]*{sentence}', answer.text)
    assert password == "" or password not in answer.text
    assert migrated.query("SELECT used_at FROM sign_in_invitations") == [(None,)]


@pytest.mark.parametrize(
    "password", ["zwölf Zeichen", "correct horse battery staple", "a\0b\0c\0d\0e\0f\0g", " " * 4 + "abcdefgh "]
)
def test_any_other_password_will_do(password, client, app, invite):
    assert choose(client, invite(), password).status_code == 303
    answer = app.test_client().submit("/sign-in", {"username": "alice", "password": password})
    assert answer.status_code == 303


def test_the_role_of_the_app_may_do_all_of_it(app, invite, migrated, server):
    """Not the owner: row security lets in whoever may write."""
    from app import create_app

    path = invite()
    server.create_role("serving")
    try:
        migrated.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON users, settings, sign_in_credentials, sign_in_invitations,"
            " sign_in_sessions, sign_in_failures, display_preferences, time_entries, projects, tasks, company_logo,"
            " deleted_time_entries, submitted_forms, analytics TO serving;"
            "GRANT SELECT, UPDATE ON app_secrets TO serving; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO serving"
        )
        limited = create_app({"DATABASE_URL": migrated.url_as("serving")})
        limited.test_client_class = app.test_client_class
        assert choose(limited.test_client(), path).status_code == 303
        browser = limited.test_client()
        assert browser.submit("/sign-in", {"username": "alice", "password": GOOD}).status_code == 303
        assert browser.get("/week").status_code == 200
    finally:
        limited.extensions["database"].drop()
        migrated.execute("DROP OWNED BY serving; DROP ROLE serving", user="postgres")


def test_what_breaks_halfway_does_not_bring_the_link_into_the_log(app, client, invite, monkeypatch, caplog):
    def broken(*_: object) -> bool:
        raise RuntimeError("of the test")

    monkeypatch.setattr(sign_in.invitations, "use", broken)
    path = invite()
    assert choose(client, path).status_code == 500
    assert "sign_in.accept_invitation broke" in caplog.text
    assert path.rpartition("/")[2] not in caplog.text
