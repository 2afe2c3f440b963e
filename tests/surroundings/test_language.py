"""A server that answers in German: nothing may hang on the words of a message."""

import contextlib
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from background import running
from installation import errors_in, wait_for
from parts import postgres_binaries

pytestmark = [pytest.mark.only_pg("pg15"), pytest.mark.needs("german")]

PATIENT = {"DATABASE_WAIT_SECONDS": "60"}
SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


@pytest.fixture(scope="module")
def server(own_server):
    """The server of a German administrator, who needs no locale of the system for that."""
    folder = Path(tempfile.mkdtemp(prefix="timetracker-german-"))
    folder.chmod(0o755)  # root's servers have a uid of their own
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nLANGUAGE=de exec {postgres_binaries()[15]}/{name} "$@"\n')
        program.chmod(0o755)
    try:
        with own_server(
            "pg15", binaries=folder, settings={"lc_messages": "C.UTF-8", "max_connections": "20"}
        ) as german:
            yield german
    finally:
        shutil.rmtree(folder)


def test_it_does_speak_german(database):
    with pytest.raises(Exception, match="Relation »nothing« existiert nicht"):
        database.query("SELECT FROM nothing")


@pytest.mark.parametrize(
    ("role", "password", "dbname", "option", "reason", "remedy"),
    [
        ("owner", "Tr0ub4dor", None, "", "Passwort-Authentifizierung .* fehlgeschlagen", "Check the user name"),
        ("nobody", "Tr0ub4dor", None, "", "Passwort-Authentifizierung .* fehlgeschlagen", "Check the user name"),
        ("owner", "owner", "tracker", "", "Datenbank .* existiert nicht", "Create the database"),
        ("idle", "idle", None, "", "Rolle .* hat keine Berechtigung zum Einloggen", "See whether the role exists"),
        ("bob", "bob", None, "", "keine Berechtigung f.r Datenbank .*", "GRANT CONNECT"),
        ("owner", "owner", None, "?replication=true", "kein pg_hba.conf-Eintrag .*", "See whether the role exists"),
        ("owner", "owner", None, "?options=-ccolour=red", "unbekannter Konfigurationsparameter .*", "Correct this"),
        ("owner", "owner", None, "?options=-cwork_mem=red", "ungültiger Wert für Parameter .*", "Correct this"),
        ("owner", "owner", None, "?options=-zz", "ungültiges Kommandozeilenargument .*", "Correct this"),
    ],
)
def test_what_does_not_pass_ends_a_start_at_once(
    server, database, run_runner, role, password, dbname, option, reason, remedy
):
    """psycopg2 gives no SQLSTATE of a refusal, and its text is in German."""
    server.execute("CREATE ROLE idle PASSWORD 'idle'; CREATE ROLE bob LOGIN PASSWORD 'bob'")
    server.execute(f"REVOKE CONNECT ON DATABASE {database.name} FROM public")
    try:
        url = server.url(dbname or database.name, role, password) + option
        result = run_runner("migrate", database=url, env=PATIENT, timeout=30)
    finally:
        server.execute("DROP ROLE idle; DROP ROLE bob")
    assert result.returncode == 5
    (line,) = result.stderr.splitlines()
    assert re.search(rf" error: Cannot use PostgreSQL at 127\.0\.0\.1:\d+/\w+: {reason}\. {remedy}", line)
    assert "Tr0ub4dor" not in line


def test_a_hopeless_host_among_others_is_not_the_end(server, tmp_path):
    url = f"postgresql://owner:wrong@127.0.0.1:1,127.0.0.1:{server.port}/postgres"
    with running("wait", url, tmp_path / "log", **PATIENT) as runner:
        assert "Connection refused; Passwort-Authentifizierung" in runner.says("Waiting for")
        assert runner.ends(signal.SIGTERM) == 143


