"""Tasks and their board."""

from contextlib import closing

import pytest

from app.queries import tasks

pytestmark = pytest.mark.only_pg("pg18")


def asked(database, question, *arguments):
    """Return what a query of the app gives."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        return question(cursor, *arguments)


def test_open_tasks_of_active_projects_can_be_chosen(migrated, cast):
    migrated.execute(
        """
        INSERT INTO projects (id, name, client, status) VALUES
            (10, 'Shop', 'Acme', 'active'), (11, 'Old', 'Acme', 'archived');
        INSERT INTO tasks (id, project_id, name, status, created_by)
        SELECT number, project_id, name, status, (SELECT id FROM users WHERE username = 'alice')
        FROM (VALUES (1, 10, 'wireframes', 'pending'), (2, 10, 'Cart', 'in_progress'), (3, 10, 'Logo', 'done'),
            (4, 10, 'Later', 'todo'), (5, 10, 'Never', 'cancelled'), (6, 11, 'Buried', 'pending')
        ) AS made (number, project_id, name, status);
        """
    )
    assert asked(migrated, tasks.choices) == [(2, "Cart", 10), (4, "Later", 10), (1, "wireframes", 10)]
    for question in (tasks.belongs, tasks.hold):
        assert asked(migrated, question, 1, 10)
        assert not asked(migrated, question, 1, 11)
        assert not asked(migrated, question, 99, 10)
