"""Making the snapshot: what the migrations make of an empty database, read back from its catalog."""

import os
from contextlib import closing, contextmanager, suppress
from uuid import uuid4

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn, quote_ident

from startup import log
from startup.apply import apply_migrations
from startup.catalog import SNAPSHOT, question, read_state
from startup.configuration import Configuration
from startup.connection import connect, wait_for_database
from startup.diagnostics import message_of
from startup.errors import DatabaseUnusableError, UsageError
from startup.migrations import MigrationFile
from startup.signals import make_statements_interruptible
from startup.verification import snapshot_text


def write_snapshot(configuration: Configuration, files: list[MigrationFile]) -> None:
    """Apply the migrations to a scratch database beside the configured one, and write what they made.

    Raises DatabaseUnusableError when the role may not create a database, UsageError when the file cannot be written.
    """
    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds)
    make_statements_interruptible(connection)
    with closing(connection), _scratch_database(connection) as name:
        text = _schema_of(make_dsn(configuration.conninfo, dbname=name), files)
    _write(text)
    log.write(f"Wrote {os.path.relpath(SNAPSHOT)}: {text.count(chr(10))} objects")


def _write(text: str) -> None:
    """Put the file in the place of the old one once it is whole."""
    part = f"{SNAPSHOT}.part"
    try:
        with open(part, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(part, SNAPSHOT)
    except OSError as error:
        raise UsageError(
            f"{SNAPSHOT} cannot be written: {error.strerror}. Run snapshot in a checkout that this user may write to"
        ) from None
    finally:
        with suppress(OSError):
            os.unlink(part)


@contextmanager
def _scratch_database(connection):
    """Make an empty database, give its name, and drop it at the end, whatever happened."""
    name = f"timetracker_snapshot_{uuid4().hex[:12]}"
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        except psycopg2.Error as error:
            remedy = f"ALTER ROLE {quote_ident(connection.info.user, connection)} CREATEDB"
            if not isinstance(error, psycopg2.errors.InsufficientPrivilege):
                remedy = "Give DATABASE_URL a server where that can be done"
            raise DatabaseUnusableError(
                f"Cannot create the scratch database that a snapshot is made in: {message_of(error)}. {remedy}"
            ) from None
        try:
            yield name
        finally:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _schema_of(conninfo: str, files: list[MigrationFile]) -> str:
    with closing(connect(conninfo)) as connection:
        make_statements_interruptible(connection)
        with connection.cursor() as cursor:
            cursor.execute(question("session"), {"schema": "public", "seconds": 60})
        apply_migrations(connection, files, seconds=60)
        return snapshot_text(read_state(connection))
