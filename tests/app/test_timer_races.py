"""What happens at the same moment: starts, stops and double clicks on connections of their own."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest

pytestmark = pytest.mark.only_pg("pg18")


@pytest.fixture
def at_once(as_user) -> Callable[..., list[Any]]:
    """Return a function that sends forms of alice at once, each in a browser and a thread of its own."""

    def send(path: str, forms: list[dict[str, object]]) -> list[int]:
        browsers = [as_user("alice") for _ in forms]
        ready = Barrier(len(forms))

        def one(browser, form):
            browser.get("/week")  # the thread has its connection now
            ready.wait()
            return browser.submit(path, form).status_code

        with ThreadPoolExecutor(len(forms)) as pool:
            return list(pool.map(one, browsers, forms))

    return send


@pytest.mark.parametrize("tabs", [2, 20])
def test_tabs_that_start_at_once_leave_one_running_timer(at_once, migrated, tabs):
    forms = [{"token": str(uuid.uuid4()), "notes": str(number)} for number in range(tabs)]
    assert at_once("/timer/start", forms) == [303] * tabs
    rows = migrated.query("SELECT start_time, end_time FROM time_entries ORDER BY start_time, end_time NULLS LAST")
    assert len(rows) == tabs
    assert [end for _, end in rows].count(None) == 1 and rows[-1][1] is None
    assert all(start < end for start, end in rows[:-1])
    assert all(end == start for (_, end), (start, _) in pairwise(rows)), "no gap and no overlap"


@pytest.mark.parametrize("tabs", [2, 20])
def test_without_the_single_timer_as_many_run_as_were_started(at_once, migrated, tabs):
    migrated.execute("UPDATE settings SET single_active_timer = false")
    forms = [{"token": str(uuid.uuid4())} for _ in range(tabs)]
    assert at_once("/timer/start", forms) == [303] * tabs
    assert migrated.query("SELECT count(*) FROM time_entries WHERE end_time IS NULL") == [(tabs,)]


@pytest.mark.parametrize("is_single", [True, False])
def test_a_double_click_makes_one_entry(at_once, migrated, is_single):
    migrated.execute("UPDATE settings SET single_active_timer = %s", is_single)
    assert at_once("/timer/start", [{"token": str(uuid.uuid4())}] * 5) == [303] * 5
    assert migrated.query("SELECT count(*), count(end_time) FROM time_entries") == [(1, 0)]


def test_of_two_tabs_that_stop_at_once_one_stops_and_the_other_hears_of_it(at_once, migrated, cast):
    start = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    migrated.execute("INSERT INTO time_entries (user_id, start_time) VALUES (%s, %s)", cast["alice"], start)
    [(number,)] = migrated.query("SELECT id FROM time_entries")
    forms = [{"token": str(uuid.uuid4()), "entry": number} for _ in range(2)]
    assert sorted(at_once("/timer/stop", forms)) == [303, 409]
    assert migrated.query("SELECT count(*), count(end_time) FROM time_entries") == [(1, 1)]


def test_a_stop_that_meets_a_switch_leaves_the_new_timer_running(at_once, as_user, migrated, cast):
    start = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    migrated.execute("INSERT INTO time_entries (user_id, start_time) VALUES (%s, %s)", cast["alice"], start)
    [(number,)] = migrated.query("SELECT id FROM time_entries")
    tabs = [as_user("alice") for _ in range(2)]
    sent = [
        ("/timer/stop", {"token": str(uuid.uuid4()), "entry": number}),
        ("/timer/start", {"token": str(uuid.uuid4()), "notes": "New"}),
    ]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda tab, form: tab.submit(*form).status_code, tabs, sent))
    assert answers[0] in (303, 409) and answers[1] == 303
    assert migrated.query("SELECT notes, end_time IS NULL FROM time_entries ORDER BY id") == [
        (None, False),
        ("New", True),
    ]


def test_forms_of_the_day_before_yesterday_are_forgotten(as_user, migrated, cast):
    migrated.execute(
        "INSERT INTO submitted_forms (token, user_id, submitted_at) "
        "SELECT gen_random_uuid(), %s, timezone('utc', now()) - make_interval(hours => number) "
        "FROM generate_series(0, 47, 12) AS number",
        cast["alice"],
    )
    as_user("alice").submit("/timer/start", {"token": str(uuid.uuid4())})
    assert migrated.query("SELECT count(*) FROM submitted_forms") == [(3,)]
