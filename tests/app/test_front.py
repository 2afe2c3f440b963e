"""The front page as people see it."""

from datetime import UTC, datetime

import pytest

from app.views import front

pytestmark = pytest.mark.only_pg("pg18")

NOW = datetime(2026, 3, 25, 13, tzinfo=UTC)  # a Wednesday; 14:00 in Rome


class StoppedClock(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW.astimezone(tz)


@pytest.fixture(autouse=True)
def stop_the_clock(monkeypatch):
    monkeypatch.setattr(front, "datetime", StoppedClock)


@pytest.fixture
def lines(client, read):
    """Return a function that gives the lines of the front page."""

    def get() -> list[str]:
        answer = client.get("/")
        assert answer.status_code == 200
        return read(answer.text)

    return get


def test_a_new_installation_says_what_to_expect(lines):
    found = lines()
    assert "Mon 23 Mar \N{EN DASH} Sun 29 Mar 2026, Europe/Rome" in found
    assert "No timer is running. A time entry with a start and no end shows up here." in found
    assert "Nothing is recorded this week. Time entries that start from Mon 23 Mar on count here." in found
    assert "General | Default Client | 0:00" in found


def test_without_projects_it_says_what_to_do_first(lines, migrated):
    migrated.execute("DELETE FROM projects")
    assert any(line.startswith("No project is active. Time is recorded on projects") for line in lines())


def test_it_shows_what_is_in_the_database(lines, migrated):
    migrated.execute(
        """
        INSERT INTO users (username) VALUES ('alice'), ('bob');
        INSERT INTO projects (name, client, status)
        VALUES ('Relaunch', 'Acme', 'active'), ('Server move', 'Acme', 'archived'), ('Old', 'Acme', 'archived');
        INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds)
        VALUES (2, 2, '2026-03-23 08:00', '2026-03-23 10:00', 7200),
            (3, 3, '2026-03-24 08:00', '2026-03-24 08:20', 1800),
            (3, NULL, '2026-03-24 09:00', '2026-03-24 09:10', 600),
            (2, 2, '2026-03-22 08:00', '2026-03-22 10:00', 7200),
            (2, 2, '2026-03-25 11:55', NULL, NULL);
        """
    )
    found = lines()
    assert "alice since 12:55 | Relaunch Acme | 1:05" in found
    assert found[found.index("Hours") + 2 : found.index("Projects")] == [
        "Mon 23 Mar | 2:00",
        "Tue 24 Mar | 0:40",
        "Wed 25 Mar | 1:05",
        "Thu 26 Mar | 0:00",
        "Fri 27 Mar | 0:00",
        "Sat 28 Mar | 0:00",
        "Sun 29 Mar | 0:00",
        "Total | 3:45",
    ]
    assert found[found.index("Projects") + 2 :] == [
        "Relaunch | Acme | 3:05",
        "Server move not active | Acme | 0:30",
        "General | Default Client | 0:00",
        "No project | 0:10",
        "Total | 3:45",
    ]


def test_a_timer_of_another_day_shows_the_day(lines, migrated):
    migrated.execute("INSERT INTO time_entries (user_id, project_id, start_time) VALUES (1, 1, '2026-03-09 08:05')")
    assert "admin since Mon 9 Mar 09:05 | General Default Client | 388:55" in lines()


def test_an_entry_of_an_old_database_may_lack_the_user_and_the_project(lines, migrated):
    migrated.execute("INSERT INTO time_entries (start_time) VALUES ('2026-03-25 12:00')")
    assert "Nobody since 13:00 | No project | 1:00" in lines()


def test_many_rows_are_cut_off_and_counted(client, lines, migrated):
    migrated.execute(
        """
        INSERT INTO projects (name, client) SELECT 'Project ' || n, 'Acme' FROM generate_series(1, 200) AS n;
        INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds)
        SELECT 1, id, '2026-03-24 08:00', '2026-03-24 09:00', 3600 FROM projects;
        INSERT INTO time_entries (user_id, project_id, start_time) SELECT 1, 1, '2026-03-25 12:00'
        FROM generate_series(1, 60);
        """
    )
    found = lines()
    assert "and 10 more" in found
    assert "151 more | 151:00" in found
    assert found[-1] == "Total | 261:00"
    assert len(client.get("/").data) < 50_000


def test_days_follow_the_time_zone_of_the_settings(lines, migrated):
    migrated.execute("UPDATE settings SET timezone = 'Pacific/Auckland'")
    migrated.execute("INSERT INTO time_entries (start_time, end_time) VALUES ('2026-03-24 11:30', '2026-03-24 12:30')")
    assert "Wed 25 Mar | 1:00" in lines()


def test_a_time_zone_that_does_not_exist_is_reported_and_days_are_shown_in_utc(lines, migrated):
    migrated.execute("UPDATE settings SET timezone = 'Mars/Phobos'")
    found = lines()
    assert "Mon 23 Mar \N{EN DASH} Sun 29 Mar 2026, UTC" in found
    assert any("does not know the time zone “Mars/Phobos”" in line for line in found)


def test_without_a_settings_row_days_are_shown_in_utc(lines, migrated):
    migrated.execute("DELETE FROM settings")
    assert "Mon 23 Mar \N{EN DASH} Sun 29 Mar 2026, UTC" in lines()


def test_what_people_typed_is_text_and_never_markup(client, migrated):
    migrated.execute("INSERT INTO projects (name, client) VALUES ('<b>bold</b>', '\"><script>1</script>')")
    html = client.get("/").text
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<script" not in html
