"""The environment: what each variable may hold, and what is said of what it may not."""

import os
import tempfile
from pathlib import Path

import pytest
from listeners import closed_port
from local_postgres.account import acting_as
from psycopg2.extensions import make_dsn, parse_dsn

from startup.configuration import Configuration, read_configuration
from startup.errors import UsageError

URL = "postgresql://alice:secret@db.example/tracker"
NOBODY = 65534


def configuration(**variables: str) -> Configuration:
    return read_configuration({"DATABASE_URL": URL, **variables})


def problems(**variables: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        configuration(**variables)
    return list(caught.value.problems)


def test_everything_but_the_database_has_a_default():
    assert configuration() == Configuration(
        conninfo="user=alice password=secret dbname=tracker host=db.example",
        migration_conninfo=None,
        database_wait_seconds=60,
        lock_wait_seconds=300,
        heal=True,
        backup_dir=None,
        adopt_without_backup=False,
        listen_address="127.0.0.1",
        port=8080,
        startup_probe=False,
        base_url=None,
        trust_proxy=0,
        auth_proxy_header=None,
        auth_proxy_networks=(),
        secret_key=None,
        metrics_token=None,
        legacy_timezone=None,
        admin_username="admin",
        admin_password_file=None,
        settings={
            "timezone": None,
            "currency": None,
            "rounding_minutes": None,
            "single_active_timer": None,
            "allow_self_register": None,
            "idle_timeout_minutes": None,
        },
    )


def test_an_empty_variable_counts_as_unset():
    names = ["DATABASE_WAIT_SECONDS", "HEAL", "LOG_FORMAT", "LISTEN_ADDRESS", "PORT", "SECRET_KEY", "SECRET_KEY_FILE"]
    names += ["ADMIN_USERNAMES", "TZ", "CURRENCY", "ROUNDING_MINUTES", "SINGLE_ACTIVE_TIMER", "WEB_CONCURRENCY"]
    assert configuration(**dict.fromkeys(names, "  ")) == configuration()


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("DATABASE_WAIT_SECONDS", "0", "database_wait_seconds", 0),
        ("LOCK_WAIT_SECONDS", "86400", "lock_wait_seconds", 86400),
        ("HEAL", "off", "heal", False),
        ("HEAL", "YES", "heal", True),
        ("BACKUP_DIR", "/backups", "backup_dir", "/backups"),
        ("ADOPT_WITHOUT_BACKUP", "yes", "adopt_without_backup", True),
        ("PORT", " 8000\n", "port", 8000),
        ("PORT", "65535", "port", 65535),
        ("LISTEN_ADDRESS", "0.0.0.0", "listen_address", "0.0.0.0"),
        ("LISTEN_ADDRESS", "::", "listen_address", "::"),
        ("LISTEN_ADDRESS", "[::1]", "listen_address", "::1"),
        ("LISTEN_ADDRESS", "localhost", "listen_address", "localhost"),
        ("SECRET_KEY", "Tr0ub4dor", "secret_key", "Tr0ub4dor"),
        ("BASE_URL", "https://time.example.org/", "base_url", "https://time.example.org"),
        ("BASE_URL", "http://[::1]:8080", "base_url", "http://[::1]:8080"),
        ("TRUST_PROXY", "Yes", "trust_proxy", 1),
        ("TRUST_PROXY", "off", "trust_proxy", 0),
        ("TRUST_PROXY", "2", "trust_proxy", 2),
        ("LEGACY_TIMEZONE", "Europe/Rome", "legacy_timezone", "Europe/Rome"),
        ("LEGACY_TIMEZONE", "Utc", "legacy_timezone", "utc"),
        ("LEGACY_TIMEZONE", "Etc/UTC", "legacy_timezone", "utc"),
        ("ADMIN_USERNAMES", "carol, alice", "admin_username", "carol"),
        ("ADMIN_USERNAMES", " ,carol", "admin_username", "carol"),
        ("ADMIN_USERNAMES", ",", "admin_username", "admin"),
    ],
)
def test_a_variable_sets(name, value, field, expected):
    assert getattr(configuration(**{name: value}), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "column", "expected"),
    [
        ("TZ", "Europe/Rome", "timezone", "Europe/Rome"),
        ("TZ", "UTC", "timezone", "UTC"),
        ("CURRENCY", "CHF", "currency", "CHF"),
        ("ROUNDING_MINUTES", "15", "rounding_minutes", 15),
        ("SINGLE_ACTIVE_TIMER", "No", "single_active_timer", False),
        ("ALLOW_SELF_REGISTER", "1", "allow_self_register", True),
        ("ALLOW_SELF_REGISTER", "false", "allow_self_register", False),
        ("IDLE_TIMEOUT_MINUTES", "1440", "idle_timeout_minutes", 1440),
    ],
)
def test_a_variable_sets_a_column_of_the_first_settings_row(name, value, column, expected):
    assert configuration(**{name: value}).settings[column] == expected


