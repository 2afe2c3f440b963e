"""Projects: who may do what with them, their hours, and what is left to bill."""

from contextlib import closing

import pytest

from app.queries import projects

pytestmark = pytest.mark.only_pg("pg18")


def asked(database, question, *arguments):
    """Return what a query of the app gives."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        return question(cursor, *arguments)


def test_the_projects_of_ones_last_entries_can_be_chosen_first_and_archived_ones_not_at_all(migrated, cast):
    migrated.execute(
        """
        INSERT INTO projects (id, name, client, billable, status) VALUES
            (10, 'apples', 'Acme', true, 'active'), (11, 'Bananas', 'Acme', false, 'active'),
            (12, 'Cherries', '', true, 'active'), (13, 'Old', 'Acme', true, 'archived'),
            (14, 'Foreign', 'Acme', true, 'inactive');
        """
    )
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, project_id, start_time, end_time) VALUES
            (%(alice)s, 11, '2026-03-02 08:00', '2026-03-02 09:00'),
            (%(alice)s, 12, '2026-03-03 08:00', '2026-03-03 09:00'),
            (%(alice)s, 13, '2026-03-04 08:00', '2026-03-04 09:00'),
            (%(alice)s, NULL, '2026-03-04 08:00', '2026-03-04 09:00'),
            (%(bob)s, 10, '2026-03-05 08:00', '2026-03-05 09:00')
        """.replace("%(alice)s", str(cast["alice"])).replace("%(bob)s", str(cast["bob"]))
    )
    chosen = asked(migrated, projects.choices, cast["alice"])
    assert [choice.name for choice in chosen] == ["Cherries", "Bananas", "apples", "General"]
    assert chosen[1] == (11, "Bananas", "Acme", False)
    assert asked(migrated, projects.choices, cast["bob"])[0].name == "apples"
    assert asked(migrated, projects.is_active, 10)
    assert not asked(migrated, projects.is_active, 13)
    assert not asked(migrated, projects.is_active, 99)
