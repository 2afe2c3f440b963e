"""Sessions, cookies, redirects, proxies, forms: what others may try."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from blocking import SOMEBODY_WAITS
from itsdangerous import URLSafeSerializer

from app import create_app, passwords, security
from app.queries import sessions, users

pytestmark = pytest.mark.only_pg("pg18")

RIGHT = "correct horse"


@pytest.fixture
def alice(migrated, cast):
    """Alice, who has the password RIGHT; her id."""
    migrated.execute(
        "INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (%s, %s)",
        cast["alice"],
        passwords.hash_of(RIGHT),
    )
    return cast["alice"]


@pytest.fixture
def app_with(migrated, app):
    """Return a function that gives the app with further settings."""

    def make(**variables: str):
        made = create_app({"DATABASE_URL": migrated.url, **variables})
        made.test_client_class = app.test_client_class
        return made

    return make


def enter(browser, password: str = RIGHT, **options):
    return browser.submit("/sign-in", {"username": "alice", "password": password}, **options)


def token_of(browser) -> str:
    with browser.session_transaction() as session:
        return session["_user_id"]


# --- Sessions ---


def test_a_session_is_known_by_its_hash_only(client, alice, migrated):
    enter(client)
    token = token_of(client)
    [(kept,)] = migrated.query("SELECT token_sha256 FROM sign_in_sessions")
    assert bytes(kept) == sessions.hash_of(token)
    assert token not in str(migrated.query("SELECT * FROM sign_in_sessions"))


def test_signing_in_again_ends_the_session_before_and_takes_nothing_over(client, alice, migrated):
    """So that nobody goes on in a session that somebody else put into the browser."""
    enter(client)
    first = token_of(client)
    client.get("/week")
    with client.session_transaction() as session:
        session["planted"] = "by somebody"
        before = session["csrf_token"]
    enter(client)
    assert token_of(client) != first
    with client.session_transaction() as session:
        assert "planted" not in session
        assert session.get("csrf_token") != before
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(1,)]


def test_a_session_that_was_planted_without_signing_in_is_nobodys(client, cast):
    with client.session_transaction() as session:
        session["_user_id"] = "chosen by somebody"
        session["_fresh"] = True
    assert client.get("/week").status_code == 302


def test_whoever_is_deactivated_is_out_at_the_next_request(as_user, migrated):
    alice = as_user("alice")
    assert alice.get("/week").status_code == 200
    migrated.execute("UPDATE users SET is_active = false WHERE username = 'alice'")
    assert alice.get("/week").status_code == 302
    assert alice.submit("/sign-out").status_code == 303


def test_a_role_that_was_taken_away_is_gone_at_the_next_request(as_user, migrated):
    carol = as_user("carol")
    assert carol.get("/people").status_code == 200
    migrated.execute("UPDATE users SET role = 'user' WHERE username = 'carol'")
    assert carol.get("/people").status_code == 403


def test_sessions_are_listed_and_ended_one_by_one_or_all_but_this(as_user, migrated, cast):
    first, second, other = as_user("alice"), as_user("alice"), as_user("bob")
    with closing(migrated.connect()) as connection, connection.cursor() as cursor:
        now = datetime.now(UTC).replace(tzinfo=None)
        listed = sessions.list_of(cursor, cast["alice"], now)
        assert [(one.user_agent, one.address) for one in listed] == [("a test", "127.0.0.1")] * 2
        [bobs] = sessions.list_of(cursor, cast["bob"], now)
        assert not sessions.revoke(cursor, cast["alice"], bobs.id)
        assert sessions.revoke(cursor, cast["alice"], min(one.id for one in listed))
        assert (first.get("/week").status_code, second.get("/week").status_code) == (302, 200)
        assert sessions.revoke_all(cursor, cast["alice"], except_session_id=max(one.id for one in listed)) == 0
        assert second.get("/week").status_code == 200
        assert sessions.revoke_all(cursor, cast["alice"]) == 1
    assert second.get("/week").status_code == 302
    assert other.get("/week").status_code == 200


def test_a_new_password_ends_the_other_sessions_and_voids_the_invitation(as_user, migrated, cast):
    here, elsewhere = as_user("alice"), as_user("alice")
    with closing(migrated.connect()) as connection, connection.cursor() as cursor:
        mine = sessions.signed_in(cursor, token_of(here), security_now()).session_id
        cursor.execute(
            "INSERT INTO sign_in_invitations (user_id, token_sha256, expires_at) VALUES (%s, 'x', '2099-01-01')",
            (cast["alice"],),
        )
        users.set_password(cursor, cast["alice"], passwords.hash_of("a new long password"), security_now(), mine)
        users.set_password(cursor, cast["alice"], passwords.hash_of("a newer long password"), security_now(), mine)
    assert here.get("/week").status_code == 200
    assert elsewhere.get("/week").status_code == 302
    assert migrated.query("SELECT count(*) FROM sign_in_invitations") == [(0,)]
    assert migrated.query("SELECT count(*) FROM sign_in_credentials") == [(1,)]


def test_a_sign_in_by_the_old_password_ends_with_a_change_of_it_meanwhile(client, alice, migrated, monkeypatch):
    look = passwords.is_right

    def look_and_be_overtaken(password: str, kept: str | None) -> bool:
        monkeypatch.setattr(passwords, "is_right", look)
        is_right = look(password, kept)
        with closing(migrated.connect()) as connection, connection.cursor() as cursor:
            users.set_password(cursor, alice, passwords.hash_of("a new long password"), security_now())
        return is_right

    monkeypatch.setattr(passwords, "is_right", look_and_be_overtaken)
    answer = enter(client)
    assert answer.status_code == 422 and "Name and password do not go together." in answer.text
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(0,)]


def test_who_signs_in_waits_for_who_changes_the_user_and_neither_for_the_other(client, alice, migrated):
    enter(client)
    connection = migrated.connect()
    connection.autocommit = False
    with connection, connection.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        users.lock(cursor, alice)
        answer = thread.submit(enter, client)
        while not migrated.query(SOMEBODY_WAITS):
            assert not answer.done()
        assert sessions.revoke_all(cursor, alice) == 1
        connection.commit()
        assert answer.result().status_code == 303
    assert client.get("/week").status_code == 200


def test_a_new_session_takes_over_no_last_activity_that_lies_ahead(client, alice, migrated):
    migrated.execute(
        "INSERT INTO time_entries (user_id, start_time) VALUES (%s, timezone('utc', now()) + interval '40 days')", alice
    )
    enter(client)
    assert migrated.query("SELECT last_seen_at <= timezone('utc', now()) FROM sign_in_sessions") == [(True,)]
    assert client.get("/week").status_code == 200


def test_a_session_ends_after_30_days_without_use_and_its_row_is_deleted(app, alice, migrated):
    begun = datetime(2026, 3, 9, 8, 30, tzinfo=UTC)
    browser = app.test_client()
    with time_machine.travel(begun, tick=False) as clock:
        enter(browser)
        clock.shift(timedelta(days=29))
        assert browser.get("/week").status_code == 200
        clock.shift(timedelta(days=29))
        assert browser.get("/week").status_code == 200
        clock.shift(timedelta(days=31))
        assert browser.get("/week").status_code == 302
        enter(app.test_client())
        assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(1,)]


def test_a_session_survives_an_outage_of_the_database(as_user, migrated, close_database):
    alice = as_user("alice")
    assert alice.get("/week").status_code == 200
    before = token_of(alice)
    with close_database(migrated):
        answer = alice.get("/week")
        assert answer.status_code == 503
        assert "session=;" not in answer.headers.get("Set-Cookie", "")
        assert alice.submit("/sign-out").status_code == 503
        assert token_of(alice) == before
    assert alice.get("/week").status_code == 200


def test_that_somebody_is_there_cannot_be_noted_and_the_page_is_given_all_the_same(
    as_user, migrated, monkeypatch, capsys
):
    alice = as_user("alice")

    def away(*_):
        raise security.db.DatabaseAwayError("gone")

    monkeypatch.setattr(sessions, "touch", away)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        assert alice.get("/week").status_code == 200
    assert "That alice is there was not noted: gone" in capsys.readouterr().err


# --- What a form held while the database was away ---


def test_what_was_typed_is_shown_and_can_be_sent_again_after_an_outage(app, as_user, migrated, close_database):
    sent = []

    @app.post("/note/<int:number>")
    def note(number):
        from flask import request

        with security.db.change() as cursor:
            cursor.execute("SELECT 1")
        sent.append((number, request.args.get("day"), request.form.to_dict(flat=False)))
        return "kept"

    alice = as_user("alice")
    data = {
        "notes": 'a "quoted" <b>word</b>\r\nand a second line',
        "tags": ["one", "two"],
        "token": "6b1c",
        "new_password": "hidden-word",
        "repeated": "hidden-word",
    }
    with close_database(migrated):
        answer = alice.submit("/note/7?day=2026-03-09&to=a%26b", data)
        assert answer.status_code == 503
        assert "The database cannot be reached" in answer.text
    text = answer.text
    assert 'action="/note/7?day=2026-03-09&amp;to=a%26b"' in text
    assert "<dd>a &#34;quoted&#34; &lt;b&gt;word&lt;/b&gt;" in text
    assert "<b>word" not in text and "hidden-word" not in text
    for name in ("new_password", "repeated"):
        assert f'<input type="password" id="again-{name}" name="{name}"' in text
    again = dict.fromkeys(re.findall(r'type="hidden" name="([^"]+)"', text))
    assert set(again) == {"csrf_token", "notes", "tags", "token"}
    assert "6b1c" not in re.sub(r"<input[^>]*>", "", text)
    csrf_token = re.search(r'name="csrf_token" value="([^"]+)"', text)[1]
    answer = alice.post("/note/7?day=2026-03-09&to=a%26b", data={**data, "csrf_token": csrf_token})
    assert answer.text == "kept"
    assert sent[0][2]["tags"] == ["one", "two"]


# --- What a form held that was sent after the session had ended ---


TYPED = {"notes": 'a "quoted" <b>word</b>\r\nand more', "project": "1", "tags": "one, two", "next": "/week"}
OWN = {"Origin": "http://localhost"}


def is_started(database) -> bool:
    [(count,)] = database.query(
        "SELECT count(*) FROM time_entries WHERE notes = %s", 'a "quoted" <b>word</b>\nand more'
    )
    return count == 1


def fields_of(html: str, button: str) -> dict[str, str]:
    """Return what the form with that button would send, as it stands."""
    [form] = [part for part in re.findall(r"<form .*?</form>", html, flags=re.S) if f">{button}</button>" in part]
    inputs = [
        re.search(r'name="([^"]*)"(?: type="hidden")? value="([^"]*)"', tag) for tag in re.findall("<input[^>]*>", form)
    ]
    return {found[1]: unescape(found[2]) for found in inputs if found}


def sign_in_with(browser, html: str, **fields: str):
    return browser.post("/sign-in", data={**fields_of(html, "Sign in"), "username": "alice", **fields})


def send_again(browser, html: str, path: str = "/timer/start"):
    assert f'action="{path}"' in html
    return browser.post(path, data=fields_of(html, "Send it again"))


@pytest.mark.parametrize("how", ["revoked", "signed out elsewhere", "no cookie"])
def test_what_was_typed_outlives_the_session(how, client, alice, migrated):
    enter(client)
    form = {**TYPED, "csrf_token": client.csrf_token()}
    if how == "revoked":
        migrated.execute("UPDATE sign_in_sessions SET expires_at = last_seen_at")
    elif how == "signed out elsewhere":
        client.submit("/sign-out")
    else:
        client.delete_cookie("session")
    refused = client.post("/timer/start", data=form, headers=OWN)
    assert refused.status_code == 401
    assert "a &#34;quoted&#34; &lt;b&gt;word&lt;/b&gt;" in refused.text
    wrong = sign_in_with(client, refused.text, password="wrong")
    assert wrong.status_code == 422 and "one, two" in wrong.text
    entered = sign_in_with(client, wrong.text, password=RIGHT)
    assert entered.status_code == 200 and "You are signed in again" in entered.text
    assert not is_started(migrated), "nobody has seen yet what would be sent"
    assert send_again(client, entered.text).location == "/week"
    assert is_started(migrated)


def test_what_was_typed_outlives_a_new_session_in_another_tab(client, alice, migrated):
    enter(client)
    form = {**TYPED, "csrf_token": client.csrf_token()}
    enter(client)
    refused = client.post("/timer/start", data=form, headers=OWN)
    assert refused.status_code == 400
    assert send_again(client, refused.text).location == "/week"
    assert is_started(migrated)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null", None])
@pytest.mark.parametrize("is_in", [True, False])
def test_what_another_site_sends_is_kept_for_nobody(origin, is_in, client, alice, migrated):
    if is_in:
        enter(client)
    refused = client.post("/timer/start", data=TYPED, headers={"Origin": origin} if origin else {})
    assert refused.status_code == 400
    assert "quoted" not in refused.text and "Send it again" not in refused.text


def test_what_is_kept_can_only_be_what_was_sent(client, alice, app):
    made_up = URLSafeSerializer("another key", salt="typed").dumps(["//evil.example", [["notes", "x"]], [], []])
    for kept in ("", "x", made_up, "\0", "a.b.c" * 10_000):
        browser = app.test_client()
        data = {"username": "alice", "password": RIGHT, "kept": kept}
        assert browser.submit("/sign-in", data).status_code == 303


def test_passwords_are_not_kept_and_a_form_without_anything_typed_is_not_either(client, alice, migrated):
    enter(client)
    migrated.execute("UPDATE sign_in_sessions SET expires_at = last_seen_at")
    answer = client.submit("/timer/stop", {"entry": "1", "token": "6b1c"})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    data = {"current_password": "hidden-word", "new_password": "hidden-word", "repeated": "hidden-word"}
    answer = client.submit("/profile/password", data)
    assert "hidden-word" not in answer.text
    assert (answer.status_code, answer.location) == (303, "/sign-in")


@pytest.mark.needs("chromium")
def test_a_real_browser_keeps_what_was_typed_into_the_bar(open_page, alice, migrated):
    page = open_page("alice", "/week")
    page.get_by_label("What are you working on?").fill("Sketch")
    migrated.execute("UPDATE sign_in_sessions SET expires_at = last_seen_at")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.get_by_role("definition").first.inner_text() == "Sketch"
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill(RIGHT)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="You are signed in again").wait_for()
    page.get_by_role("button", name="Send it again").click()
    page.get_by_role("timer").wait_for()
    assert page.url.endswith("/week")
    assert migrated.query("SELECT notes FROM time_entries") == [("Sketch",)]


@pytest.mark.needs("chromium")
def test_a_real_browser_sends_it_again(open_page, migrated, close_database):
    page = open_page(None, "/sign-in")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill("wrong")
    with close_database(migrated):
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Service Unavailable").wait_for()
        assert page.get_by_role("definition").inner_text() == "alice"
    page.get_by_label("Password").fill("wrong again")
    page.get_by_role("button", name="Send it again").click()
    page.get_by_text("Name and password do not go together.").wait_for()
    assert page.get_by_label("Name").input_value() == "alice"


# --- Redirects ---


@pytest.mark.parametrize(
    "target",
    [
        *("//evil.example", "///evil.example", r"/\evil.example", r"\\evil.example", "/\t/evil.example", "\t//evil"),
        *("/\n/evil.example", "/\r/evil", "/%09/evil\t", "https:evil.example", "https://evil.example", "http:/evil"),
        *("javascript:alert(1)", "evil.example", " //evil.example", "/\u2028/evil", "/\u200b/evil", "/\x00", "", "?"),
        *("/" + "a" * 2000, "/\u00a0/evil", "data:text/html,x", "/a\\..\\evil"),
    ],
)
def test_signing_in_leads_nowhere_else(target, app, alice):
    with app.test_request_context():
        assert security.safe_next(target) == "/"


@pytest.mark.parametrize("target", ["/week", "/reports?from=2026-03-01&to=2026-03-31", "/%09/evil", "/projects/7#a"])
def test_signing_in_leads_back_into_the_app(target, app):
    with app.test_request_context():
        assert security.safe_next(target) == target


@pytest.mark.parametrize(
    "next", ["//evil.example", "/%09/evil.example", "%5C%5Cevil", "/%5Cevil.example", "https:evil"]
)
def test_no_next_of_a_link_leads_elsewhere(next, client, alice):
    answer = enter_at(client, f"/sign-in?next={next}")
    assert (answer.status_code, answer.location) == (303, "/")


def test_a_location_that_is_not_ascii_stays_a_path(client, alice):
    assert enter_at(client, "/sign-in?next=/w\u00f6che%EF%BC%8Fevil").location == "/w%C3%B6che%EF%BC%8Fevil"


def enter_at(browser, path: str):
    return browser.submit(path, {"username": "alice", "password": RIGHT})


# --- CSRF ---


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/register", "/invitation/none"])
def test_a_form_from_elsewhere_is_refused_with_a_page(path, as_user):
    answer = as_user("alice").post(path, data={"username": "alice", "password": RIGHT})
    assert answer.status_code == 400
    assert "came from elsewhere" in answer.text


def test_state_never_changes_on_get(as_user, migrated):
    alice = as_user("alice")
    assert alice.get("/sign-out").status_code == 405
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(1,)]


# --- TLS and the proxy in front ---


def cookie_of(answer) -> str:
    return answer.headers["Set-Cookie"]


def test_the_cookie_is_hidden_from_scripts_and_over_tls_stays_there(client, alice):
    assert re.search("; HttpOnly; Path=/; SameSite=Lax$", cookie_of(enter(client)))
    answer = client.get("/week", base_url="https://localhost")
    assert "; Secure; " in cookie_of(client.get("/sign-in", base_url="https://localhost"))
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in client.get("/healthz").headers


@pytest.mark.parametrize("path", ["/static/style.css", "/sign-in", "/nowhere"])
def test_over_tls_every_answer_asks_browsers_to_stay_with_it(path, client, app_with):
    behind = app_with(TRUST_PROXY="yes").test_client()
    with client.get(path, base_url="https://localhost") as own, behind.get(path, headers=FORWARDED) as by_proxy:
        for answer in (own, by_proxy):
            assert answer.headers.getlist("Strict-Transport-Security") == ["max-age=31536000"]
    with client.get(path) as plain, client.get(path, headers=FORWARDED) as not_believed:
        for answer in (plain, not_believed):
            assert "Strict-Transport-Security" not in answer.headers


FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "time.example.org"}


def test_headers_of_a_proxy_are_not_believed_unasked(client, alice, migrated):
    answer = client.get("/sign-in", headers=FORWARDED)
    assert "Secure" not in cookie_of(answer)
    assert "Strict-Transport-Security" not in answer.headers
    enter(client, headers=FORWARDED)
    assert migrated.query("SELECT address FROM sign_in_sessions") == [("127.0.0.1",)]


def test_with_trust_proxy_they_are(app_with, alice, migrated):
    browser = app_with(TRUST_PROXY="yes").test_client()
    answer = browser.get("/sign-in", headers=FORWARDED)
    assert "; Secure; " in cookie_of(answer)
    assert "Strict-Transport-Security" in answer.headers
    two = app_with(TRUST_PROXY="2").test_client()
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.1"}
    assert enter(two, headers=headers).status_code == 303
    assert migrated.query("SELECT address FROM sign_in_sessions") == [("203.0.113.9",)]


def test_behind_tls_a_form_is_taken_from_the_own_site_only(app_with, alice):
    browser = app_with(TRUST_PROXY="1").test_client()
    site = {"headers": FORWARDED, "base_url": "https://time.example.org"}
    token = re.search(r'name="csrf_token" value="([^"]*)"', browser.get("/sign-in", **site).text)[1]

    def send(referrer: str):
        form = {"username": "alice", "password": RIGHT, "csrf_token": token}
        return browser.post("/sign-in", data=form, **site | {"headers": FORWARDED | {"Referer": referrer}})

    assert send("https://evil.example/").status_code == 400
    assert send("https://time.example.org/sign-in").status_code == 303


def test_links_for_others_begin_with_base_url(app_with):
    for variables, start in [
        ({}, "http://localhost/"),
        ({"BASE_URL": "https://t.example.org"}, "https://t.example.org/"),
    ]:
        with app_with(**variables).test_request_context():
            assert security.link("sign_in.invitation_page", token="x") == f"{start}invitation/x"


# --- Signed in by a proxy ---


@pytest.fixture
def proxied(app_with, cast):
    """Return a function that asks for a page as a proxy at an address does."""
    app = app_with(AUTH_PROXY_HEADER="X-Forwarded-User", AUTH_PROXY_ADDRESS="10.0.0.7, fd00::/64", TRUST_PROXY="1")
    browser = app.test_client()

    def ask(path: str = "/week", name: str | None = "alice", peer: str = "10.0.0.7", method: str = "get", **headers):
        headers |= {"X-Forwarded-User": name} if name is not None else {}
        return getattr(browser, method)(path, headers=headers, environ_base={"REMOTE_ADDR": peer})

    return ask


@pytest.mark.parametrize("peer", ["10.0.0.7", "fd00::9", "::ffff:10.0.0.7"])
def test_the_proxy_is_believed(peer, proxied, migrated):
    answer = proxied(peer=peer)
    assert answer.status_code == 200
    assert "alice" in answer.text
    assert proxied(peer=peer).status_code == 200
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(1,)]
    assert migrated.query("SELECT last_login IS NOT NULL FROM users WHERE username = 'alice'") == [(True,)]


@pytest.mark.parametrize("peer", ["10.0.0.8", "127.0.0.1", "fd00:0:0:1::9", "", "unix:"])
def test_nobody_else_is_whatever_they_say(peer, proxied, migrated):
    assert proxied(peer=peer).status_code == 302
    assert proxied(peer=peer, **{"X-Forwarded-For": "10.0.0.7"}).status_code == 302
    assert proxied(peer=peer, **{"X-Real-Ip": "10.0.0.7", "Forwarded": "for=10.0.0.7"}).status_code == 302
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(0,)]


def test_the_header_is_nothing_without_the_setting(client, cast):
    assert client.get("/week", headers={"X-Forwarded-User": "alice"}).status_code == 302


@pytest.mark.parametrize("name", ["nobody", "alice,carol", "alice, carol", "dora"])
def test_who_is_unknown_or_deactivated_is_refused_with_a_page(name, proxied, migrated):
    migrated.execute("INSERT INTO users (username, is_active) VALUES ('dora', false)")
    answer = proxied(name=name)
    assert answer.status_code == 403
    assert "no active user is called that" in answer.text
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(0,)]


def test_another_name_is_another_person(proxied, migrated):
    assert proxied(path="/people", name="alice").status_code == 403
    assert proxied(path="/people", name="carol").status_code == 200
    assert proxied(path="/people", name="Alice").status_code == 403
    assert migrated.query("SELECT username FROM sign_in_sessions, users WHERE users.id = user_id") == [("alice",)]


def test_without_the_header_one_signs_in_as_ever(proxied):
    assert proxied(name=None).status_code == 302
    assert proxied(name="").status_code == 302
    assert proxied(path="/sign-in", name=None).status_code == 200


def test_signing_out_says_that_the_proxy_signs_in_again(app_with, cast):
    app = app_with(AUTH_PROXY_HEADER="Remote-User", AUTH_PROXY_ADDRESS="127.0.0.1")
    browser = app.test_client()
    headers = {"Remote-User": "alice"}
    assert browser.get("/week", headers=headers).status_code == 200
    answer = browser.submit("/sign-out", headers=headers)
    assert answer.status_code == 200
    assert "To leave for good, sign out there." in answer.text.replace("\n", " ").replace("  ", " ")
    assert browser.get("/week").status_code == 302


def security_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
