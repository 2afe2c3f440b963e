"""Figures for Prometheus."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from installation import wait_for

from app import create_app

pytestmark = pytest.mark.only_pg("pg18")


def figure(text: str, name: str) -> float:
    """Return the figure called `name`, labels included."""
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


def test_it_tells_of_the_database_and_the_schema(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert figure(answer.text, "timetracker_database_up") == 1
    assert figure(answer.text, "timetracker_schema_verified") == 1
    assert figure(answer.text, "timetracker_migrations_applied") >= 40
    assert figure(answer.text, "timetracker_database_bytes") > 1_000_000


def test_without_a_database_it_says_so_and_still_answers(away_app):
    answer = away_app.test_client().get("/metrics")
    assert answer.status_code == 200
    assert figure(answer.text, "timetracker_database_up") == 0


@pytest.mark.parametrize(
    "request_",
    [
        {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
        *({"headers": {name: "127.0.0.1"}} for name in ("X-Forwarded-For", "X-Forwarded-Host", "Via")),
    ],
    ids=str,
)
def test_only_this_machine_may_ask_and_not_through_a_proxy(client, request_):
    assert client.get("/metrics", **request_).status_code == 404


def test_with_a_token_only_the_token_counts(migrated):
    client = create_app({"DATABASE_URL": migrated.url, "METRICS_TOKEN": "a secret word"}).test_client()
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    right = {"Authorization": "Bearer a secret word"}
    assert client.get("/metrics", headers=right, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_requests_are_counted_across_workers_and_forgotten_with_the_worker_that_had_them(serve, migrated):
    served = serve(migrated.url, WEB_CONCURRENCY="3")
    served.workers(3)
    with ThreadPoolExecutor(12) as pool:
        assert {status for status, _ in pool.map(served.get, ["/readyz"] * 60)} == {200}
    text = served.get("/metrics")[1]
    assert figure(text, 'timetracker_requests_total{endpoint="health.ready",method="GET",status="200"}') == 60
    assert figure(text, 'timetracker_request_seconds_count{endpoint="health.ready"}') == 60
    assert figure(text, "timetracker_requests_in_progress") == 1  # this one
    held = figure(text, "timetracker_database_connections")
    assert 1 <= held <= 12
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    # The answer itself may have opened one, and the one by which the app was loaded may take a moment to end.
    wait_for(lambda: abs(migrated.query(ours)[0][0] - held) <= 1)


def folder_of_figures(served) -> Path:
    """Return the folder in which the one worker of a Gunicorn keeps its figures."""
    (worker,) = served.workers(1)
    served.get("/readyz")
    maps = Path(f"/proc/{worker}/maps").read_text()
    (folder,) = {Path(path).parent for path in re.findall(r"(/\S+/timetracker-figures-\S+)", maps)}
    return folder


def test_a_reload_keeps_the_folder_of_the_figures_and_the_end_takes_it_away(serve, migrated):
    served = serve(migrated.url, WEB_CONCURRENCY="1")
    before, workers = folder_of_figures(served), served.workers(1)
    served.process.send_signal(signal.SIGHUP)
    wait_for(lambda: served.workers(1) != workers)
    assert folder_of_figures(served) == before
    served.stop()
    assert not before.exists()


def test_the_next_start_takes_away_what_a_killed_one_left_and_no_other(serve, migrated):
    killed, living = (serve(migrated.url, WEB_CONCURRENCY="1") for _ in range(2))
    left, kept = folder_of_figures(killed), folder_of_figures(living)
    (worker,) = killed.workers(1)
    killed.process.kill()
    killed.process.wait()
    wait_for(lambda: not Path(f"/proc/{worker}").exists())  # it sees that its master is gone
    served = serve(migrated.url, WEB_CONCURRENCY="1")  # or another test's start, a moment sooner
    wait_for(lambda: not left.exists(), 5)  # the other start may be at it
    assert folder_of_figures(living) == kept and kept.exists()
    assert folder_of_figures(served).exists()


def test_addresses_and_methods_that_somebody_makes_up_do_not_make_figures(client):
    client.get("/made-up-1")
    client.open("/made-up-2", method="BREW")
    text = client.get("/metrics").text
    assert "made-up" not in text and "BREW" not in text
