"""What holds for every answer of the app, and how it gets its settings."""

import logging
import re

import pytest
from flask import session

from app import create_app
from app.security import public
from startup.errors import UsageError

pytestmark = pytest.mark.only_pg("pg18")

STYLE = "/static/style.css"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 302), ("/sign-in", 200), ("/healthz", 200), ("/readyz", 200), (STYLE, 200), ("/nowhere", 404)],
)
def test_every_answer_carries_the_security_headers(client, path, status):
    with client.get(path) as answer:
        assert answer.status_code == status
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/sign-in", "/register", "/invitation/none", "/nowhere"])
def test_pages_carry_nothing_that_the_content_security_policy_forbids(client, path):
    html = client.get(path).text
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", html)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)


def test_static_files_are_kept_for_a_year_and_change_their_address_with_their_content(client):
    address = re.search(rf'href="({STYLE}\?v=[0-9a-f]+)"', client.get("/sign-in").text)[1]
    with client.get(address) as answer:
        assert set(answer.headers["Cache-Control"].split(", ")) == {"public", "max-age=31536000"}
        assert answer.text.startswith("/*")


def test_pages_are_not_kept(client, as_user):
    assert as_user("alice").get("/").headers["Cache-Control"] == "no-store"
    assert client.get("/").headers["Cache-Control"] == "no-store"


def test_an_unknown_address_gives_a_page_that_leads_back(client, read):
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert {"404", "Not Found", "Front page"} <= set(read(answer.text))
    assert 'href="/"' in answer.text


def test_an_unknown_address_leaves_who_is_signed_in_the_navigation_and_the_timer(as_user):
    for answer in (as_user("alice").get("/nowhere"), as_user("alice").submit("/")):
        assert answer.status_code in (404, 405)
        assert 'aria-label="Main"' in answer.text
        assert 'aria-label="Timer"' in answer.text


def test_a_method_that_a_page_does_not_take_gives_405_and_names_those_that_it_takes(client, read):
    answer = client.submit("/")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "Method Not Allowed" in read(answer.text)


def test_a_bug_gives_a_page_without_a_traceback_and_a_log_entry_with_one(app, as_user, read, caplog):
    @app.get("/bug")
    def bug():
        raise ZeroDivisionError("inner detail")

    with caplog.at_level(logging.ERROR):
        answer = as_user("alice").get("/bug")
    assert answer.status_code == 500
    assert "Internal Server Error" in read(answer.text)
    assert "inner detail" not in answer.text
    assert "Traceback" in caplog.text


def test_the_session_cookie_is_hidden_from_scripts_and_from_other_sites(app):
    @app.get("/remember")
    @public
    def remember():
        session["name"] = "alice"
        return "remembered"

    cookie = app.test_client().get("/remember").headers["Set-Cookie"]
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie


def test_the_secret_key_of_the_environment_comes_first(migrated):
    assert create_app({"DATABASE_URL": migrated.url, "SECRET_KEY": "ours"}).secret_key == "ours"


def test_else_the_secret_key_is_the_one_kept_in_the_database(migrated, capsys):
    [(kept,)] = migrated.query("SELECT value FROM app_secrets WHERE name = 'secret_key'")
    assert create_app({"DATABASE_URL": migrated.url}).secret_key == kept
    assert kept not in "".join(capsys.readouterr())


def test_a_missing_secret_key_is_reported_with_the_remedy(migrated):
    migrated.execute("DELETE FROM app_secrets")
    with pytest.raises(LookupError, match=r"set SECRET_KEY, or run `python runner\.py migrate`"):
        create_app({"DATABASE_URL": migrated.url})


def test_settings_that_cannot_be_used_are_refused():
    with pytest.raises(UsageError, match="PORT=http"):
        create_app({"DATABASE_URL": "postgresql:///none", "PORT": "http"})
