"""The way in for the first administrator: a link, or a password out of a secret file; and nothing that is known."""

import contextlib
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from background import running
from blocking import transaction
from installation import ROOT, contents_of, errors_in
from listeners import closed_port

pytestmark = pytest.mark.only_pg("pg18")

GOOD = "quite a long sentence"
COMMAND = "No administrator has a password yet: python runner.py invite"
UPDATE = "UPDATE users SET role = role WHERE username = 'admin'"
LOCKED = "Another transaction has held the row of a user that is needed here, or its table, for over 5 s"


def kept(database) -> list[tuple]:
    return [
        (name, bytes(digest), used)
        for name, digest, used in database.query(
            "SELECT username, token_sha256, used_at FROM sign_in_invitations, users WHERE users.id = user_id ORDER BY 1"
        )
    ]


def passwords(database) -> dict[str, str]:
    return dict(
        database.query("SELECT username, password_hash FROM sign_in_credentials, users WHERE users.id = user_id")
    )


def serve_for_a_moment(database, run_runner, **env: str) -> subprocess.CompletedProcess[str]:
    """As far as Gunicorn, which loads the app and ends."""
    return run_runner("serve", database=database, env={"GUNICORN_CMD_ARGS": "--check-config", **env})


class TestInvite:
    def test_prints_nothing_but_a_link_of_which_only_the_hash_is_kept(self, migrated, run_runner):
        result = run_runner("invite", "admin", database=migrated, env={"PORT": "8081"})
        assert result.returncode == 0
        token = re.fullmatch(r"http://localhost:8081/invitation/([\w-]{43})\n", result.stdout)[1]
        assert token not in result.stderr
        assert "The link lets admin set a password, once, until " in result.stderr
        assert (
            "BASE_URL is not set: where people reach TimeTracker by another address, put that in place of"
            " http://localhost:8081"
        ) in result.stderr
        assert kept(migrated) == [("admin", hashlib.sha256(token.encode()).digest(), None)]
        [(expires_at,)] = migrated.query("SELECT expires_at FROM sign_in_invitations")
        now = datetime.now(UTC).replace(tzinfo=None)
        assert timedelta(days=6, hours=23) < expires_at - now <= timedelta(days=7)

    def test_a_new_one_voids_the_one_before(self, migrated, run_runner):
        first, second = (run_runner("invite", "admin", database=migrated).stdout for _ in range(2))
        assert first != second
        [(_, digest, _)] = kept(migrated)
        assert digest == hashlib.sha256(second.strip().rpartition("/")[2].encode()).digest()

    def test_leads_to_where_the_app_is(self, migrated, run_runner):
        result = run_runner("invite", "admin", database=migrated, env={"BASE_URL": "https://time.example.org/"})
        assert result.stdout.startswith("https://time.example.org/invitation/")
        assert "BASE_URL" not in result.stderr

    def test_an_unknown_name_ends_with_2_and_names_to_choose_from(self, migrated, run_runner):
        result = run_runner("invite", "daev", database=migrated)
        assert (result.returncode, result.stdout) == (2, "")
        assert errors_in(result) == [
            "No user is called daev: expected a user's name, such as admin. An administrator adds people on the page"
            " People"
        ]

    def test_takes_a_name_in_other_letters_where_it_is_clear_who_is_meant(self, migrated, run_runner):
        migrated.execute("INSERT INTO users (username) VALUES ('Alice'), ('BOB'), ('bob')")
        assert "lets Alice set" in run_runner("invite", "alice", database=migrated).stderr
        assert "lets bob set" in run_runner("invite", "bob", database=migrated).stderr
        result = run_runner("invite", "Bob", database=migrated)
        assert result.returncode == 2
        assert errors_in(result)[0].startswith("Several users are called Bob: expected a user's name, such as admin")

    def test_refuses_who_is_deactivated(self, migrated, run_runner):
        migrated.execute("UPDATE users SET is_active = false")
        result = run_runner("invite", "admin", database=migrated)
        assert result.returncode == 2
        assert "admin is deactivated: let an administrator activate them" in errors_in(result)[0]
        assert kept(migrated) == []

    def test_says_that_a_database_must_be_migrated_first(self, database, run_runner):
        result = run_runner("invite", "admin", database=database)
        assert result.returncode == 5
        assert errors_in(result)[0].endswith("python runner.py migrate")

    @pytest.mark.parametrize("arguments", [[], ["admin", "carol"]])
    def test_takes_one_name(self, arguments, migrated, run_runner):
        assert run_runner("invite", *arguments, database=migrated).returncode == 2

    def test_two_at_once_leave_one_link(self, migrated, installation):
        with contextlib.ExitStack() as stack:
            started = [stack.enter_context(installation.start("invite", "admin", database=migrated)) for _ in range(4)]
            links = [process.communicate()[0] for process in started]
        assert len(set(links)) == 4
        assert len(kept(migrated)) == 1

    @pytest.mark.parametrize("statement", [UPDATE, "LOCK TABLE users"])
    def test_says_so_when_somebody_holds_the_row_and_does_not_wait_for_ever(self, statement, migrated, run_runner):
        with transaction(migrated, statement):
            result = run_runner("invite", "admin", database=migrated)
        assert (result.returncode, result.stdout) == (5, "")
        (line,) = errors_in(result)
        assert line.startswith(LOCKED if statement == UPDATE else "Another session has locked a table")
        assert kept(migrated) == []

    def test_works_for_somebody_of_an_old_database(self, database, load_sql, run_runner):
        load_sql(database, "tests/legacy/04-v105-sql-4tables.sql")
        assert run_runner("migrate", database=database).returncode == 0
        [(name,)] = database.query("SELECT username FROM users WHERE is_active ORDER BY id LIMIT 1")
        assert "/invitation/" in run_runner("invite", name, database=database).stdout