A_PORT = "a whole number from 1 to 65535"
YES_OR_NO = "yes or no (or true/false, on/off, 1/0)"
AN_ORIGIN = "where people reach TimeTracker, without a path, such as https://time.example.org"
AN_ADDRESS = "an address such as 127.0.0.1, 0.0.0.0 or ::, without a port"
WRONG = [
    ("DATABASE_WAIT_SECONDS", "abc", "a whole number from 0 to 86400"),
    ("DATABASE_WAIT_SECONDS", "60s", "a whole number from 0 to 86400"),
    ("DATABASE_WAIT_SECONDS", "-1", "a whole number from 0 to 86400"),
    ("LOCK_WAIT_SECONDS", "1.5", "a whole number from 0 to 86400"),
    ("LOCK_WAIT_SECONDS", "99999999999999999999", "a whole number from 0 to 86400"),
    ("HEAL", "maybe", YES_OR_NO),
    ("ADOPT_WITHOUT_BACKUP", "perhaps", YES_OR_NO),
    ("LOG_FORMAT", "xml", "text or json"),
    ("PORT", "0", A_PORT),
    ("PORT", "65536", A_PORT),
    ("PORT", "http", A_PORT),
    ("PORT", "²", A_PORT),
    ("LISTEN_ADDRESS", "0.0.0.0:8080", AN_ADDRESS),
    ("LISTEN_ADDRESS", "*", AN_ADDRESS),
    ("LISTEN_ADDRESS", "my host", AN_ADDRESS),
    ("LISTEN_ADDRESS", "höst", AN_ADDRESS),
    ("LISTEN_ADDRESS", "unix:/run/x", AN_ADDRESS),
    ("TZ", "Europe/Atlantis", "a time zone such as Europe/Rome"),
    ("LEGACY_TIMEZONE", "Europe/Atlantis", "a time zone such as Europe/Rome, or utc"),
    ("TZ", "Europe", "a time zone such as Europe/Rome"),
    ("TZ", "../../etc/passwd", "a time zone such as Europe/Rome"),
    ("TZ", "CET-1CEST,M3.5.0", "a time zone such as Europe/Rome"),
    ("CURRENCY", "eur", "three capital letters such as EUR"),
    ("CURRENCY", "EURO", "three capital letters such as EUR"),
    ("CURRENCY", "€", "three capital letters such as EUR"),
    ("ROUNDING_MINUTES", "0", "a whole number from 1 to 60"),
    ("SINGLE_ACTIVE_TIMER", "ja", YES_OR_NO),
    ("ALLOW_SELF_REGISTER", "2", YES_OR_NO),
    ("IDLE_TIMEOUT_MINUTES", "1441", "a whole number from 1 to 1440"),
    ("BASE_URL", "time.example.org", AN_ORIGIN),
    ("BASE_URL", "https://time.example.org/app", AN_ORIGIN),
    ("BASE_URL", "https://user@time.example.org", AN_ORIGIN),
    ("BASE_URL", "javascript:alert(1)", AN_ORIGIN),
    ("TRUST_PROXY", "all", "yes, no, or a whole number up to 10"),
    ("TRUST_PROXY", "11", "yes, no, or a whole number up to 10"),
    ("WEB_CONCURRENCY", "many", "a whole number from 1 to 1000"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_wrong_value_is_told_with_what_was_expected(name, value, expected):
    assert problems(**{name: value}) == [f"{name}={value}: expected {expected}"]


def test_a_header_is_believed_together_with_an_address_only():
    both = configuration(AUTH_PROXY_HEADER="X-Forwarded-User", AUTH_PROXY_ADDRESS="10.0.0.7, fd00::/64")
    assert both.auth_proxy_header == "X-Forwarded-User"
    assert [str(network) for network in both.auth_proxy_networks] == ["10.0.0.7/32", "fd00::/64"]
    for alone in ({"AUTH_PROXY_HEADER": "X-Forwarded-User"}, {"AUTH_PROXY_ADDRESS": "10.0.0.7"}):
        (problem,) = problems(**alone)
        assert problem.startswith("AUTH_PROXY_HEADER and AUTH_PROXY_ADDRESS belong together: expected the header")
    (problem,) = problems(AUTH_PROXY_HEADER="X-Forwarded-User", AUTH_PROXY_ADDRESS="10.0.0.7/8")
    assert problem.startswith("AUTH_PROXY_ADDRESS=10.0.0.7/8: expected addresses or networks separated by commas")
    (problem,) = problems(AUTH_PROXY_HEADER="X_Forwarded User", AUTH_PROXY_ADDRESS="10.0.0.7")
    assert problem == "AUTH_PROXY_HEADER=X_Forwarded User: expected the name of a header such as X-Forwarded-User"


def test_a_name_of_an_administrator_that_no_column_could_hold_is_refused():
    assert configuration(ADMIN_USERNAMES="a" * 80).admin_username == "a" * 80
    assert problems(ADMIN_USERNAMES="a" * 81) == ["ADMIN_USERNAMES: the first name has over 80 characters"]
    unprintable = "ADMIN_USERNAMES: the first name has characters that cannot be printed"
    assert problems(ADMIN_USERNAMES="car\x07ol") == [unprintable]


@pytest.mark.parametrize("command", ["serve", "invite", "wait", "migrate", "verify", "status", "plan", "snapshot"])
def test_every_command_tells_all_problems_at_once_one_line_each(command, run_runner):
    result = run_runner(
        command,
        database=f"postgresql://alice:secret@127.0.0.1:{closed_port()}/tracker?colour=red",
        env={"TZ": "Mars/Phobos", "CURRENCY": "euro", "PORT": "80\n80", "HEAL": "jein", "SECRET_KEY_FILE": "/etc/none"},
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert [line.partition(" ")[2] for line in result.stderr.splitlines()] == [
        "error: DATABASE_URL is malformed: it has an option that PostgreSQL does not know (colour); leave it out",
        f"error: HEAL=jein: expected {YES_OR_NO}",
        f"error: PORT=80 80: expected {A_PORT}",
        "error: SECRET_KEY_FILE=/etc/none: cannot be read: No such file or directory",
        "error: TZ=Mars/Phobos: expected a time zone such as Europe/Rome",
        "error: CURRENCY=euro: expected three capital letters such as EUR",
    ]


# --- DATABASE_URL, DATABASE_URL_FILE, PG* ---

NEEDED = "expected postgresql://user:password@host:5432/database (or DATABASE_URL_FILE, or PGHOST and its like)"


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({}, f"DATABASE_URL is not set: {NEEDED}"),
        ({"PGUSER": "alice", "PGPASSWORD": "secret"}, f"DATABASE_URL is not set: {NEEDED}"),
        ({"DATABASE_URL": ""}, f"DATABASE_URL is empty: {NEEDED}"),
        ({"DATABASE_URL": " \n"}, f"DATABASE_URL is empty: {NEEDED}"),
        ({"DATABASE_URL_FILE": ""}, f"DATABASE_URL is empty: {NEEDED}"),
    ],
)
def test_the_database_must_be_named(variables, problem):
    with pytest.raises(UsageError) as caught:
        read_configuration(variables)
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"])
def test_libpqs_own_variables_name_it_too(name):
    assert read_configuration({name: "x"}).conninfo == ""


@pytest.mark.parametrize(
    "content",
    [URL, f"{URL}\n", f"{URL}\r\n", f"\n  {URL}  \n\n", f"\ufeff{URL}\n"],
    ids=["bare", "newline", "crlf", "blanks", "byte-order-mark"],
)
def test_the_url_comes_from_a_file_too(content, tmp_path):
    file = tmp_path / "url"
    file.write_bytes(content.encode())
    assert read_configuration({"DATABASE_URL_FILE": str(file)}) == configuration()
    assert read_configuration({"DATABASE_URL_FILE": str(file), "DATABASE_URL": ""}) == configuration()


def test_the_secret_key_comes_from_a_file_too(tmp_path):
    file = tmp_path / "key"
    file.write_text("Tr0ub4dor\n")
    assert configuration(SECRET_KEY_FILE=str(file)).secret_key == "Tr0ub4dor"


def test_a_variable_and_its_file_together_are_a_question_that_only_the_operator_can_answer(tmp_path):
    file = tmp_path / "secret"
    file.write_text(URL)
    assert problems(DATABASE_URL_FILE=str(file), SECRET_KEY="k", SECRET_KEY_FILE=str(file)) == [
        "DATABASE_URL and DATABASE_URL_FILE are both set: expected one of them",
        "SECRET_KEY and SECRET_KEY_FILE are both set: expected one of them",
    ]


@pytest.mark.parametrize("name", ["DATABASE_URL_FILE", "SECRET_KEY_FILE", "PGPASSWORD_FILE"])
def test_a_file_that_is_missing_empty_a_folder_or_no_text_is_told(name, tmp_path):
    def problem(path: Path) -> str:
        with pytest.raises(UsageError) as caught:
            read_configuration({**({} if name == "DATABASE_URL_FILE" else {"DATABASE_URL": URL}), name: str(path)})
        (told,) = caught.value.problems
        return told

    missing, empty, binary = tmp_path / "missing", tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n" if name == "PGPASSWORD_FILE" else " \n")
    binary.write_bytes("p\u00e4ss".encode("utf-16"))
    assert problem(missing) == f"{name}={missing}: cannot be read: No such file or directory"
    assert problem(empty) == f"{name}={empty}: the file is empty"
    assert problem(tmp_path) == f"{name}={tmp_path}: cannot be read: Is a directory"
    assert problem(binary) == f"{name}={binary}: cannot be read: it is not UTF-8 text"


def test_a_file_that_this_user_may_not_read_is_told():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "url")
        file.write_text(URL)
        file.chmod(0)
        Path(folder).chmod(0o755)
        with pytest.raises(UsageError) as caught, acting_as(NOBODY, NOBODY):  # root may read everything
            read_configuration({"DATABASE_URL_FILE": str(file)})
    assert caught.value.problems == (f"DATABASE_URL_FILE={file}: cannot be read: Permission denied",)


