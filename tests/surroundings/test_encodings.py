"""Databases in another encoding or with other rules of sorting than UTF-8 and C."""

import contextlib

import pytest
from background import running
from installation import ROOT, contents_of, errors_in
from listeners import closed_port

ENCODINGS = {
    "latin1": "ENCODING 'LATIN1' LOCALE 'C'",
    "sql_ascii": "ENCODING 'SQL_ASCII' LOCALE 'C'",
    "c": "ENCODING 'UTF8' LOCALE 'C'",
}
TURKISH = "ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'"  # where the small I is no i
OLD = ROOT / "tests" / "legacy" / "04-v105-sql-4tables.sql"


@pytest.fixture
def database(request, server, monkeypatch):
    """An empty database of the given kind."""
    monkeypatch.setenv("PGCLIENTENCODING", "UTF8")  # for what the test itself asks
    with server.new_database() as lent:
        server.execute(f"DROP DATABASE {lent.name}")
        server.execute(f"CREATE DATABASE {lent.name} OWNER owner TEMPLATE template0 {request.param}")
        yield lent


class Starts:
    """What must hold in each of them."""

    def test_begin_from_nothing_and_serve(self, database, run_runner, tmp_path):
        admin = "Zoë Ångström"
        for command in ("migrate", "migrate", "verify", "status", "plan", "wait"):
            result = run_runner(command, database=database, env={"ADMIN_USERNAMES": admin})
            assert (result.returncode, errors_in(result)) == (0, []), result.stderr
            assert "warning" not in result.stderr
        assert database.query("SELECT username FROM users") == [(admin,)]
        settled = contents_of(database)
        assert run_runner("migrate", database=database).returncode == 0
        assert contents_of(database) == settled

        database.execute(
            "UPDATE projects SET name = 'Müller'; UPDATE settings SET timezone = 'UTC';"
            "INSERT INTO time_entries (user_id, project_id, start_time)"
            " SELECT users.id, projects.id, timezone('utc', now()) FROM users, projects"
        )
        port = closed_port()
        link = run_runner("invite", admin, database=database).stdout.strip()
        with running("serve", database.url, tmp_path / "log", PORT=str(port)) as runner:
            status, page = runner.get(port, link[link.index("/invitation/") :])
            assert (status, runner.get(port, "/readyz")[0]) == (200, 200)
        assert f"Welcome, {admin}" in page

    def test_bring_rows_up_that_are_not_ascii(self, database, run_runner):
        text = OLD.read_text(encoding="utf-8").encode("latin-1", "replace").decode("latin-1")
        database.execute(text)
        names = "SELECT array_agg(username::text ORDER BY id) FROM users"
        before = database.query(names)
        assert "müller" in str(before)
        result = run_runner("migrate", database=database)
        assert result.returncode == 0, result.stderr
        assert run_runner("verify", database=database).returncode == 0
        assert database.query(names) == before


@pytest.mark.parametrize("database", ENCODINGS.values(), ids=ENCODINGS, indirect=True)
class TestInAnyEncoding(Starts):
    pass


@pytest.mark.only_pg("pg15")  # the wheel's server is built without ICU
@pytest.mark.parametrize("database", [TURKISH], ids=["turkish"], indirect=True)
class TestSortedByIcu(Starts):
    pass


@pytest.mark.parametrize("database", [ENCODINGS["sql_ascii"]], ids=["sql_ascii"], indirect=True)
def test_a_name_that_is_no_utf_8_is_one_line(database, run_runner):
    """SQL_ASCII takes any bytes."""
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        connection.set_client_encoding("SQL_ASCII")
        cursor.execute(b'CREATE TABLE "Gr\xf6\xdfe" ()')
    result = run_runner("migrate", database=database)
    assert result.returncode == 5
    (line,) = errors_in(result)
    assert line.startswith("The encoding of the database is SQL_ASCII, which takes any bytes, and some are no text")