def test_too_many_connections_pass(server, database, tmp_path):
    server.execute("ALTER ROLE owner CONNECTION LIMIT 1")
    try:
        with (
            contextlib.closing(database.connect()),
            running("wait", database.url, tmp_path / "log", **PATIENT) as runner,
        ):
            assert "zu viele Verbindungen" in runner.says("Waiting for")
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'owner'")
            assert runner.ends() == 0
    finally:
        server.execute("ALTER ROLE owner CONNECTION LIMIT -1")


def test_a_database_that_lets_nobody_in_for_now_passes(server, database, tmp_path):
    server.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    with running("wait", database.url, tmp_path / "log", **PATIENT) as runner:
        assert runner.says("Waiting for").endswith("keine Verbindungen")
        server.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
        assert runner.ends() == 0


def test_a_start_up_is_waited_for(server, database):
    local = server.local
    log = local.socket_folder / "log"
    local.stop()
    # Archive recovery begins by asking this command for a file, which has none once the runner has seen the server.
    local.settings["restore_command"] = f"until grep -qs 'Datenbanksystem startet' {log}; do sleep 0.05; done; false"
    local.place("recovery.signal", b"")
    with running("wait", database.url, log, **PATIENT) as runner:
        local.start()
        del local.settings["restore_command"]
        assert runner.ends() == 0
    assert len([line for line in runner.lines if "Datenbanksystem startet" in line]) == 1


def test_a_start_from_nothing_and_all_that_looks_at_it(database, run_runner):
    for command in ("plan", "migrate", "migrate", "verify", "status", "wait"):
        result = run_runner(command, database=database)
        assert (result.returncode, errors_in(result)) == (0, []), result.stderr


def test_a_migration_that_fails_is_told_in_the_words_of_the_server(migrated, installation):
    id = installation.add("wrong", "DO $$ BEGIN ALTER TABLE nothing ADD COLUMN a INTEGER; END; $$;\n")
    result = installation.run("migrate", database=migrated)
    assert result.returncode == 6
    (line,) = errors_in(result)
    assert line.startswith(f"{id} failed and was rolled back: Relation »nothing« existiert nicht. Statement: ")
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]


def test_a_locked_table_is_told(migrated, run_runner):
    with contextlib.closing(migrated.connect()) as somebody:
        somebody.autocommit = False
        somebody.cursor().execute("LOCK TABLE time_entries")
        result = run_runner("migrate", database=migrated)
    assert result.returncode == 5
    assert "has locked a table of TimeTracker" in result.stderr


def test_a_heal_that_could_not_get_its_lock_is_tried_again(migrated, run_runner):
    migrated.execute("DROP TRIGGER update_users_updated_at ON users")
    with contextlib.closing(migrated.connect()) as somebody:
        somebody.autocommit = False
        somebody.cursor().execute("LOCK TABLE users IN ACCESS SHARE MODE")
        result = run_runner("migrate", database=migrated, env={"LOCK_WAIT_SECONDS": "0"})
    assert result.returncode == 1
    assert "the next start tries again" in result.stderr
    assert run_runner("migrate", database=migrated).returncode == 0


def test_a_signal_cancels_the_statement(migrated, installation):
    installation.add("slow", "SELECT pg_sleep(60);\n")
    installation.end_patiently()
    with installation.start("migrate", database=migrated) as process:
        wait_for(lambda: migrated.query(SLEEPING))
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[1]
    assert process.returncode == 143
    assert "error" not in said
    assert migrated.query("SELECT count(*) FROM yoyo_lock") == [(0,)]


def test_a_session_that_the_server_ends_is_told(migrated, installation):
    installation.add("slow", "SELECT pg_sleep(60);\n")
    with installation.start("migrate", database=migrated) as process:
        wait_for(lambda: migrated.query(SLEEPING))
        ((pid,),) = migrated.query(SLEEPING)
        migrated.query("SELECT pg_terminate_backend(%s)", pid)
        said = process.communicate()[1]
    assert process.returncode == 5
    assert "Verbindung wird abgebrochen aufgrund von Anweisung des Administrators" in said