@pytest.mark.parametrize("name", ["DATABASE_URL_FILE", "SECRET_KEY_FILE", "PGPASSWORD_FILE"])
@pytest.mark.parametrize("secret", [URL, "Tr0ub4dor", "Tr0ub/4dor", "/Tr0ub4dor", "host=h password=Tr0ub4dor"])
def test_the_secret_itself_in_the_place_of_a_path_is_not_shown(name, secret):
    with pytest.raises(UsageError) as caught:
        read_configuration({name: secret, **({} if name == "DATABASE_URL_FILE" else {"PGHOST": "h"})})
    assert caught.value.problems == (
        f"{name} (expected the path of a file): cannot be read: No such file or directory",
    )


def test_a_malformed_url_in_a_file_is_told_of_the_file(tmp_path):
    file = tmp_path / "url"
    file.write_text(f"{URL}\n{URL}\n")
    with pytest.raises(UsageError) as caught:
        read_configuration({"DATABASE_URL_FILE": str(file)})
    assert caught.value.problems == (
        "DATABASE_URL_FILE is malformed: it has several lines or characters that cannot be printed; expected one line",
    )


@pytest.mark.parametrize(
    ("content", "password"),
    [("Tr0ub4dor", "Tr0ub4dor"), ("Tr0ub4dor\n\n", "Tr0ub4dor"), (" p'\\ä\n", " p'\\ä")],
    ids=["bare", "newlines", "blanks-and-quotes"],
)
def test_the_password_comes_from_a_file_as_a_shell_reads_it(content, password, tmp_path):
    file = tmp_path / "password"
    file.write_text(content, encoding="utf-8")

    def read(**variables: str) -> dict[str, str]:
        return parse_dsn(read_configuration({"PGPASSWORD_FILE": str(file), **variables}).conninfo)

    given = {"host": "db.example", "user": "alice", "password": password}
    assert read(DATABASE_URL="postgresql://alice@db.example") == given
    assert read(DATABASE_URL="postgresql://alice:@db.example") == given
    assert read(PGHOST="db.example") == {"password": password}
    assert read(DATABASE_URL=URL)["password"] == "secret", "the one of the URL comes first, as libpq has it"
    # The image's own entry point has read it for yoyo.
    assert "password" not in read(DATABASE_URL="postgresql://alice@db.example", PGPASSWORD="x")
    owner = {"MIGRATION_DATABASE_URL": "postgresql://owner@db.example", "PGPASSWORD_FILE": str(file)}
    assert parse_dsn(configuration(**owner).migration_conninfo)["password"] == password


