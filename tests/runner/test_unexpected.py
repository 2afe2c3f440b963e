"""What nobody foresaw ends with 70 and a traceback, so that it can be reported; a broken server is not that."""

import pytest
from installation import errors_in

pytestmark = pytest.mark.only_pg("pg18")


def test_a_mistake_of_ours_ends_with_70_and_a_traceback(installation, database):
    (installation.sql / "runner" / "catalog.sql").unlink()
    result = installation.run("migrate", database=database)
    assert result.returncode == 70
    assert result.stderr.startswith("Traceback")
    assert "catalog.sql" in result.stderr


def test_a_session_that_the_server_ends_is_one_line_and_5(installation, database):
    (installation.sql / "runner" / "privileges.sql").write_text(
        "SELECT pg_terminate_backend(pg_backend_pid())::text, %(schema)s, 'never answered'", encoding="ascii"
    )
    result = installation.run("migrate", database=database)
    assert result.returncode == 5
    (line,) = errors_in(result)
    assert line.startswith("The connection to PostgreSQL was lost: terminating connection due to administrator command")
