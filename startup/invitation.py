"""How people get in who have no password yet: a link, good for one use within 7 days. Only its hash is kept."""

import hashlib
import secrets
import shlex
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from psycopg2.errors import InsufficientPrivilege, LockNotAvailable, UndefinedColumn, UndefinedTable

from startup import log
from startup.catalog import State, ask, question
from startup.configuration import Configuration, Environment
from startup.errors import DatabaseUnusableError, UsageError
from startup.session import session

LIFETIME = timedelta(days=7)
LISTED = 10


def hash_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def make(cursor, user_id: int, now: datetime) -> str:
    """Invite the user at the moment `now` (UTC, no zone), which voids earlier invitations, and return the token."""
    token = secrets.token_urlsafe(32)
    values = {"user": user_id, "hash": hash_of(token), "now": now, "until": now + LIFETIME}
    cursor.execute(question("invite"), values)
    return token


def invite(configuration: Configuration, name: str | None) -> None:
    """Print a link by which the user of that name sets a password: runner.py invite USER.

    Raises UsageError where nobody, or more than one, is called so, or they are deactivated.
    """
    if name is None:
        raise UsageError("invite: expected the name of a user, such as invite admin")
    with _accounts(configuration) as cursor:
        user_id, username = _user_called(cursor, name)
        now = _now()
        link = _link(configuration, make(cursor, user_id, now))
    until = f"{now + LIFETIME:%Y-%m-%d %H:%M} UTC"
    log.write(f"The link lets {username} set a password, once, until {until}; earlier links of {username} are void")
    print(link)


def require_first_password(configuration: Configuration, state: State) -> None:
    """See, before anything is changed, that ADMIN_PASSWORD_FILE can be taken where it will be needed.

    It will where no administrator has a password, or there is no table for passwords yet. Raises UsageError.
    """
    if not state.has_table("sign_in_credentials") or (state.lacks_administrator and state.administrator):
        _first_password(configuration)


def see_to_administrator(configuration: Configuration, state: State) -> None:
    """Where no active administrator has a password: set the given one, print a link on a terminal, or name the command.

    Where the output goes to a log there is no link: whoever reads the log could use it.
    """
    if state.administrator is None:
        log.write(
            "Nobody is an active administrator: UPDATE users SET role = 'admin', is_active = true WHERE username = ...,"
            " then python runner.py invite NAME"
        )
    elif configuration.admin_password_file is not None:
        _set_first_password(configuration)
    elif sys.stderr is not None and sys.stderr.isatty():
        with _accounts(configuration) as cursor:
            user_id, username = _user_called(cursor, state.administrator[0])
            link = _link(configuration, make(cursor, user_id, _now()))
        log.write(f"No administrator has a password yet. {username} sets one here, once, within 7 days: {link}")
    else:
        name = shlex.quote(state.administrator[0])
        log.write(f"No administrator has a password yet: python runner.py invite {name} prints a link to set one")


def _set_first_password(configuration: Configuration) -> None:
    from startup.passwords import hash_of as password_hash_of  # argon2, which no other start needs

    values = {
        "hash": password_hash_of(_first_password(configuration)),
        "name": configuration.admin_username,
        "now": _now(),
    }
    with _accounts(configuration) as cursor:
        cursor.execute(question("first_password"), values)
        if row := cursor.fetchone():  # another start was not quicker
            log.write(
                f"Set the password of {row[0]} from ADMIN_PASSWORD_FILE, which nothing reads while an administrator has"
                " a password"
            )


def _first_password(configuration: Configuration) -> str:
    """Read the password out of ADMIN_PASSWORD_FILE. Raises UsageError where it cannot be read, or is too weak."""
    from startup.passwords import problem_with  # only where it is needed

    environment = Environment({"ADMIN_PASSWORD_FILE": configuration.admin_password_file})
    password = environment.file("ADMIN_PASSWORD_FILE")
    if password and len(password.splitlines()) > 1:  # no browser could send it
        path = configuration.admin_password_file
        environment.problems.append(f"ADMIN_PASSWORD_FILE={path}: it has several lines; expected one, the password")
    elif password and (problem := problem_with(password, configuration.admin_username)):
        environment.problems.append(f"ADMIN_PASSWORD_FILE: {problem}")
    if environment.problems:
        raise UsageError(*environment.problems)
    return password


@contextmanager
def _accounts(configuration: Configuration):
    """Lend a cursor on the tables of accounts; several statements in one message are one transaction."""
    with session(configuration.conninfo, configuration.database_wait_seconds) as connection:
        try:
            with connection.cursor() as cursor:
                yield cursor
        except LockNotAvailable:
            raise DatabaseUnusableError(
                "Another transaction has held the row of a user that is needed here, or its table, for over 5 s:"
                " COMMIT or ROLLBACK it, or end its session (pg_stat_activity tells which is idle in transaction),"
                " then do this again"
            ) from None
        except (UndefinedTable, UndefinedColumn) as error:
            raise DatabaseUnusableError(
                f"The database is not that of this version ({error.diag.message_primary}): python runner.py migrate"
            ) from None
        except InsufficientPrivilege as error:
            raise DatabaseUnusableError(
                f"The role of DATABASE_URL may not invite ({error.diag.message_primary}): psql -v role=... -f"
                " sql/roles/app.sql, run as the owner of the tables, grants what the app needs"
            ) from None


def _user_called(cursor, name: str) -> tuple[int, str]:
    found = ask(cursor, question("invited"), {"name": name})
    exact = [row for row in found if row[1] == name]
    if len(exact or found) != 1:
        names = [username for (username,) in ask(cursor, question("people"))]
        more = ", ..." if len(names) > LISTED else ""
        what = "Several users are" if found else "No user is"
        raise UsageError(
            f"{what} called {name}: expected a user's name, such as {', '.join(names[:LISTED]) or 'admin'}{more}."
            " An administrator adds people on the page People"
        )
    ((user_id, username, is_active),) = exact or found
    if not is_active:
        raise UsageError(
            f"{username} is deactivated: let an administrator activate them on the page People, or,"
            f" where there is none, set is_active of user {user_id} to true by SQL"
        )
    return user_id, username


def _link(configuration: Configuration, token: str) -> str:
    origin = configuration.base_url or f"http://localhost:{configuration.port}"
    if configuration.base_url is None:
        log.write(
            "BASE_URL is not set: where people reach TimeTracker by another address, put that in place of"
            f" {origin} in the link"
        )
    return f"{origin}/invitation/{token}"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
