"""What somebody else does between the look at a row and the change of it: on connections of their own."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from blocking import SOMEBODY_WAITS
from werkzeug.test import TestResponse

pytestmark = pytest.mark.only_pg("pg18")

DAY = {"day": "2026-03-11", "start": "09:00", "end": "10:00"}


@pytest.fixture
def work(migrated, cast) -> None:
    """Project 11 with task 21, and project 12 without any."""
    migrated.execute("INSERT INTO projects (id, name, client) VALUES (11, 'Website', 'Acme'), (12, 'Shop', 'Acme')")
    migrated.execute(
        "INSERT INTO tasks (id, project_id, name, status, priority, created_by) "
        "VALUES (21, 11, 'Texts', 'pending', 'medium', %s)",
        cast["alice"],
    )


@pytest.fixture
def during(as_user, migrated) -> Callable[..., TestResponse]:
    """Return a function that sends a form of alice while somebody else's statements are made, but not committed.

    They are committed when the form waits for them, or has been answered already.
    """

    def send(path: str, form: dict[str, object], *statements: str) -> TestResponse:
        alice = as_user("alice")
        with contextlib.closing(migrated.connect()) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as pool:
            cursor.execute("BEGIN")
            for statement in statements:
                cursor.execute(statement)
            answer = pool.submit(alice.submit, path, form)
            while not answer.done() and not migrated.query(SOMEBODY_WAITS):
                time.sleep(0.01)
            cursor.execute("COMMIT")
            return answer.result()

    return send


def run_entry(migrated, cast, start: str, end: str | None = None) -> int:
    migrated.execute(
        "INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds) "
        "VALUES (%s, 11, %s::timestamp, %s::timestamp, extract(epoch FROM %s::timestamp - %s::timestamp))",
        cast["alice"], start, end, end, start,
    )  # fmt: skip
    return migrated.query("SELECT max(id) FROM time_entries")[0][0]


def test_a_timer_whose_start_is_moved_while_it_stops_is_credited_from_its_new_start(during, migrated, cast, work):
    now = migrated.query("SELECT date_trunc('second', timezone('utc', now()))")[0][0]
    entry = run_entry(migrated, cast, str(now))
    answer = during(
        "/timer/stop", {"entry": entry},
        f"UPDATE time_entries SET start_time = start_time - interval '1 hour' WHERE id = {entry}",
    )  # fmt: skip
    assert answer.status_code == 303
    [(raw, credited)] = migrated.query(
        "SELECT extract(epoch FROM end_time - start_time)::int, duration_seconds FROM time_entries"
    )
    assert raw >= 3600 and abs(raw - credited) <= 60


def test_a_cell_whose_entry_is_moved_meanwhile_is_not_written_over(during, migrated, cast, work):
    entry = run_entry(migrated, cast, "2026-03-11 09:00", "2026-03-11 10:00")
    answer = during(
        "/week/2026-03-09", {"cell-11-0-2": "2:00", "was-cell-11-0-2": "60"},
        f"UPDATE time_entries SET start_time = '2026-03-11 06:00', duration_seconds = 14400 WHERE id = {entry}",
    )  # fmt: skip
    assert answer.status_code == 409
    assert migrated.query("SELECT start_time, end_time, duration_seconds FROM time_entries") == [
        (datetime(2026, 3, 11, 6), datetime(2026, 3, 11, 10), 14400)
    ]


def test_a_cell_whose_entry_is_deleted_meanwhile_says_so(during, migrated, cast, work):
    entry = run_entry(migrated, cast, "2026-03-11 09:00", "2026-03-11 10:00")
    answer = during(
        "/week/2026-03-09", {"cell-11-0-2": "2:00", "was-cell-11-0-2": "60"},
        f"DELETE FROM time_entries WHERE id = {entry}",
    )  # fmt: skip
    assert answer.status_code == 409
    assert "It was emptied meanwhile. Type it once more if you mean it." in answer.text
    assert migrated.query("SELECT * FROM time_entries") == []


@pytest.mark.parametrize(
    "path, form",
    [
        ("/timer/start", {"project": "12"}),
        ("/week/2026-03-09", {"cell-12-0-2": "2:00", "was-cell-12-0-2": ""}),
        ("/entries", DAY | {"project": "12"}),
    ],
)
def test_a_project_that_is_deleted_meanwhile_is_no_choice(during, migrated, work, path, form):
    answer = during(path, form, "DELETE FROM projects WHERE id = 12")
    assert answer.status_code in (409, 422)
    assert migrated.query("SELECT FROM time_entries") == []


@pytest.mark.parametrize(
    "path, form",
    [
        ("/timer/start", {"project": "11", "task": "21"}),
        ("/week/2026-03-09", {"cell-11-21-2": "2:00", "was-cell-11-21-2": ""}),
        ("/entries", DAY | {"project": "11", "task": "21"}),
    ],
)
def test_a_task_that_moves_to_another_project_meanwhile_takes_no_time_of_the_old_one(
    during, migrated, work, path, form
):
    answer = during(
        path, form, "SELECT FROM tasks WHERE id = 21 FOR UPDATE", "UPDATE tasks SET project_id = 12 WHERE id = 21"
    )
    assert answer.status_code in (409, 422)
    assert migrated.query("SELECT FROM time_entries") == []
