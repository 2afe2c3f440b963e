"""Local wall-clock times become UTC: once, only what adoption kept, and the hours around a change of the clocks too."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from adoption.traits import BASE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installation import SECONDS, contents_of, errors_in, wait_for

from startup.local_times import localize

KEEP = """
CREATE TABLE {archive}.adoption_times AS
SELECT id, start_time, end_time, false AS start_is_utc, false AS end_is_utc FROM time_entries;
ALTER TABLE {archive}.adoption_times ADD PRIMARY KEY (id), OWNER TO owner;
INSERT INTO startup_marks (name, value) VALUES ('adoption time zone', %s);
INSERT INTO adoption_report (step, object, rows, detail)
SELECT 'to decide', 'table time_entries', count(*), 'local times or UTC? python runner.py localize'
FROM time_entries;
"""


def insert(database, *entries: tuple) -> None:
    """Insert entries of the predecessor: id, start, end, duration in seconds."""
    for entry in entries:
        database.execute(
            "INSERT INTO time_entries (id, start_time, end_time, duration_seconds, created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, '2020-01-02', '2020-01-03')",
            *entry,
        )
    database.execute("SELECT setval('time_entries_id_seq', max(id)) FROM time_entries")


def keep(database, zone: str = "Europe/Brussels", archive: str | None = "public_archive") -> None:
    """Do what adoption does where nobody has said what the times are."""
    if archive == "public_archive":
        database.execute("SELECT archive_for('time_entries')")
    database.execute(KEEP.format(archive=archive), zone)


def times(database) -> dict[int, tuple[str, str]]:
    """Start and end of each entry, as text."""
    rows = database.query("SELECT id, start_time::text, end_time::text FROM time_entries ORDER BY id")
    return {id: (start, end) for id, start, end in rows}


def report(database) -> list[tuple]:
    """The lines of the report: step, rows, detail."""
    return database.query("SELECT step, rows, detail FROM adoption_report ORDER BY id")


def marks(database) -> dict[str, str]:
    return dict(database.query("SELECT name, value FROM startup_marks"))


@pytest.fixture
def converted(migrated, run_runner):
    """Return a function that has entries converted as those of an adopted database, and gives what they are then."""

    def convert(*entries: tuple, zone: str = "Europe/Brussels") -> dict[int, tuple[str, str]]:
        insert(migrated, *entries)
        keep(migrated)
        result = run_runner("localize", zone, database=migrated)
        assert result.returncode == 0, result.stderr
        return times(migrated)

    return convert


def test_it_applies_no_migration_and_does_without_yoyo(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated)
    result = run_runner("localize", "Europe/Rome", database=migrated, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert times(migrated) == {1: ("2025-08-18 06:00:00", None)}
    assert "| " in result.stderr and not re.search(r"\| +yoyo\b", result.stderr)


# --- What the values become ---


def test_times_of_summer_and_winter_become_utc(converted, migrated):
    assert converted(
        (1, "2025-08-18 08:00:00", "2025-08-18 10:00:00", 7200),
        (2, "2025-01-18 08:00:00.123456", "2025-01-18 10:00:00.654321", 7200),
        (3, "2025-08-19 00:30:00", "2025-08-19 01:30:00", 3600),
    ) == {
        1: ("2025-08-18 06:00:00", "2025-08-18 08:00:00"),
        2: ("2025-01-18 07:00:00.123456", "2025-01-18 09:00:00.654321"),
        3: ("2025-08-18 22:30:00", "2025-08-18 23:30:00"),
    }
    assert report(migrated) == [
        (
            "done",
            3,
            "6 values of start_time and end_time were local times of Europe/Brussels and are UTC now;"
            " public_archive.adoption_times has them as they were",
        )
    ]
    assert marks(migrated)["local times"] == "Europe/Brussels"


def test_what_is_not_shown_by_a_clock_survives(converted, migrated):
    assert converted(
        (1, "1970-01-01 00:00:00", "1970-01-01 00:00:01", 1),
        (2, "2099-12-31 23:59:59.999999", "2100-01-01 00:00:00", 0),
        (3, "2025-08-18 08:00:00", "infinity", 5),
        (4, "-infinity", None, None),
        (5, "0044-03-15 12:00:00 BC", "0044-03-15 13:00:00 BC", 3600),
        (6, "4713-11-24 00:00:00 BC", "294276-12-31 23:59:59", 0),
        (7, "2025-10-26 02:30:00", "infinity", 5),
    ) == {
        1: ("1969-12-31 23:00:00", "1969-12-31 23:00:01"),
        2: ("2099-12-31 22:59:59.999999", "2099-12-31 23:00:00"),
        3: ("2025-08-18 06:00:00", "infinity"),
        4: ("-infinity", None),
        5: ("0044-03-15 11:42:30 BC", "0044-03-15 12:42:30 BC"),  # by the sun
        6: ("4713-11-24 00:00:00 BC", "294276-12-31 23:59:59"),
        7: ("2025-10-26 00:30:00", "infinity"),
    }
    assert (
        "left alone",
        4,
        "too far off, such as infinity, to be read as local times: id 3 (end), 4 (start), 6 (start, end), 7 (end)",
    ) in report(migrated)


def test_a_running_timer_is_shifted_by_its_start(converted):
    assert converted((30, "2025-08-30 09:17:42.000001", None, None)) == {30: ("2025-08-30 07:17:42.000001", None)}


def test_the_hour_that_exists_twice_is_read_by_the_duration(converted, migrated):
    assert converted(
        (12, "2025-10-26 02:30:00", "2025-10-26 02:10:00", 2400),
        (13, "2025-10-26 01:30:00", "2025-10-26 02:30:00", 3600),
        (14, "2025-10-26 01:30:00", "2025-10-26 02:30:00", 7200),
        (15, "2025-10-26 02:30:00", "2025-10-26 03:30:00", 3600),
        (16, "2025-10-26 02:30:00", "2025-10-26 03:30:00", 7200),
        (17, "2025-10-26 02:10:00", "2025-10-26 02:30:00", 1200),  # twenty minutes of either hour
        (18, "2025-10-26 02:10:00", "2025-10-26 02:30:00", 4800),
        (19, "2025-10-26 02:20:00", "2025-10-26 02:50:00", 5460),  # rounded
        (20, "2025-10-26 02:00:00", "2025-10-26 03:00:00", 3600),  # the last second that exists once, and the first
        (21, "2025-10-26 01:59:59.999999", "2025-10-26 02:59:59.999999", 7200),
    ) == {
        12: ("2025-10-26 00:30:00", "2025-10-26 01:10:00"),
        13: ("2025-10-25 23:30:00", "2025-10-26 00:30:00"),
        14: ("2025-10-25 23:30:00", "2025-10-26 01:30:00"),
        15: ("2025-10-26 01:30:00", "2025-10-26 02:30:00"),
        16: ("2025-10-26 00:30:00", "2025-10-26 02:30:00"),
        17: ("2025-10-26 00:10:00", "2025-10-26 00:30:00"),
        18: ("2025-10-26 00:10:00", "2025-10-26 01:30:00"),
        19: ("2025-10-26 00:20:00", "2025-10-26 01:50:00"),
        20: ("2025-10-26 01:00:00", "2025-10-26 02:00:00"),
        21: ("2025-10-25 23:59:59.999999", "2025-10-26 01:59:59.999999"),
    }
    assert report(migrated)[1:] == [
        (
            "done",
            10,
            "in the hour that exists twice, read by how long the entry lasts or else as the first that makes sense:"
            " id 12 (start as the first, end as the second), 13 (end as the first), 14 (end as the second),"
            " 15 (start as the second), 16 (start as the first), 17 (start as the first, end as the first),"
            " 18 (start as the first, end as the second), 19 (start as the first, end as the second),"
            " 20 (start as the second), 21 (end as the second)",
        )
    ]


def test_the_hour_that_exists_twice_is_read_without_a_duration(converted):
    assert converted(
        (1, "2025-10-26 02:30:00", "2025-10-26 02:10:00", None),
        (2, "2025-10-26 02:10:00", "2025-10-26 02:30:00", None),
        (3, "2025-10-26 02:30:00", None, None),
        (4, "2025-10-26 02:30:00", None, 60),
        (5, "2025-10-26 02:30:00", "2025-10-26 01:00:00", None),  # that can never be
    ) == {
        1: ("2025-10-26 00:30:00", "2025-10-26 01:10:00"),
        2: ("2025-10-26 00:10:00", "2025-10-26 00:30:00"),
        3: ("2025-10-26 00:30:00", None),
        4: ("2025-10-26 00:30:00", None),
        5: ("2025-10-26 00:30:00", "2025-10-25 23:00:00"),
    }


def test_the_hour_that_does_not_exist_is_read_with_the_offset_before_the_change(converted, migrated):
    assert converted(
        (11, "2025-03-30 02:30:00", "2025-03-30 03:30:00", 3600),
        (12, "2025-03-30 01:30:00", "2025-03-30 03:30:00", 3600),
    ) == {
        11: ("2025-03-30 01:30:00", "2025-03-30 01:30:00"),
        12: ("2025-03-30 00:30:00", "2025-03-30 01:30:00"),
    }
    assert report(migrated)[1:] == [
        (
            "done",
            1,
            "in the hour that does not exist, read as if the clocks had not been put forward: id 11 (start)",
        )
    ]


@pytest.mark.parametrize(
    ("zone", "entry", "expected"),
    [
        # Half an hour twice; a day that did not exist, and its neighbours; one that existed twice.
        ("Australia/Lord_Howe", ("2025-04-06 01:45", "2025-04-06 01:50", 2100), ("04-05 14:45", "04-05 15:20")),
        ("Pacific/Apia", ("2011-12-29 23:00", "2011-12-31 01:00", 7200), ("12-30 09:00", "12-30 11:00")),
        ("Pacific/Apia", ("2011-12-30 12:00", "2011-12-31 12:30", 1800), ("12-30 22:00", "12-30 22:30")),
        ("Pacific/Kwajalein", ("1969-09-30 12:00", "1969-09-30 13:00", 86400), ("09-30 01:00", "10-01 01:00")),
        # No abbreviation without summer time, as AT TIME ZONE takes it.
        ("CET", ("2025-07-01 12:00", "2025-07-01 13:00", 3600), ("07-01 10:00", "07-01 11:00")),
        ("Asia/Kathmandu", ("2025-07-01 12:00", "2025-07-01 13:00", 3600), ("07-01 06:15", "07-01 07:15")),
        # Negative summer time, in the sense of the IANA database.
        ("Europe/Dublin", ("2025-10-26 01:30", "2025-10-26 01:10", 2400), ("10-26 00:30", "10-26 01:10")),
    ],
)
def test_clocks_that_are_unlike_others_are_read_rightly(converted, zone, entry, expected):
    start, end = converted((1, *entry), zone=zone)[1]
    assert (start[5:16], end[5:16]) == expected


# --- Only what adoption kept, and nobody changed ---


def test_what_came_from_utc_was_changed_added_or_deleted_is_left_alone(migrated, run_runner):
    noon = ("2025-08-18 12:00:00", "2025-08-18 13:00:00", 3600)
    insert(migrated, *[(id, *noon) for id in range(1, 8)], (8, "2025-08-18 12:00:00", None, None))
    keep(migrated)
    migrated.execute(
        """
        UPDATE public_archive.adoption_times SET start_is_utc = true, end_is_utc = true WHERE id = 1;
        UPDATE public_archive.adoption_times SET start_is_utc = true WHERE id = 2;
        UPDATE time_entries SET start_time = '2025-08-18 11:00' WHERE id = 3;
        UPDATE time_entries SET start_time = '2025-08-18 10:00', end_time = NULL WHERE id = 4;
        UPDATE time_entries SET notes = 'told apart by its times only' WHERE id = 5;
        DELETE FROM time_entries WHERE id = 6;
        UPDATE time_entries SET end_time = '2025-08-18 11:30' WHERE id = 8
        """
    )
    insert(migrated, (9, *noon))
    assert run_runner("localize", database=migrated).returncode == 0
    assert times(migrated) == {
        1: ("2025-08-18 12:00:00", "2025-08-18 13:00:00"),
        2: ("2025-08-18 12:00:00", "2025-08-18 11:00:00"),
        3: ("2025-08-18 11:00:00", "2025-08-18 11:00:00"),
        4: ("2025-08-18 10:00:00", None),
        5: ("2025-08-18 10:00:00", "2025-08-18 11:00:00"),
        7: ("2025-08-18 10:00:00", "2025-08-18 11:00:00"),
        8: ("2025-08-18 10:00:00", "2025-08-18 11:30:00"),
        9: ("2025-08-18 12:00:00", "2025-08-18 13:00:00"),
    }
    converted, changed, from_utc = report(migrated)
    assert (converted[1], converted[2][:9]) == (5, "7 values ")
    assert changed == (
        "left alone",
        3,
        "changed since the adoption, and so not read as local times: id 3 (start), 4 (start, end), 8 (end)",
    )
    assert from_utc == ("left alone", 2, "from columns that held UTC: no local times")


def test_a_hundred_rows_are_listed_and_the_others_counted(converted, migrated):
    converted(*[(id, "2025-10-26 02:30:00", None, None) for id in range(1, 104)])
    step, rows, detail = report(migrated)[1]
    assert (step, rows) == ("done", 103)
    assert detail.endswith(", 100 (start as the first) and 3 more")


@pytest.mark.parametrize("word", ["utc", "UTC", "Etc/UTC"])
def test_times_that_are_utc_already_are_marked_and_not_shifted(migrated, run_runner, word):
    insert(migrated, (1, "2025-10-26 02:30:00", "2025-10-26 02:10:00", 2400))
    keep(migrated)
    rows = "SELECT xmin, * FROM time_entries"
    before = migrated.query(rows)
    result = run_runner("localize", word, database=migrated)
    assert result.returncode == 0, result.stderr
    assert "Reading the old start and end times as UTC" in result.stderr
    assert migrated.query(rows) == before
    assert marks(migrated)["local times"] == "utc"
    assert report(migrated) == [
        ("done", 1, "2 values of start_time and end_time are UTC already, as was said: nothing is shifted")
    ]


def test_the_originals_are_found_in_the_schema_in_use_too(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", "2025-08-18 10:00:00", 7200))
    keep(migrated, archive="public")
    assert run_runner("localize", database=migrated).returncode == 0
    assert times(migrated) == {1: ("2025-08-18 06:00:00", "2025-08-18 08:00:00")}
    assert "public.adoption_times has them as they were" in report(migrated)[0][2]


# --- Once, and by one transaction ---


def test_the_zone_is_that_of_the_old_settings_unless_one_is_given(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated, zone="Europe/London")
    result = run_runner("localize", database=migrated)
    assert result.returncode == 0, result.stderr
    assert "Reading the old start and end times as local times of Europe/London" in result.stderr
    assert times(migrated) == {1: ("2025-08-18 07:00:00", None)}


def test_the_variable_comes_before_the_old_settings(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated, zone="Europe/London")
    assert run_runner("localize", database=migrated, env={"LEGACY_TIMEZONE": "Asia/Tokyo"}).returncode == 0
    assert times(migrated) == {1: ("2025-08-17 23:00:00", None)}


def test_a_second_time_nothing_is_done(converted, migrated, run_runner):
    converted((1, "2025-08-18 08:00:00", None, None))
    before = contents_of(migrated)
    for arguments in ([], ["Europe/Brussels"]):
        result = run_runner("localize", *arguments, database=migrated)
        assert result.returncode == 0, result.stderr
        assert "were read as Europe/Brussels on 20" in result.stderr
    assert contents_of(migrated) == before


def test_a_second_time_with_another_zone_is_refused(converted, migrated, run_runner):
    converted((1, "2025-08-18 08:00:00", None, None))
    before = contents_of(migrated)
    result = run_runner("localize", "Europe/Rome", database=migrated)
    assert result.returncode == 2
    assert "localize=Europe/Rome: the old times were read as Europe/Brussels on 20" in result.stderr
    result = run_runner("localize", database=migrated, env={"LEGACY_TIMEZONE": "utc"})
    assert result.returncode == 2
    assert contents_of(migrated) == before


def test_where_nothing_was_adopted_nothing_is_done(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    before = contents_of(migrated)
    result = run_runner("localize", "Europe/Rome", database=migrated)
    assert result.returncode == 0, result.stderr
    assert "There are no local times here: nothing to convert" in result.stderr
    assert contents_of(migrated) == before


def test_a_zone_that_nobody_knows_is_refused(migrated, run_runner):
    keep(migrated, zone="Rome")
    before = contents_of(migrated)
    result = run_runner("localize", "Europe/Atlantis", database=migrated)
    assert result.returncode == 2
    assert errors_in(result) == ["localize Europe/Atlantis: expected a time zone such as Europe/Rome, or utc"]
    result = run_runner("localize", database=migrated)
    assert result.returncode == 2
    assert errors_in(result) == [
        "settings.timezone was 'Rome' at the adoption, which is no time zone: say which the old times are of, such as"
        " python runner.py localize Europe/Rome"
    ]
    assert contents_of(migrated) == before


def test_a_zone_that_the_server_does_not_know_is_refused(migrated, run_runner, tmp_path):
    (tmp_path / "Mars").write_bytes(zone_file("Europe/Rome"))
    keep(migrated)
    before = contents_of(migrated)
    result = run_runner("localize", "Mars", database=migrated, env={"PYTHONTZPATH": str(tmp_path)})
    assert result.returncode == 2
    assert "localize=Mars: PostgreSQL on this server does not know that time zone" in result.stderr
    assert contents_of(migrated) == before


def zone_file(name: str) -> bytes:
    from importlib.resources import files

    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def test_it_comes_after_the_migrations(database, run_runner):
    result = run_runner("localize", "Europe/Rome", database=database)
    assert result.returncode == 1
    assert errors_in(result) == ["Migrations are pending, and come first: python runner.py migrate"]
    assert database.query("SELECT FROM pg_class WHERE relname = 'users'") == []


def test_it_comes_after_the_verification(migrated, run_runner):
    keep(migrated)
    migrated.execute("ALTER TABLE users DROP COLUMN role")
    result = run_runner("localize", "Europe/Rome", database=migrated)
    assert result.returncode == 1
    assert "local times" not in marks(migrated)


def test_who_does_not_own_the_tables_is_told(migrated, run_runner, server):
    role = f"clerk_{migrated.name}"
    server.create_role(role)
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated)
    migrated.execute(f"GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    try:
        result = run_runner("localize", database=migrated.url_as(role))
        assert result.returncode == 5
        assert f"Role {role} lacks ownership" in result.stderr
        assert times(migrated) == {1: ("2025-08-18 08:00:00", None)}
        result = run_runner("localize", database=migrated.url_as(role), env={"MIGRATION_DATABASE_URL": migrated.url})
        assert result.returncode == 0, result.stderr
        assert times(migrated) == {1: ("2025-08-18 06:00:00", None)}
    finally:
        migrated.execute(f"DROP OWNED BY {role}", user="postgres")
        server.execute(f"DROP ROLE {role}")


def test_a_killed_conversion_leaves_all_as_it_was(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None), (2, "2025-08-18 08:00:00", None, None))
    keep(migrated)
    migrated.execute(
        """
        CREATE FUNCTION wait() RETURNS TRIGGER LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END';
        CREATE TRIGGER wait BEFORE INSERT ON adoption_report FOR EACH ROW EXECUTE FUNCTION wait()
        """
    )
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(42)")
        process = subprocess.Popen(
            [sys.executable, "runner.py", "localize"],
            env={"PATH": os.environ["PATH"], "DATABASE_URL": migrated.url},
            stderr=subprocess.PIPE,
        )
        with process:
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
            wait_for(lambda: migrated.query(waiting, user="postgres"))
            process.kill()
            process.communicate(timeout=SECONDS)
            wait_for(lambda: not migrated.query(waiting, user="postgres"))
    migrated.execute("DROP TRIGGER wait ON adoption_report; DROP FUNCTION wait")
    assert times(migrated) == {id: ("2025-08-18 08:00:00", None) for id in (1, 2)}
    assert "local times" not in marks(migrated)
    assert migrated.query(
        "SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'time_entries'::regclass AND NOT tgisinternal"
    ) == [("O",)]
    assert run_runner("localize", database=migrated).returncode == 0
    assert times(migrated) == {id: ("2025-08-18 06:00:00", None) for id in (1, 2)}


def test_two_at_once_convert_once(migrated):
    insert(migrated, *[(id, "2025-08-18 08:00:00", None, None) for id in range(1, 50)])
    keep(migrated)
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": migrated.url}
    started = [
        subprocess.Popen([sys.executable, "runner.py", "localize"], env=environment, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=SECONDS)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], said
    assert set(times(migrated).values()) == {("2025-08-18 06:00:00", None)}


# --- Nothing else changes ---


def test_updated_at_stays_and_nobodys_trigger_fires_or_is_changed(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", "2025-08-18 10:00:00", 7200))
    keep(migrated)
    migrated.execute(
        """
        CREATE TABLE seen (what TEXT);
        CREATE FUNCTION see() RETURNS TRIGGER LANGUAGE plpgsql AS
            'BEGIN INSERT INTO seen VALUES (TG_NAME); NEW.duration_seconds := 0; RETURN NEW; END';
        CREATE TRIGGER plain BEFORE UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION see();
        CREATE TRIGGER "Of the Start" BEFORE UPDATE OF start_time ON time_entries FOR EACH ROW EXECUTE FUNCTION see();
        CREATE TRIGGER always AFTER UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION see();
        CREATE TRIGGER replica AFTER UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION see();
        CREATE TRIGGER never BEFORE UPDATE ON time_entries FOR EACH ROW EXECUTE FUNCTION see();
        CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON time_entries DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION see();
        ALTER TABLE time_entries ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replica, DISABLE TRIGGER never
        """
    )
    rest = "SELECT to_jsonb(row) - 'start_time' - 'end_time' FROM time_entries AS row"
    triggers = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'time_entries'::regclass ORDER BY 1"
    before = migrated.query(rest), migrated.query(triggers)
    result = run_runner("localize", database=migrated)
    assert result.returncode == 0, result.stderr
    assert times(migrated) == {1: ("2025-08-18 06:00:00", "2025-08-18 08:00:00")}
    assert (migrated.query(rest), migrated.query(triggers)) == before
    assert migrated.query("SELECT * FROM seen") == []


def test_the_indexes_are_as_they_were(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated)
    migrated.execute(
        """
        CREATE INDEX "By the Start" ON time_entries (start_time DESC) INCLUDE (user_id) WITH (fillfactor = 70);
        CREATE UNIQUE INDEX one_at_a_time ON time_entries (user_id, start_time);
        CREATE INDEX running ON time_entries (user_id) WHERE end_time IS NULL;
        CREATE INDEX said ON time_entries (source);
        COMMENT ON INDEX said IS 'for a report';
        CREATE INDEX held ON time_entries (created_at);
        ALTER TABLE time_entries CLUSTER ON held
        """
    )
    indexes = """
        SELECT pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisprimary, obj_description(indexrelid)
        FROM pg_index WHERE indrelid = 'time_entries'::regclass ORDER BY 1
    """
    before = migrated.query(indexes)
    assert run_runner("localize", database=migrated).returncode == 0
    assert migrated.query(indexes) == before


def test_a_table_without_a_trigger_is_converted(migrated):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated)
    migrated.execute("DROP TRIGGER update_time_entries_updated_at ON time_entries")
    with contextlib.closing(migrated.connect()) as connection:
        localize(connection, "Europe/Brussels")
    assert times(migrated) == {1: ("2025-08-18 06:00:00", None)}


def test_it_is_part_of_the_transaction_of_an_adoption(migrated):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated)
    with contextlib.closing(migrated.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'Asia/Tokyo'; BEGIN")
        ((step, rows, _),) = localize(connection, "Europe/Brussels")
        assert (step, rows) == ("done", 1)
        cursor.execute("SHOW TimeZone")
        assert cursor.fetchone() == ("Asia/Tokyo",)
        assert localize(connection, "Europe/Brussels") == []
        cursor.execute("ROLLBACK")
    assert times(migrated) == {1: ("2025-08-18 08:00:00", None)}


# --- From an old database ---

ENTRIES = """
ALTER TABLE time_entries ALTER start_time DROP NOT NULL, ADD start_utc TIMESTAMP, ADD end_utc TIMESTAMP;
INSERT INTO time_entries (id, start_time, end_time, start_utc, end_utc) VALUES
    (1, '2025-08-18 08:00', '2025-08-18 09:00', NULL, NULL),
    (2, NULL, NULL, '2025-08-18 08:00', '2025-08-18 09:00'),
    (3, '2025-08-18 08:00', NULL, '2025-08-18 06:00', '2025-08-18 09:00'),
    (4, NULL, '2025-08-18 09:00', '2025-08-18 06:30', '2025-08-18 07:00');
