"""Signing in and out, and what keeps others from it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import time_machine
from argon2 import PasswordHasher

from app import passwords, throttling
from app.queries import sign_in_failures
from startup.passwords import hasher

pytestmark = pytest.mark.only_pg("pg18")

RIGHT = "correct horse"
REFUSED = "Name and password do not go together."
MORNING = datetime(2026, 3, 9, 8, 30)


@pytest.fixture
def with_password(migrated, cast):
    """Return a function that gives one of the cast the password RIGHT."""

    def give(name: str, kept: str | None = None) -> None:
        migrated.execute(
            "INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (%s, %s)",
            cast[name],
            kept or passwords.hash_of(RIGHT),
        )

    return give


@pytest.fixture
def alice_has_a_password(with_password):
    with_password("alice")


@pytest.fixture
def computations(monkeypatch):
    """How often a hash was computed: time itself is no measure on a busy machine."""
    counted = []
    for name in ("verify", "hash"):
        compute = getattr(PasswordHasher, name)

        def count(self, *arguments, compute=compute):
            counted.append(compute.__name__)
            return compute(self, *arguments)

        monkeypatch.setattr(PasswordHasher, name, count)
    return counted


def attempt(browser, name: str = "alice", password: str = RIGHT, address: str = "192.0.2.1", **options):
    return browser.submit(
        "/sign-in", {"username": name, "password": password}, environ_base={"REMOTE_ADDR": address}, **options
    )


def failures(database) -> list[tuple]:
    return database.query("SELECT username, address FROM sign_in_failures ORDER BY id")


# --- In and out ---


def test_name_and_password_lead_to_the_page_that_was_asked_for(client, alice_has_a_password):
    answer = client.get("/week")
    assert answer.status_code == 302 and answer.location == "/sign-in?next=/week"
    answer = client.submit(answer.location, {"username": "alice", "password": RIGHT})
    assert (answer.status_code, answer.location) == (303, "/week")
    assert "alice" in client.get("/week").text
    assert client.get("/sign-in?next=/reports").location == "/reports"


def test_signing_in_is_noted_and_the_user_does_not_count_as_edited(client, alice_has_a_password, migrated):
    question = "SELECT updated_at FROM users WHERE username = 'alice'"
    before = migrated.query(question)
    with time_machine.travel(MORNING, tick=False):
        attempt(client)
    assert migrated.query("SELECT last_login FROM users WHERE username = 'alice'") == [(MORNING,)]
    assert migrated.query(question) == before


def test_signing_out_ends_the_session(as_user, migrated):
    alice = as_user("alice")
    assert alice.get("/week").status_code == 200
    assert alice.submit("/sign-out").status_code == 303
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(0,)]
    assert alice.get("/week").status_code == 302


@pytest.mark.parametrize("typed", ["alice", "ALICE", " Alice "])
def test_a_name_is_known_in_other_letters_where_it_is_clear_who_is_meant(typed, client, alice_has_a_password):
    assert attempt(client, typed).status_code == 303


def test_of_two_names_that_differ_in_their_letters_each_is_meant_exactly(app, alice_has_a_password, migrated):
    migrated.execute(
        "INSERT INTO users (username) VALUES ('Alice');"
        "INSERT INTO sign_in_credentials (user_id, password_hash) SELECT id, %s FROM users WHERE username = 'Alice'",
        passwords.hash_of("another password"),
    )
    assert attempt(app.test_client(), "alice", RIGHT).status_code == 303
    assert attempt(app.test_client(), "Alice", RIGHT).status_code == 422
    assert attempt(app.test_client(), "Alice", "another password").status_code == 303
    assert attempt(app.test_client(), "ALICE", RIGHT).status_code == 422


def test_composed_and_decomposed_letters_are_the_same_password(app, with_password):
    with_password("alice", passwords.hash_of("sch\u00f6nes langes Wort"))
    assert attempt(app.test_client(), password="scho\u0308nes langes Wort").status_code == 303


def test_a_hash_of_older_parameters_is_renewed_at_the_next_sign_in(client, with_password, migrated):
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(RIGHT)
    with_password("alice", old)
    assert attempt(client).status_code == 303
    [(kept,)] = migrated.query("SELECT password_hash FROM sign_in_credentials")
    assert not hasher().check_needs_rehash(kept)
    assert passwords.is_right(RIGHT, kept)
    assert attempt(client).status_code == 303
    assert migrated.query("SELECT password_hash FROM sign_in_credentials") == [(kept,)]


# --- Refused ---


def test_a_wrong_password_is_told_beside_the_field(client, alice_has_a_password):
    answer = attempt(client, password="wrong")
    assert answer.status_code == 422
    assert REFUSED in answer.text
    assert 'value="alice"' in answer.text
    assert "wrong" not in re.sub(r'class="[^"]*"', "", answer.text)


@pytest.mark.parametrize(
    ("username", "password", "sentence"),
    [
        ("", RIGHT, "Type your name."),
        ("alice", "", "Type your password."),
        ("a" * 81, RIGHT, "Field cannot be longer than 80 characters."),
        ("alice", "p" * 1001, "Field cannot be longer than 1000 characters."),
        ("ali\0ce", RIGHT, "There are characters in it that cannot be seen"),
        ("<script>alert(1)</script>", "'; DROP TABLE users; --", "Name and password do not go together."),
    ],
)
def test_hostile_input_is_answered_beside_the_field(username, password, sentence, client, alice_has_a_password):
    answer = attempt(client, username, password)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "<script>" not in answer.text


def test_nobody_learns_whether_there_is_such_a_user(app, with_password, migrated, computations, cast):
    """One answer, one computation, the same rows: for a wrong password and for whoever cannot sign in at all."""
    with_password("alice")
    with_password("carol")
    migrated.execute("UPDATE users SET is_active = false WHERE username = 'carol'")
    answers = {}
    for name, password in [("alice", "wrong"), ("bob", RIGHT), ("carol", RIGHT), ("carol", "wrong"), ("nobody", RIGHT)]:
        computations.clear()
        answer = attempt(app.test_client(), name, password)
        text = re.sub(r'(csrf_token" value|username"[^>]* value)="[^"]*"', "", answer.text)
        answers[name, password] = (answer.status_code, text, tuple(computations))
    assert len(set(answers.values())) == 1, answers
    assert answers["nobody", RIGHT][0] == 422
    assert answers["nobody", RIGHT][2] == ("verify",)
    assert [name for name, _ in failures(migrated)] == ["alice", "bob", "carol", "carol", "nobody"]


def test_what_is_computed_for_nobody_has_the_parameters_of_this_version():
    assert not hasher().check_needs_rehash(passwords.OF_NOBODY)
    assert not passwords.is_right("nobody has this password", None)
    assert not passwords.is_right(RIGHT, "not a hash")


# --- Throttling ---


def test_after_five_failures_each_further_attempt_waits_longer(app, alice_has_a_password):
    with time_machine.travel(MORNING, tick=False) as clock:
        assert [attempt(app.test_client(), password="wrong").status_code for _ in range(5)] == [422] * 5
        waits = []
        for _ in range(7):
            answer = attempt(app.test_client(), password=RIGHT)
            assert answer.status_code == 429
            assert "There were too many attempts. Try again in " in answer.text
            wait = int(answer.headers["Retry-After"])
            waits.append(wait)
            clock.shift(wait - 1)
            assert attempt(app.test_client()).status_code == 429
            clock.shift(1)
            assert attempt(app.test_client(), password="wrong").status_code == 422
        assert waits == [30, 60, 120, 240, 480, 900, 900]
        clock.shift(900)
        assert attempt(app.test_client(), password=RIGHT).status_code == 303


def test_the_right_password_forgives_the_failures_before(app, alice_has_a_password, migrated):
    for _ in range(4):
        attempt(app.test_client(), password="wrong")
    attempt(app.test_client(), name="nobody")
    assert attempt(app.test_client()).status_code == 303
    assert failures(migrated) == [("nobody", "192.0.2.1")]


@pytest.mark.parametrize("name", ["alice", " ALICE ", "\u0130pek"])
def test_a_name_counts_as_one_by_the_rule_by_which_it_is_known(name, app, migrated, cast):
    attempt(app.test_client(), name, "wrong")
    [(counted,)] = migrated.query("SELECT username FROM sign_in_failures")
    assert migrated.query("SELECT lower(btrim(%s))", name) == [(counted,)]


def test_nobody_is_locked_out_from_another_address(app, alice_has_a_password):
    """However many failed: an address from which none did has an attempt of its own."""
    with time_machine.travel(MORNING, tick=False):
        for number in range(30):
            attempt(app.test_client(), password="wrong", address=f"198.51.100.{number % 10}")
        assert attempt(app.test_client(), address="192.0.2.1").status_code == 303


def test_an_attack_on_a_name_from_many_addresses_has_one_attempt_from_each(app, alice_has_a_password):
    with time_machine.travel(MORNING, tick=False):
        for number in range(20):
            assert attempt(app.test_client(), password="wrong", address=f"198.51.100.{number}").status_code == 422
        assert attempt(app.test_client(), password="wrong", address="192.0.2.1").status_code == 422
        assert attempt(app.test_client(), password="wrong", address="192.0.2.1").status_code == 429


def test_an_address_that_tries_many_names_waits_too(app, cast, monkeypatch):
    monkeypatch.setattr(passwords, "is_right", lambda *_: False)
    with time_machine.travel(MORNING, tick=False):
        statuses = [attempt(app.test_client(), f"user{number}").status_code for number in range(52)]
        assert statuses == [422] * 50 + [429] * 2
        assert attempt(app.test_client(), "user99", address="192.0.2.2").status_code == 422


def test_attempts_at_once_are_counted_one_after_the_other(migrated, app):
    """As by several workers: none looks before the others are noted."""

    def begin(_) -> bool:
        with app.app_context():
            from app import db

            with db.change() as cursor:
                return sign_in_failures.begin_attempt(cursor, "alice", "192.0.2.1", MORNING) is None

    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(begin, range(24)))
    assert sum(allowed) == 5
    assert len(failures(migrated)) == 5


def test_old_failures_are_deleted(migrated, app, cast):
    migrated.execute(
        "INSERT INTO sign_in_failures (username, address, failed_at)"
        " SELECT 'alice', '192.0.2.1', timezone('utc', now()) - interval '2 days' FROM generate_series(1, 60)"
    )
    assert attempt(app.test_client(), password="wrong").status_code == 422
    assert len(failures(migrated)) == 11
    attempt(app.test_client(), password="wrong")
    assert len(failures(migrated)) == 2


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        (None, ""),
        ("unknown" * 20, ("unknown" * 20)[:50]),
    ],
)
def test_who_has_a_network_of_ipv6_is_one_source(address, source):
    assert throttling.source_of(address) == source


@pytest.mark.parametrize(
    ("wait", "words"),
    [(0.2, "1 second"), (29.1, "30 seconds"), (119, "119 seconds"), (121, "3 minutes"), (900, "15 minutes")],
)
def test_a_wait_is_told_in_words(wait, words):
    assert throttling.in_words(timedelta(seconds=wait)) == words
