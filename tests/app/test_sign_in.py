"""Signing in and out."""

import pytest

from app import passwords

pytestmark = pytest.mark.only_pg("pg18")


@pytest.fixture
def alice_has_a_password(migrated, cast):
    migrated.execute(
        "INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (%s, %s)",
        cast["alice"],
        passwords.hash_of("correct horse"),
    )


def test_name_and_password_lead_to_the_page_that_was_asked_for(client, alice_has_a_password):
    answer = client.get("/week")
    assert answer.status_code == 302 and answer.location == "/sign-in?next=/week"
    answer = client.submit(answer.location, {"username": "alice", "password": "correct horse"})
    assert answer.location == "/week"
    assert "alice" in client.get("/week").text


def test_signing_out_ends_the_session(as_user, migrated):
    alice = as_user("alice")
    assert alice.get("/week").status_code == 200
    assert alice.submit("/sign-out").status_code == 302
    assert migrated.query("SELECT count(*) FROM sign_in_sessions") == [(0,)]
    assert alice.get("/week").status_code == 302


def test_a_wrong_password_is_told_beside_the_field(client, alice_has_a_password):
    answer = client.submit("/sign-in", {"username": "alice", "password": "wrong"})
    assert answer.status_code == 422
    assert "Name and password do not go together." in answer.text
    assert 'value="alice"' in answer.text