"""
SUMMER, UTC = ("2025-08-18 06:00:00", "2025-08-18 07:00:00"), ("2025-08-18 08:00:00", "2025-08-18 09:00:00")
OF_UTC = {
    "columns of both kinds": (
        ENTRIES,
        {1: SUMMER, 2: UTC, 3: (SUMMER[0], UTC[1]), 4: ("2025-08-18 06:30:00", SUMMER[1])},
    ),
    "a start that is renamed": (
        ENTRIES + "DELETE FROM time_entries WHERE start_utc IS NULL; ALTER TABLE time_entries DROP start_time",
        {2: UTC, 3: (SUMMER[0], UTC[1]), 4: ("2025-08-18 06:30:00", SUMMER[1])},
    ),
    "an end with a zone": (
        "INSERT INTO time_entries (id, start_time, end_time) VALUES (1, '2025-08-18 08:00', '2025-08-18 09:00');"
        "ALTER TABLE time_entries ALTER end_time TYPE TIMESTAMPTZ USING end_time AT TIME ZONE 'UTC'",
        {1: (SUMMER[0], UTC[1])},
    ),
    "a start as text with a zone": (
        "ALTER TABLE time_entries ALTER start_time TYPE TEXT;"
        "INSERT INTO time_entries (id, start_time, end_time) VALUES (1, '2025-08-18T08:00:00Z', '2025-08-18 09:00')",
        {1: (UTC[0], SUMMER[1])},
    ),
}


@pytest.mark.parametrize("when", ["at once", "later"])
@pytest.mark.parametrize("case", OF_UTC)
def test_what_an_adoption_found_in_utc_is_not_shifted(database, run_runner, when, case):
    statements, expected = OF_UTC[case]
    database.execute(BASE + statements)
    environment = {"LEGACY_TIMEZONE": "Europe/Brussels"}
    first = environment if when == "at once" else {}
    assert run_runner("migrate", database=database, env=first).returncode == 0
    result = run_runner("localize", database=database, env=environment)
    assert result.returncode == 0, result.stderr
    assert ("nothing to convert" in result.stderr) == (when == "at once")
    assert times(database) == expected


def test_a_zone_that_the_server_does_not_know_stops_an_adoption(database, run_runner, tmp_path):
    (tmp_path / "Mars").write_bytes(zone_file("Europe/Rome"))
    database.execute(BASE + "INSERT INTO time_entries (start_time) VALUES ('2025-08-18 08:00')")
    before = contents_of(database)
    for command in ("plan", "migrate"):
        environment = {"LEGACY_TIMEZONE": "Mars", "PYTHONTZPATH": str(tmp_path)}
        result = run_runner(command, database=database, env=environment)
        assert result.returncode == 2
        assert "LEGACY_TIMEZONE=Mars: PostgreSQL on this server does not know that time zone" in result.stderr
    assert contents_of(database) == before


# --- What a start says of it ---


def test_a_start_with_the_variable_names_the_command_until_it_is_done(migrated, run_runner):
    insert(migrated, (1, "2025-08-18 08:00:00", None, None))
    keep(migrated)
    environment = {"LEGACY_TIMEZONE": "Europe/Brussels"}
    assert "python runner.py localize" not in run_runner("migrate", database=migrated).stderr
    before = contents_of(migrated)
    result = run_runner("migrate", database=migrated, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("python runner.py localize") == 1
    assert contents_of(migrated) == before
    assert run_runner("localize", database=migrated, env=environment).returncode == 0
    assert "LEGACY_TIMEZONE" not in run_runner("migrate", database=migrated, env=environment).stderr


# --- Any instants, in any zone ---

KEPT = """
BEGIN;
INSERT INTO startup_marks (name, value) VALUES ('adoption time zone', '');
CREATE TABLE adoption_times (
    id INTEGER, start_time TIMESTAMP, end_time TIMESTAMP,
    start_is_utc BOOLEAN DEFAULT false, end_is_utc BOOLEAN DEFAULT false
)
"""
# Every day at whose begin the offset is another than a day before.
CHANGES = """
SELECT day AT TIME ZONE 'UTC'
FROM (
    SELECT day, EXTRACT(timezone FROM day) AS utc_offset, lag(EXTRACT(timezone FROM day)) OVER (ORDER BY day) AS before
    FROM generate_series('1900-01-01 UTC'::timestamptz, '2040-01-01 UTC', '24 hours') AS day
) AS days
WHERE utc_offset <> before
"""
DRAWN = settings(
    max_examples=int(os.environ.get("EXAMPLES", 100)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Clock:
    """A session in a database with kept local times, which are rolled back after each example."""

    def __init__(self, connection):
        self.cursor = connection.cursor()
        self.connection = connection
        self.cursor.execute(
            "SELECT name FROM pg_timezone_names WHERE name !~ '^posix|^right|^localtime$' ORDER BY name"
        )
        self.zones = [name for (name,) in self.cursor.fetchall()]
        self.changes: dict[str, list[datetime]] = {}

    def changes_of(self, zone: str) -> list[datetime]:
        """The days on which a zone changed its clocks."""
        if zone not in self.changes:
            self.cursor.execute("SET TimeZone = %s", (zone,))
            self.cursor.execute(CHANGES)
            self.changes[zone] = [day for (day,) in self.cursor.fetchall()]
            self.cursor.execute("RESET TimeZone")
        return self.changes[zone]

    def local(self, zone: str, instants: Iterable[datetime | None]) -> list[datetime | None]:
        """What the clocks of a zone show."""
        self.cursor.execute("SET TimeZone = %s", (zone,))
        self.cursor.execute(
            "SELECT (instant AT TIME ZONE 'UTC')::timestamp"
            " FROM unnest(%s::timestamp[]) WITH ORDINALITY AS given (instant, number) ORDER BY number",
            (list(instants),),
        )
        shown = [local for (local,) in self.cursor.fetchall()]
        self.cursor.execute("RESET TimeZone")
        return shown

    def localize(self, zone: str, entries: list[tuple]) -> list[tuple]:
        """What becomes of entries (start, end, duration): their starts and ends."""
        self.cursor.execute(KEPT)
        try:
            for entry in enumerate(entries):
                self.cursor.execute(
                    "INSERT INTO time_entries (id, start_time, end_time, duration_seconds) VALUES (%s, %s, %s, %s)",
                    (entry[0], *entry[1]),
                )
            self.cursor.execute("INSERT INTO adoption_times SELECT id, start_time, end_time FROM time_entries")
            localize(self.connection, zone)
            self.cursor.execute("SELECT start_time, end_time FROM time_entries ORDER BY id")
            return self.cursor.fetchall()
        finally:
            self.cursor.execute("ROLLBACK")


@pytest.fixture
def clock(migrated):
    with contextlib.closing(migrated.connect()) as connection:
        yield Clock(connection)


def lengths() -> st.SearchStrategy[timedelta | None]:
    return st.one_of(
        st.none(),
        st.integers(0, 30 * 3600).map(lambda seconds: timedelta(seconds=seconds)),
        st.sampled_from([timedelta(days=days) for days in (182, 364, 365)]),
    )


def instants_near(changes: list[datetime]) -> st.SearchStrategy[datetime]:
    somewhere = st.datetimes(datetime(1900, 1, 1), datetime(2040, 1, 1))
    if not changes:
        return somewhere
    near = st.builds(
        lambda day, minutes, seconds: day + timedelta(minutes=minutes, seconds=seconds),
        st.sampled_from(changes),
        st.integers(-50 * 60, 26 * 60),
        st.sampled_from([0, 0, 0, 1, 59.999999]),
    )
    return near | somewhere


@given(data=st.data())
@DRAWN
def test_the_very_instants_come_back_from_what_the_clocks_of_any_zone_showed(clock, data):
    """But where another pair of instants, which the clocks show alike, is just as long: then it is the earlier one.

    So it is where start and end lie in the same half of an hour that exists twice (or in the same halves of two such
    hours), or where the start does and the timer runs.
    """
    zone = data.draw(st.sampled_from(clock.zones))
    near = instants_near(clock.changes_of(zone))
    truth = [
        (start, None if length is None else start + length)
        for start, length in data.draw(st.lists(st.tuples(near, lengths()), min_size=1, max_size=20))
    ]
    starts, ends = (clock.local(zone, instants) for instants in zip(*truth, strict=True))
    durations = [end and round((end - start).total_seconds()) for start, end in truth]
    found = clock.localize(zone, list(zip(starts, ends, durations, strict=True)))
    alike = [clock.local(zone, instants) for instants in zip(*found, strict=True)]
    assert alike == [starts, ends]
    for pair, true in zip(found, truth, strict=True):
        if pair != true:
            assert [end and end - start for start, end in (pair, true)] == [true[1] and true[1] - true[0]] * 2
            assert pair[0] < true[0]


# Zones whose clocks do all that clocks do, in years of which every edition of the IANA database says the same.
ZONES = [
    "Europe/Brussels",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Tehran",
    "Europe/Dublin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "Pacific/Kwajalein",
    "America/Sao_Paulo",
    "Africa/Windhoek",
    "Asia/Pyongyang",
]


def readings(local: datetime, zone: str) -> list[datetime]:
    """What a local time may mean, by Python's zoneinfo: one instant or two; in a gap as if it had not come yet."""
    info, utc = ZoneInfo(zone), ZoneInfo("UTC")
    found = []
    for fold in (0, 1):
        instant = local.replace(tzinfo=info, fold=fold).astimezone(utc)
        if fold == 0:
            first = instant.replace(tzinfo=None)
        if instant.astimezone(info).replace(tzinfo=None) == local:
            found.append(instant.replace(tzinfo=None))
    return sorted(set(found)) or [first]


