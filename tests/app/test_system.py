"""The system page, for administrators."""

import contextlib
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine

pytestmark = pytest.mark.only_pg("pg18")

NOON = datetime(2026, 3, 25, 12, tzinfo=UTC)


@pytest.fixture
def lines(as_user, read):
    """Return a function that gives the lines of the page as carol sees them."""
    carol = as_user("carol")

    def get() -> list[str]:
        answer = carol.get("/system")
        assert answer.status_code == 200
        return read(answer.text)

    return get


def test_members_do_not_see_it(as_user):
    assert as_user("alice").get("/system").status_code == 403
    assert as_user("alice").get("/system/chart/connections.svg").status_code == 403


def test_it_says_when_the_schema_was_verified_and_which_migrations_were_applied(lines, migrated):
    found = lines()
    assert any(line.startswith("Verified 20") and "is what version" in line for line in found)
    applied = [row[0] for row in migrated.query("SELECT migration_id FROM _yoyo_migration")]
    assert {line.split(" | ")[0] for line in found} >= set(applied)


def test_it_shows_what_differs_with_its_remedy(as_user, migrated):
    migrated.execute("DROP INDEX idx_time_entries_billable")
    html = as_user("carol").get("/system").text
    assert "index time_entries.idx_time_entries_billable" in html
    assert "python runner.py migrate puts it back" in html


def test_it_shows_the_size_of_the_database_and_of_its_tables(lines, migrated):
    migrated.execute(
        "INSERT INTO time_entries (start_time) SELECT '2026-03-02'::timestamp FROM generate_series(1, 2000);"
    )
    migrated.execute("ANALYZE time_entries")
    found = lines()
    assert any(line.startswith("Size | ") for line in found)
    assert any(line.startswith("Connections | ") and " of 50" in line for line in found)
    assert any(line.startswith("time_entries | 2,000 | ") for line in found)


def test_it_shows_what_an_adoption_found_and_what_is_left_to_decide_first(lines, migrated):
    assert "This database was made by TimeTracker itself, so nothing had to be adopted." in lines()
    migrated.execute(
        """
        INSERT INTO adoption_report (step, object, rows, detail)
        VALUES ('done', 'table users', 3, 'renamed'), ('to decide', 'table projects', 2, 'called <b>twice</b>')
        """
    )
    found = lines()
    assert found.index("to decide | table projects | 2 | called <b>twice</b>") < found.index(
        "done | table users | 3 | renamed"
    )


def test_it_says_how_to_count_statements_where_nobody_does(lines):
    assert any("pg_stat_statements" in line for line in lines())


