"""Connections of the app: in UTC, one for each thread, replaced when they break."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg2
import pytest
from installation import wait_for

from app import create_app, db
from app.security import public


@pytest.fixture
def ask(app):
    """Return a function that asks one question in a request of its own."""

    def query(sql: str) -> list[tuple]:
        with app.test_request_context():
            cursor = db.cursor()
            cursor.execute(sql)
            return cursor.fetchall()

    return query


@pytest.fixture
def answer_with(app):
    """Return a function that asks a question from a page, and gives the answer to the browser."""

    def get(sql: str):
        @public
        def view():
            cursor = db.cursor()
            cursor.execute(sql)
            return str(cursor.fetchall())

        app.add_url_rule("/asked", view_func=view)
        return app.test_client().get("/asked")

    return get


def backends(database, name: str = "timetracker") -> list[tuple[int, str]]:
    return database.query(
        "SELECT pid, state FROM pg_stat_activity WHERE datname = %s AND application_name = %s",
        database.name,
        name,
        user="postgres",
    )


def test_no_connection_is_made_before_a_request_needs_one(migrated):
    app = create_app({"DATABASE_URL": migrated.url, "SECRET_KEY": "k"})
    app.test_client().get("/healthz")
    assert backends(migrated) == []


def test_sessions_are_in_utc_whatever_the_database_prefers(ask, migrated):
    migrated.execute(f"ALTER DATABASE {migrated.name} SET timezone = 'Europe/Rome'", user="postgres")
    assert ask("SHOW TimeZone") == [("UTC",)]


def test_a_thread_keeps_its_connection_and_leaves_no_transaction_open(ask, migrated):
    [(first,)] = ask("SELECT pg_backend_pid()")
    assert ask("SELECT pg_backend_pid()") == [(first,)]
    wait_for(lambda: backends(migrated) == [(first, "idle")])  # the one that read the secret key may still be ending


def test_threads_do_not_share_a_connection(ask):
    at_once = Barrier(3)

    def ask_beside_the_others(sql: str) -> list[tuple]:
        at_once.wait()
        return ask(sql)

    with ThreadPoolExecutor(3) as pool:
        asked = list(pool.map(ask_beside_the_others, ["SELECT pg_backend_pid()"] * 3))
    assert len({pid for [(pid,)] in asked}) == 3


def test_the_statements_of_a_request_see_one_snapshot(app, migrated):
    with app.test_request_context():
        cursor = db.cursor()
        cursor.execute("SELECT count(*) FROM users")
        before = cursor.fetchone()
        migrated.execute("INSERT INTO users (username) VALUES ('alice')")
        cursor.execute("SELECT count(*) FROM users")
        assert cursor.fetchone() == before


def test_showing_a_page_cannot_change_anything(ask, migrated):
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        ask("INSERT INTO users (username) VALUES ('alice') RETURNING id")


def test_a_connection_that_broke_between_two_requests_is_replaced_unseen(client, migrated):
    assert client.get("/sign-in").status_code == 200
    wait_for(lambda: len(backends(migrated)) == 1)  # the one that read the secret key may still be ending
    [(pid, _)] = backends(migrated)
    migrated.query("SELECT pg_terminate_backend(%s, 5000)", pid, user="postgres")
    assert client.get("/sign-in").status_code == 200
    assert pid not in dict(backends(migrated))


def test_a_connection_that_breaks_halfway_gives_503_and_the_next_request_is_well(answer_with, client):
    answer = answer_with("SELECT pg_terminate_backend(pg_backend_pid())")
    assert answer.status_code == 503
    assert "The database cannot be reached" in answer.text
    assert client.get("/sign-in").status_code == 200


def test_an_ordinary_database_error_gives_500_and_keeps_the_connection(answer_with, ask):
    [(pid,)] = ask("SELECT pg_backend_pid()")
    answer = answer_with("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)")
    assert answer.status_code == 500
    assert ask("SELECT pg_backend_pid()") == [(pid,)]


def test_a_character_that_the_database_does_not_know_is_told_and_is_no_bug(answer_with, ask):
    [(pid,)] = ask("SELECT pg_backend_pid()")
    answer = answer_with("SELECT convert('€', 'UTF8', 'LATIN1')")
    assert answer.status_code == 422
    assert "does not know one of the characters" in answer.text
    assert ask("SELECT pg_backend_pid()") == [(pid,)]


def test_while_the_database_is_away_pages_say_so(client, migrated, close_database, read):
    client.get("/sign-in")
    with close_database(migrated):
        answer = client.get("/sign-in")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "Service Unavailable" in read(answer.text)
        assert any(line.startswith("The database cannot be reached.") for line in read(answer.text))
    assert client.get("/sign-in").status_code == 200


class TestAChange:
    def test_is_committed_at_its_end_and_read_after_it(self, app, migrated):
        with app.test_request_context():
            db.cursor().execute("SELECT 1")
            with db.change() as cursor:
                cursor.execute("INSERT INTO projects (name, client) VALUES ('Relaunch', 'Acme')")
            cursor = db.cursor()
            cursor.execute("SELECT name FROM projects ORDER BY id")
            assert cursor.fetchall() == [("General",), ("Relaunch",)]
        assert migrated.query("SELECT count(*) FROM projects") == [(2,)]

    def test_is_rolled_back_by_an_exception(self, app, migrated):
        with app.test_request_context():
            with pytest.raises(ZeroDivisionError), db.change() as cursor:
                cursor.execute("DELETE FROM projects")
                raise ZeroDivisionError
            db.cursor().execute("SELECT 1")
        assert migrated.query("SELECT count(*) FROM projects") == [(1,)]

    def test_is_what_is_read_within_it(self, app, migrated):
        with app.test_request_context(), db.change() as cursor:
            cursor.execute("INSERT INTO projects (name, client) VALUES ('Relaunch', 'Acme')")
            reading = db.cursor()
            reading.execute("SELECT count(*), current_setting('transaction_isolation') FROM projects")
            assert reading.fetchone() == (2, "read committed")

    def test_whose_connection_breaks_says_that_the_database_is_away(self, app, migrated):
        with app.test_request_context(), pytest.raises(db.DatabaseAwayError), db.change() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            migrated.query("SELECT pg_terminate_backend(%s, 5000)", cursor.fetchone()[0], user="postgres")
            cursor.execute("DELETE FROM projects")
        assert migrated.query("SELECT count(*) FROM projects") == [(1,)]