def expected(start: datetime, end: datetime | None, duration: int | None, zone: str) -> tuple:
    """The pair that is to be chosen."""
    if end is None:
        return readings(start, zone)[0], None
    pairs = [(first, last) for first in readings(start, zone) for last in readings(end, zone)]
    return min(
        pairs,
        key=lambda pair: (
            0 if duration is None else abs((pair[1] - pair[0]).total_seconds() - duration),
            pair[1] < pair[0],
            pair,
        ),
    )


@given(data=st.data())
@DRAWN
def test_any_local_times_are_read_as_a_model_reads_them(clock, data):
    """Whether or not there were such times, and however long they are said to have lasted."""
    zone = data.draw(st.sampled_from(ZONES))
    changes = [day for day in clock.changes_of(zone) if datetime(1992, 1, 1) < day < datetime(2022, 1, 1)]
    near = st.builds(
        lambda day, quarters, seconds: day + timedelta(minutes=15 * quarters, seconds=seconds),
        st.sampled_from(changes or [datetime(2020, 3, 1)]),
        st.integers(-6 * 24, 6 * 24),
        st.sampled_from([0, 0, 1, -1]),
    )
    entry = st.tuples(
        near,
        st.none() | st.integers(-200, 2000).map(lambda minutes: timedelta(minutes=minutes)),
        st.none() | st.integers(-7200, 90_000),
    )
    entries = [
        (start, None if length is None else start + length, duration)
        for start, length, duration in data.draw(st.lists(entry, min_size=1, max_size=20))
    ]
    assert clock.localize(zone, entries) == [expected(*entry, zone) for entry in entries]
