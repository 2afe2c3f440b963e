"""The export: the entries as they are, streamed, and harmless in a spreadsheet."""

import contextlib
import csv
import http.client
import io
import tracemalloc
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import time_machine
from installation import wait_for

from app import create_app, csv_export
from app.queries import sessions

pytestmark = pytest.mark.only_pg("pg18")


def table(answer, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""), delimiter=delimiter))


@pytest.fixture
def rome(migrated):
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")


def insert(migrated, user_id, start, end, credited, notes=None, tags=None) -> None:
    migrated.execute(
        "INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds, notes, tags)"
        " VALUES (%s, 1, %s, %s, %s, %s, %s)",
        user_id, start, end, credited, notes, tags,
    )  # fmt: skip


def fill(migrated, user_id: int, count: int) -> None:
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, start_time, end_time, duration_seconds, notes)
        SELECT %s, timestamp '2026-03-01' + n * interval '1 second', '2026-04-01', 60, repeat('x', 200)
        FROM generate_series(1, %s) AS n
        """,
        user_id,
        count,
    )


def states(database) -> list[str]:
    """What the connections of the app are at; the one that read its secret key may take a moment to end."""
    return [
        state
        for (state,) in database.query(
            "SELECT state FROM pg_stat_activity WHERE datname = %s AND application_name = 'timetracker'",
            database.name,
            user="postgres",
        )
    ]


def test_times_are_local_with_their_offset_raw_and_credited(as_user, cast, migrated, rome):
    insert(migrated, cast["alice"], "2026-03-28 22:30", "2026-03-29 02:37:10", 15300, "Über Nacht\nzwei Zeilen", "a, b")
    insert(migrated, cast["alice"], "2026-03-29 08:00", "2026-03-29 09:00", None)
    insert(migrated, cast["alice"], "2026-03-29 10:00", None, None)
    insert(migrated, cast["bob"], "2026-03-29 10:00", None, None)
    with time_machine.travel(datetime(2026, 3, 29, 10, 15, 29), tick=False):
        answer = as_user("alice").get("/reports.csv?from=2026-03-28&to=2026-03-29")
        report = as_user("alice").get("/reports?from=2026-03-28&to=2026-03-29&rows=none").text
    night, morning, running = table(answer)
    del night["id"]
    assert night == {
        "user": "alice",
        "project": "General",
        "client": "Default Client",
        "task": "",
        "notes": "Über Nacht\nzwei Zeilen",
        "tags": "a, b",
        "billable": "yes",
        "start": "2026-03-28T23:30:00+01:00",
        "end": "2026-03-29T04:37:10+02:00",
        "raw_seconds": "14830",
        "raw": "4:07",
        "credited_seconds": "15300",
        "credited": "4:15",
    }
    assert (morning["raw_seconds"], morning["credited_seconds"], morning["credited"]) == ("3600", "3600", "1:00")
    assert (running["end"], running["raw_seconds"], running["credited"]) == ("", "929", "0:15")
    assert "5:30" in report  # 4:15 + 1:00 + 0:15: the file and the page agree


def test_the_file_opens_in_excel(as_user, cast, migrated):
    insert(migrated, cast["alice"], "2026-03-02 08:00", "2026-03-02 09:00", 3600)
    answer = as_user("alice").get("/reports.csv?from=2026-03-01&to=2026-03-31")
    assert answer.data.startswith(b'\xef\xbb\xbf"id","user",')
    assert answer.data.count(b"\r\n") == answer.data.count(b"\n") == 2
    assert answer.mimetype == "text/csv" and answer.headers["Content-Type"].endswith("charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="timetracker-2026-03-01-to-2026-03-31.csv"'
    answer = as_user("alice").get("/reports.csv?from=2026-03-01&to=2026-03-01")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="timetracker-2026-03-01.csv"'


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_the_delimiter_is_the_one_of_the_settings(as_user, cast, migrated, delimiter):
    migrated.execute("UPDATE settings SET export_delimiter = %s", delimiter)
    insert(migrated, cast["alice"], "2026-03-02 08:00", "2026-03-02 09:00", 3600, 'say "a;b,c|d\te"', "x")
    [row] = table(as_user("alice").get("/reports.csv?from=2026-03-02&to=2026-03-02"), delimiter)
    assert row["notes"] == 'say "a;b,c|d\te"'


@pytest.mark.parametrize("delimiter", ['"', "\n", "", "1", "-"])
def test_a_delimiter_that_would_spoil_the_file_becomes_a_comma(delimiter):
    file = b"".join(csv_export.pieces([], delimiter, None, None))
    assert file.startswith('\ufeff"id","user"'.encode())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "- 1", "@SUM(A1)", "\t1", "\r1", "\n1", "＝1"])  # noqa: RUF001
def test_no_cell_begins_a_formula(as_user, cast, migrated, text):
    migrated.execute("UPDATE users SET username = %s WHERE username = 'alice'", text)
    migrated.execute("UPDATE projects SET name = %s, client = %s WHERE id = 1", text, text)
    insert(migrated, cast["alice"], "2026-03-02 08:00", "2026-03-02 07:00", None, text, text)
    [row] = table(as_user("alice").get("/reports.csv?from=2026-03-02&to=2026-03-02"))
    assert row["user"] == row["project"] == row["notes"] == row["tags"] == f"'{text}"
    assert row["client"].startswith("'")
    assert row["raw"] == "'-1:00" and row["credited"] == "0:00"
    assert csv_export.harmless("a=b") == "a=b"


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_no_cell_begins_a_formula_where_another_delimiter_is_expected(as_user, cast, migrated, delimiter):
    notes = f"see{delimiter}=HYPERLINK(A1){delimiter}-1+cmd\n@SUM(A1)\n- a list\n- of dashes"
    insert(migrated, cast["alice"], "2026-03-02 08:00", "2026-03-02 09:00", 3600, notes, "x")
    file = as_user("alice").get("/reports.csv?from=2026-03-02&to=2026-03-02").data.decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(file, newline=""), delimiter=delimiter) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not any(cell.startswith(csv_export.FORMULA_SIGNS) for cell in cells if not cell.startswith("- "))
    assert "\n- a list\n- of dashes" in file


def test_an_export_of_any_length_takes_no_more_memory_and_leaves_no_transaction(as_user, cast, migrated):
    fill(migrated, cast["alice"], 30_000)
    browser = as_user("alice")
    browser.get("/reports.csv?from=2026-02-28&to=2026-02-28")
    tracemalloc.start()
    try:
        answer = browser.get("/reports.csv?from=2026-03-01&to=2026-03-31", buffered=False)
        length = sum(len(piece) for piece in answer.response)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    answer.close()
    assert length > 9_000_000
    assert peak < 4_000_000
    wait_for(lambda: states(migrated) == ["idle"])


def test_who_goes_away_halfway_leaves_a_connection_that_serves_on(as_user, cast, migrated):
    fill(migrated, cast["alice"], 5000)
    browser = as_user("alice")
    answer = browser.get("/reports.csv?from=2026-03-01&to=2026-03-31", buffered=False)
    next(iter(answer.response))
    next(iter(answer.response))
    wait_for(lambda: states(migrated) == ["idle in transaction"])
    answer.close()
    assert states(migrated) == ["idle"]
    assert browser.get("/reports").status_code == 200
    assert browser.head("/reports.csv").status_code == 200
    assert states(migrated) == ["idle"]


def test_a_database_that_goes_away_halfway_breaks_the_file_off_and_nothing_else(as_user, cast, migrated):
    fill(migrated, cast["alice"], 5000)
    browser = as_user("alice")
    answer = browser.get("/reports.csv?from=2026-03-01&to=2026-03-31", buffered=False)
    next(iter(answer.response))
    migrated.query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = %s AND application_name = 'timetracker'",
        migrated.name,
        user="postgres",
    )
    with pytest.raises(Exception, match=r"terminat|closed"):
        b"".join(answer.response)
    answer.close()
    assert browser.get("/reports").status_code == 200


def test_gunicorn_serves_on_after_a_download_was_broken_off(serve, migrated, cast):
    fill(migrated, cast["alice"], 30_000)
    served = serve(migrated.url, SECRET_KEY="k", WEB_CONCURRENCY="1")
    app = create_app({"DATABASE_URL": migrated.url, "SECRET_KEY": "k"})
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        token = sessions.begin(cursor, cast["alice"], datetime.now(UTC).replace(tzinfo=None), "a test", "127.0.0.1")
    cookie = app.session_interface.get_signing_serializer(app).dumps({"_user_id": token, "_permanent": True})
    place = urlsplit(served.url)
    for _ in range(5):
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        connection.request("GET", "/reports.csv?from=2026-03-01&to=2026-03-31", headers={"Cookie": f"session={cookie}"})
        assert connection.getresponse().read(1000).startswith(b"\xef\xbb\xbf")
        connection.close()
    wait_for(lambda: set(states(migrated)) == {"idle"})
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    connection.request("GET", "/reports.csv?from=2026-03-01&to=2026-03-31", headers={"Cookie": f"session={cookie}"})
    assert connection.getresponse().read().count(b"\r\n") == 30_001
    connection.close()
