"""Whether the process lives, and whether it can serve."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from app import readiness


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that a test moves by hand."""
    moved = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(readiness.time, "monotonic", lambda: moved.seconds)
    return moved


def test_healthz_answers_without_a_database(away_app):
    answer = away_app.test_client().get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_readyz_is_ready_on_a_verified_schema(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["ready"] is True
    assert answer.json["schema"] == "public"
    assert answer.json["verified_at"].endswith("+00:00")


def test_readyz_names_the_schema_in_use(client, migrated):
    migrated.execute("ALTER SCHEMA public RENAME TO tracking", user="postgres")
    migrated.execute(f"ALTER DATABASE {migrated.name} SET search_path = tracking", user="postgres")
    assert client.get("/readyz").json["schema"] == "tracking"


def test_readyz_reports_a_table_dropped_while_serving_within_30_seconds(client, migrated, clock):
    assert client.get("/readyz").status_code == 200
    migrated.execute("DROP TABLE invoice_items")
    clock.seconds += 30
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["ready"] is False
    assert "the schema differs" in answer.json["reason"]
    [difference] = [found for found in answer.json["differences"] if found["object"] == "table invoice_items"]
    assert difference["kind"] == "missing"
    assert difference["remedy"]


def test_readyz_lists_the_first_errors_only(client, migrated):
    migrated.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION owner", user="postgres")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert len(answer.json["differences"]) == 5


def test_readyz_stays_ready_with_a_missing_index(client, migrated):
    migrated.execute("DROP INDEX idx_time_entries_user_id")
    assert client.get("/readyz").status_code == 200


def test_readyz_is_ready_again_after_the_repair(client, migrated, clock):
    migrated.execute("ALTER TABLE analytics RENAME TO elsewhere")
    assert client.get("/readyz").status_code == 503
    migrated.execute("ALTER TABLE elsewhere RENAME TO analytics")
    clock.seconds += 30
    assert client.get("/readyz").status_code == 200


def test_the_catalog_is_read_at_most_every_30_seconds(client, migrated, clock):
    first = client.get("/readyz").json
    migrated.execute("DROP TABLE invoice_items")
    clock.seconds += 29.9
    assert client.get("/readyz").json == first


def test_only_one_request_at_a_time_reads_the_catalog(app, monkeypatch):
    readings = []

    def slow_verify(connection):
        readings.append(threading.get_ident())
        time.sleep(0.2)
        return verify(connection)

    verify = readiness.verify
    monkeypatch.setattr(readiness, "verify", slow_verify)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: app.test_client().get("/readyz").status_code, range(4)))
    assert answers == [200, 200, 200, 200]
    assert len(readings) == 1


def test_readyz_notices_an_outage_at_once_and_its_end_too(client, migrated, close_database):
    assert client.get("/readyz").status_code == 200
    with close_database(migrated):
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json == {"ready": False, "reason": "the database cannot be reached or read; the log says why"}
    assert client.get("/readyz").status_code == 200


def test_readyz_reports_tables_in_two_schemas(client, migrated):
    migrated.execute("CREATE SCHEMA other; CREATE TABLE other.users (id INTEGER)")
    migrated.execute(f"ALTER DATABASE {migrated.name} SET search_path = public, other", user="postgres")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "other and public" in answer.json["reason"] or "public and other" in answer.json["reason"]


def test_no_answer_and_no_log_line_contains_the_password(away_app, capsys):
    client = away_app.test_client()
    answers = [client.get(path).text for path in ("/readyz", "/", "/healthz")]
    output = capsys.readouterr()
    assert "Connection refused" in output.err
    for text in (*answers, output.out, output.err):
        assert "hidden-word" not in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_no_cache_keeps_the_answer(client, path):
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_readyz_is_not_ready_where_the_role_may_not_use_the_rows(client, migrated):
    migrated.execute("REVOKE UPDATE ON time_entries FROM owner")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["reason"] == "the role may not read and write time_entries"


def test_readyz_is_not_ready_where_the_role_may_not_use_the_rows_of_its_pages(client, migrated):
    tables = (
        "company_logo, deleted_time_entries, display_preferences, sign_in_credentials, sign_in_failures,"
        " sign_in_invitations, sign_in_sessions, submitted_forms"
    )
    migrated.execute(f"REVOKE DELETE ON {tables} FROM owner")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["ready"] is False
    assert answer.json["reason"] == f"the role may not read and write {tables}"