class TestServe:
    def test_names_the_command_where_a_log_is_written_and_writes_nothing(self, migrated, run_runner):
        serve_for_a_moment(migrated, run_runner)
        before = contents_of(migrated)
        result = serve_for_a_moment(migrated, run_runner)
        assert f"{COMMAND} admin prints a link to set one" in result.stderr
        assert "/invitation/" not in result.stderr + result.stdout
        assert contents_of(migrated) == before

    def test_prints_the_link_on_a_terminal(self, migrated):
        said = serve_on_a_terminal(migrated)
        token = re.search(r"http://localhost:\d+/invitation/([\w-]{43})", said)[1]
        assert "admin sets one here, once, within 7 days" in said
        assert [digest for _, digest, _ in kept(migrated)] == [hashlib.sha256(token.encode()).digest()]

    def test_says_nothing_once_an_administrator_has_a_password(self, migrated, run_runner):
        migrated.execute("INSERT INTO sign_in_credentials (user_id, password_hash) SELECT id, 'x' FROM users")
        assert "password" not in serve_for_a_moment(migrated, run_runner).stderr
        assert "/invitation/" not in serve_on_a_terminal(migrated)
        assert kept(migrated) == []

    def test_a_password_of_a_member_or_of_somebody_deactivated_is_not_enough(self, migrated, run_runner):
        migrated.execute(
            "INSERT INTO users (username, role, is_active) VALUES ('alice', 'user', true), ('dora', 'admin', false);"
            "INSERT INTO sign_in_credentials (user_id, password_hash) SELECT id, 'x' FROM users WHERE id > 1"
        )
        assert f"{COMMAND} admin " in serve_for_a_moment(migrated, run_runner).stderr

    def test_quotes_a_name_for_the_shell(self, migrated, run_runner):
        migrated.execute("UPDATE users SET username = 'Carol; rm -rf'")
        assert f"{COMMAND} 'Carol; rm -rf' prints" in serve_for_a_moment(migrated, run_runner).stderr

    def test_says_so_when_somebody_holds_the_row_on_a_terminal(self, migrated):
        with transaction(migrated, UPDATE):
            said = serve_on_a_terminal(migrated, code=5)
        assert LOCKED in said

    def test_says_that_there_is_no_administrator(self, migrated, run_runner):
        migrated.execute("UPDATE users SET role = 'user'")
        said = serve_for_a_moment(migrated, run_runner).stderr
        assert "Nobody is an active administrator: UPDATE users SET role" in said


