"""The timer bar: starting, switching, stopping, continuing, editing, and the timer that was forgotten."""

import uuid
from datetime import datetime, timedelta

import pytest
import time_machine

pytestmark = pytest.mark.only_pg("pg18")


@pytest.fixture
def work(migrated):
    """Projects and tasks, by name."""
    migrated.execute(
        """
        INSERT INTO projects (name, client, billable, status)
        VALUES ('Relaunch', 'Acme', true, 'active'), ('Office', 'Ourselves', false, 'active'),
            ('Old', 'Acme', true, 'archived');
        INSERT INTO tasks (project_id, name, created_by)
        SELECT id, task, (SELECT min(id) FROM users)
        FROM projects
        JOIN (VALUES ('Relaunch', 'Layout'), ('Relaunch', 'Texts'), ('Office', 'Post')) AS named (project, task)
            ON name = project
        """
    )
    return dict(migrated.query("SELECT name, id FROM projects")) | dict(migrated.query("SELECT name, id FROM tasks"))


@pytest.fixture
def entries(migrated):
    """Return a function that gives the rows, the oldest first."""

    def rows(columns):
        return migrated.query(f"SELECT {columns} FROM time_entries ORDER BY id")

    return rows


def once(**fields):
    return {"token": str(uuid.uuid4()), **fields}


def test_smoke(as_user, work, entries):
    alice = as_user("alice")
    page = alice.get("/")
    assert "What are you working on?" in page.text
    print(page.text)
    answer = alice.submit("/timer/start", once(notes="Hello", project=work["Relaunch"], task=work["Layout"], billable="y", next="/week"))
    assert (answer.status_code, answer.location) == (303, "/week"), answer.text
    page = alice.get("/week")
    print(page.text)
