"""People register themselves where the settings let them: by a form of its own, never by signing in."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from installation import wait_for

from app import passwords
from app.queries import users

pytestmark = pytest.mark.only_pg("pg18")

GOOD = "quite a long sentence"


def register(browser, username: str = "dora", password: str = GOOD, **more):
    return browser.submit("/register", {"username": username, "password": password, "repeated": password, **more})


def people(database) -> list[tuple]:
    return database.query("SELECT username, role FROM users WHERE username <> 'admin' ORDER BY username")


def test_somebody_new_becomes_an_ordinary_user_and_is_in(client, migrated):
    assert 'href="/register"' in client.get("/sign-in").text
    assert client.get("/register").status_code == 200
    answer = register(client, " Dora ", role="admin", is_active="false", id="1")
    assert (answer.status_code, answer.location) == (303, "/")
    assert people(migrated) == [("Dora", "user")]
    assert "Dora" in client.get("/week").text
    assert client.get("/people").status_code == 403
    assert client.get("/register").status_code == 302


def test_when_it_is_off_there_is_no_page_and_no_link(client, migrated):
    migrated.execute("UPDATE settings SET allow_self_register = false")
    assert "/register" not in client.get("/sign-in").text
    assert client.get("/register").status_code == 404
    assert register(client).status_code == 404
    assert people(migrated) == []


def test_signing_in_makes_nobody(client, migrated):
    assert client.submit("/sign-in", {"username": "dora", "password": GOOD}).status_code == 422
    assert people(migrated) == []


@pytest.mark.parametrize("taken", ["alice", "ALICE", "alice "])
def test_a_name_that_is_taken_is_told_and_everything_else_is_as_for_one_that_is_free(
    taken, client, cast, migrated, monkeypatch
):
    computed = []
    compute = passwords.hash_of
    monkeypatch.setattr(passwords, "hash_of", lambda password: computed.append(1) or compute(password))
    answer = register(client, taken)
    assert answer.status_code == 409
    assert "This name is taken" in answer.text
    assert computed == [1]
    assert migrated.query("SELECT count(*) FROM sign_in_credentials") == [(0,)]
    assert client.get("/week").status_code == 302


def test_of_two_who_want_a_name_at_once_one_has_it(app, migrated):
    browsers = [app.test_client() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda browser: register(browser).status_code, browsers))
    assert statuses == [303, 409, 409, 409]
    assert people(migrated) == [("dora", "user")]


@pytest.mark.parametrize("names", [("dora", "DORA"), ("DORA", "dora"), ("dora", "eve")])
def test_names_that_differ_by_case_only_are_one_also_for_two_at_once(names, app, migrated):
    """The second comes while the first is not committed yet, which no look at the table shows."""
    first, second = names
    with closing(migrated.connect()) as connection, connection.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("BEGIN")
        users.insert(cursor, first, "user")
        answer = pool.submit(register, app.test_client(), second)
        wait_for(lambda: answer.done() or migrated.query("SELECT FROM pg_locks WHERE NOT granted"))
        cursor.execute("COMMIT")
        assert answer.result().status_code == (303 if second == "eve" else 409)
    assert people(migrated) == ([("dora", "user"), ("eve", "user")] if second == "eve" else [(first, "user")])


def test_an_address_registers_a_few_an_hour(app, migrated):
    """Which is also how often it learns whether a name is taken."""
    statuses = [register(app.test_client(), f"dora{number}").status_code for number in range(7)]
    assert statuses == [303] * 5 + [429] * 2
    assert len(people(migrated)) == 5


@pytest.mark.parametrize(
    ("username", "password", "sentence"),
    [
        ("", GOOD, "Type the name that you want to be known by."),
        ("   ", GOOD, "Type the name that you want to be known by."),
        ("d" * 81, GOOD, "Field cannot be longer than 80 characters."),
        ("do\0ra", GOOD, "There are characters in it that cannot be seen"),
        ("do\u200bra", GOOD, "There are characters in it that cannot be seen"),
        ("do\nra", GOOD, "There are characters in it that cannot be seen"),
        ("dora", "short", "A password has at least 12 characters"),
        ("dora-the-explorer", "Dora-the-Explorer1", "This password is little more than the name"),
        ("dora", "Password1234", "This password is little more than the name or a word that is guessed first"),
        ("dora", "dora-Passw0rd!", "This password is little more than the name or a word that is guessed first"),
        ("dora", "123456789012", "This password is little more than the name or a word that is guessed first"),
        ("dora", "Qwertyuiop12", "This password is little more than the name or a word that is guessed first"),
        ("dora", "TimeTracker2026", "This password is little more than the name or a word that is guessed first"),
    ],
)
def test_what_will_not_do_is_told_beside_the_field_and_the_name_is_kept(username, password, sentence, client, migrated):
    answer = register(client, username, password)
    assert answer.status_code == 422
    assert re.search(f'role="alert">[^<]*{sentence}', answer.text)
    assert password not in answer.text
    assert people(migrated) == []


def test_the_form_is_sent_with_nothing_at_all(client):
    assert client.submit("/register").status_code == 422