def test_a_password_that_libpq_cannot_take_is_told_and_not_shown(tmp_path):
    file = tmp_path / "password"
    file.write_text("Tr0ub\0dor")
    assert problems(PGPASSWORD_FILE=str(file)) == [
        f"PGPASSWORD_FILE={file}: cannot be read: it is no text, for there is a NUL in it"
    ]


def test_every_command_takes_the_password_from_the_file(migrated, run_runner, tmp_path):
    """Such as by `docker compose exec app python runner.py invite admin`, which no entry point comes before."""
    parameters = parse_dsn(migrated.url)
    (tmp_path / "password").write_text(parameters.pop("password", "none") + "\n")
    env = {"DATABASE_URL": make_dsn(**parameters), "PGPASSWORD_FILE": str(tmp_path / "password")}
    result = run_runner("invite", "admin", env=env)
    assert result.returncode == 0, result.stderr
    assert "/invitation/" in result.stdout


@pytest.mark.parametrize("name", ["DATABASE_URL", "ADMIN_USERNAMES", "SECRET_KEY", "TZ", "BACKUP_DIR", "HEAL"])
def test_bytes_that_are_no_text_are_told_once_and_not_shown(name, run_runner):
    env = {"DATABASE_URL": "postgresql://u@db.invalid/d", name: os.fsdecode(b"Tr0ub\xff4dor")}
    result = run_runner("migrate", env=env)
    assert result.returncode == 2
    assert result.stderr.partition(" ")[2] == f"error: {name}: it has bytes that are no text; expected UTF-8\n"


def test_the_url_for_migrations_is_read_like_the_other(tmp_path):
    file = tmp_path / "url"
    file.write_text("postgresql+psycopg2://owner@direct.example/tracker\n")
    expected = "user=owner dbname=tracker host=direct.example"
    assert configuration(MIGRATION_DATABASE_URL_FILE=str(file)).migration_conninfo == expected
    assert configuration(MIGRATION_DATABASE_URL=file.read_text()).migration_conninfo == expected
    assert configuration(MIGRATION_DATABASE_URL=" ").migration_conninfo is None


def test_a_malformed_url_for_migrations_is_named_without_its_password():
    (problem,) = problems(MIGRATION_DATABASE_URL="mysql://owner:secret@db.example/tracker")
    assert problem.startswith("MIGRATION_DATABASE_URL is malformed: it begins with mysql://")
    assert "secret" not in problem
