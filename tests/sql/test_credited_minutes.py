"""What an entry counts, on every page and in every sum."""

import pytest

AT = "2025-08-18 12:00:00"


@pytest.mark.parametrize(
    ("start", "end", "seconds", "minutes"),
    [
        ("2025-08-18 08:00:00", "2025-08-18 09:30:00", 3600, 60),  # the credited time, a pause taken off
        ("2025-08-18 08:00:00", "2025-08-18 09:30:00", None, 90),
        ("2025-08-18 08:00:00", None, None, 240),
        ("2025-08-18 08:00:00", None, 3600, 240),  # what a running one had once says nothing
        ("2025-08-18 08:00:00", "2025-08-18 08:00:29.999999", None, 0),
        ("2025-08-18 08:00:00", "2025-08-18 08:00:30", None, 1),
        ("2025-08-18 08:00:00", "2025-08-18 09:00:00", 89, 1),
        ("2025-08-18 08:00:00", "2025-08-18 09:00:00", 90, 2),
        ("2025-08-18 08:00:00", "2025-08-18 07:00:00", None, 0),
        ("2025-08-18 08:00:00", "2025-08-18 09:00:00", -60, 0),
        ("2025-08-18 13:00:00", None, None, 0),
        ("1900-01-01 00:00:00", "9999-12-31 00:00:00", None, 4_260_186_720),
        ("2025-08-18 08:00:00", "infinity", None, 0),
        ("2025-08-18 08:00:00", "infinity", 3600, 60),
        ("-infinity", "2025-08-18 08:00:00", None, 0),
        ("-infinity", "infinity", None, 0),
        ("-infinity", None, None, 0),
        ("infinity", None, None, 0),
    ],
)
def test_an_entry_counts_whole_minutes(migrated, start, end, seconds, minutes):
    found = migrated.query("SELECT credited_minutes(%s, %s, %s, %s)", start, end, seconds, AT)
    assert found == [(minutes,)]