def test_an_extension_that_no_library_serves_is_as_if_nobody_counted(lines, migrated):
    with contextlib.closing(migrated.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION pg_stat_statements")
    assert any(line.startswith("Nobody counts them.") for line in lines())


def test_the_figures_of_the_days_are_drawn(as_user, migrated):
    migrated.execute(
        """
        INSERT INTO analytics (day, metric, value)
        SELECT current_date - n, 'connections', n FROM generate_series(0, 9) AS n
        """
    )
    carol = as_user("carol")
    assert 'src="/system/chart/connections.svg"' in carol.get("/system").text
    answer = carol.get("/system/chart/connections.svg")
    assert answer.content_type.startswith("image/svg+xml")
    assert answer.data.count(b"<svg") == 1
    assert carol.get("/system/chart/nothing.svg").status_code == 404


def test_a_table_that_is_among_the_biggest_on_some_days_only_is_drawn_with_the_last_of_them(as_user, migrated, read):
    migrated.execute(
        """
        INSERT INTO analytics (day, metric, value)
        SELECT date '2026-03-25' - n, 'size of time_entries in bytes', 3145728 + n FROM generate_series(0, 9) AS n
        UNION ALL SELECT '2026-03-20', 'size of its/own in bytes', 2097152
        """
    )
    with time_machine.travel(NOON, tick=False):
        carol = as_user("carol")
        html = carol.get("/system").text
        charts = [carol.get(unescape(address)) for address in re.findall(r'src="(/system/chart/size[^"]*)"', html)]
    captions = [" ".join(caption.split()) for caption in re.findall(r"<figcaption>(.*?)</figcaption>", html, re.DOTALL)]
    assert captions[0] == "Size of its/own: 2.0 MiB on 2026-03-20"
    assert "Size of time_entries: 3.0 MiB" in captions
    assert {chart.data.count(b"<svg") for chart in charts} == {1}


class TestFiguresOfTheDay:
    def figures(self, migrated) -> dict:
        return {
            (str(day), metric): float(value)
            for day, metric, value in migrated.query("SELECT day, metric, value FROM analytics")
        }

    def test_the_first_request_of_a_utc_day_keeps_them_once(self, as_user, migrated):
        with time_machine.travel(NOON, tick=False) as clock:
            alice = as_user("alice")
            migrated.execute(
                """
                INSERT INTO time_entries (user_id, start_time, end_time)
                VALUES (1, '2026-03-24 09:00', '2026-03-24 10:00'), (1, '2026-03-24 23:30', '2026-03-25 01:00'),
                    (2, '2026-03-24 00:00', '2026-03-24 01:00'), (2, '2026-03-25 00:00', '2026-03-25 01:00')
                """
            )
            alice.get("/profile")
            first = self.figures(migrated)
            assert first["2026-03-25", "time entries of the day before"] == 3
            assert first["2026-03-25", "people who tracked time the day before"] == 2
            assert first["2026-03-25", "database size in bytes"] > 1_000_000
            sizes = {metric: value for (_, metric), value in first.items() if metric.startswith("size of ")}
            assert len(sizes) == 5
            assert sizes["size of time_entries in bytes"] > 8192
            migrated.execute("INSERT INTO time_entries (user_id, start_time) VALUES (3, '2026-03-24 12:00')")
            alice.get("/profile")
            assert self.figures(migrated) == first
            clock.shift(timedelta(hours=12))
            alice.get("/profile")
            assert {day for day, _ in self.figures(migrated)} == {"2026-03-25", "2026-03-26"}

    def test_a_worker_sees_to_a_day_once(self, count_statements, as_user):
        with time_machine.travel(NOON, tick=False):
            alice = as_user("alice")
            alice.get("/profile")
            with count_statements() as sent:
                alice.get("/profile")
        assert sent and not [statement for statement in sent if "INTO analytics" in statement]

    def test_the_longest_name_of_a_table_fits(self, as_user, migrated):
        name = "a" * 63
        migrated.execute(f"CREATE TABLE {name} AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
        as_user("alice").get("/profile")
        assert f"size of {name} in bytes" in {metric for _, metric in self.figures(migrated)}

    def test_another_worker_finds_them_kept(self, app, as_user, migrated):
        from app import create_app

        with time_machine.travel(NOON, tick=False):
            as_user("alice").get("/profile")
            migrated.execute("UPDATE analytics SET value = -1")
            other = create_app({"DATABASE_URL": migrated.url})
            browser = as_user("alice")
            cookie = browser.get_cookie("session").value
            client = other.test_client()
            client.set_cookie("session", cookie)
            assert client.get("/profile").status_code == 200
            assert set(self.figures(migrated).values()) == {-1}

    def test_allow_analytics_switches_them_off(self, as_user, migrated):
        migrated.execute("UPDATE settings SET allow_analytics = false")
        as_user("alice").get("/profile")
        assert self.figures(migrated) == {}

    def test_neither_who_is_not_signed_in_nor_a_page_that_is_refused_keeps_any(self, client, as_user, migrated):
        client.get("/sign-in")
        client.get("/healthz")
        assert as_user("alice").get("/people").status_code == 403
        assert self.figures(migrated) == {}