class TestAdminPasswordFile:
    @pytest.fixture
    def secret(self, tmp_path):
        """Return a function that writes a secret file, and gives its path."""

        def write(text: str) -> str:
            (tmp_path / "secret").write_text(text)
            return str(tmp_path / "secret")

        return write

    def test_sets_the_password_of_the_first_administrator_once(self, migrated, run_runner, secret):
        result = serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=secret(f"{GOOD}\n"))
        assert "Set the password of admin from ADMIN_PASSWORD_FILE" in result.stderr
        assert GOOD not in result.stderr + result.stdout
        before = passwords(migrated)
        assert PasswordHasher().verify(before["admin"], GOOD)
        assert before["admin"].startswith("$argon2id$")

        result = serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=secret("another long sentence"))
        assert "ADMIN_PASSWORD_FILE" not in result.stderr
        assert passwords(migrated) == before

    def test_says_so_when_somebody_holds_the_row_of_an_administrator(self, migrated, run_runner, secret):
        with transaction(migrated, UPDATE):
            result = serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=secret(GOOD))
        assert result.returncode == 5
        assert errors_in(result)[0].startswith(LOCKED)
        assert passwords(migrated) == {}

    def test_prefers_who_admin_usernames_names(self, migrated, run_runner, secret):
        migrated.execute("INSERT INTO users (username, role) VALUES ('carol', 'admin')")
        serve_for_a_moment(migrated, run_runner, ADMIN_USERNAMES="carol", ADMIN_PASSWORD_FILE=secret(GOOD))
        assert set(passwords(migrated)) == {"carol"}

    def test_gives_no_administrator_a_password_while_another_has_one(self, migrated, run_runner, secret):
        migrated.execute(
            "INSERT INTO users (username, role) VALUES ('carol', 'admin');"
            "INSERT INTO sign_in_credentials (user_id, password_hash) SELECT id, 'x' FROM users WHERE id > 1"
        )
        serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=secret(GOOD))
        assert passwords(migrated) == {"carol": "x"}

    def test_a_first_start_may_bring_everything(self, database, run_runner, secret):
        serve_for_a_moment(database, run_runner, ADMIN_USERNAMES="carol", ADMIN_PASSWORD_FILE=secret(GOOD))
        assert set(passwords(database)) == {"carol"}

    @pytest.mark.parametrize("weak", ["short", "admin123admin", "aaaaaaaaaaaaaa"])
    def test_a_weak_one_ends_the_start_with_2_and_is_not_shown(self, weak, migrated, run_runner, secret):
        result = serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=secret(weak))
        assert result.returncode == 2
        assert [line.partition(": ")[0] for line in errors_in(result)] == ["ADMIN_PASSWORD_FILE"]
        assert weak not in result.stderr
        assert passwords(migrated) == {}

    def test_several_lines_are_refused_as_no_browser_could_send_them(self, migrated, run_runner, secret):
        file = secret(f"{GOOD}\r\nfor admin\n")
        result = serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=file)
        assert result.returncode == 2
        assert errors_in(result) == [f"ADMIN_PASSWORD_FILE={file}: it has several lines; expected one, the password"]
        assert passwords(migrated) == {}

    def test_a_weak_one_is_told_before_anything_is_migrated(self, database, run_runner, secret):
        before = contents_of(database)
        assert serve_for_a_moment(database, run_runner, ADMIN_PASSWORD_FILE=secret("short")).returncode == 2
        assert contents_of(database) == before

    def test_the_file_may_go_once_an_administrator_has_a_password(self, migrated, run_runner, secret, tmp_path):
        absent = str(tmp_path / "absent")
        result = serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=absent)
        assert result.returncode == 2
        assert errors_in(result) == [f"ADMIN_PASSWORD_FILE={absent}: cannot be read: No such file or directory"]
        assert serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=secret(GOOD)).returncode == 0
        assert serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD_FILE=absent).returncode == 0

    @pytest.mark.parametrize("command", ["wait", "migrate", "verify"])
    def test_no_other_command_reads_it(self, command, migrated, run_runner, tmp_path):
        env = {"ADMIN_PASSWORD_FILE": str(tmp_path / "absent")}
        assert run_runner(command, database=migrated, env=env).returncode == 0

    def test_no_variable_holds_it(self, migrated, run_runner):
        assert COMMAND in serve_for_a_moment(migrated, run_runner, ADMIN_PASSWORD=GOOD).stderr
        assert passwords(migrated) == {}


@pytest.mark.needs("linux")
def test_with_the_link_of_the_log_nobody_gets_in(migrated, tmp_path):
    """What a log collector sees of a start, as JSON too."""
    env = {"PORT": str(closed_port()), "WEB_CONCURRENCY": "1", "LOG_FORMAT": "json"}
    with running("serve", migrated.url, tmp_path / "log", **env) as runner:
        runner.get(int(env["PORT"]))
        messages = [json.loads(line)["message"] for line in runner.lines]
    assert any(COMMAND in message for message in messages)
    assert kept(migrated) == []


def serve_on_a_terminal(database, code: int = 0) -> str:
    """Start as far as Gunicorn on a terminal of its own, and return what it said."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        with open(theirs, "wb", buffering=0) as terminal:
            result = subprocess.run(
                [sys.executable, str(ROOT / "runner.py"), "serve"],
                env={
                    "PATH": os.environ["PATH"],
                    "DATABASE_URL": database.url,
                    "PORT": str(closed_port()),
                    "GUNICORN_CMD_ARGS": "--check-config",
                },
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=terminal,
                timeout=60,
            )
        assert result.returncode == code
        said = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := screen.read(4096):
                said += piece
        assert said
        return said.decode()
