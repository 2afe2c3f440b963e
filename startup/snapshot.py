"""Making the snapshot: what the migrations make of an empty database, read back from its catalog."""

import os

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from startup import log
from startup.apply import apply_migrations
from startup.catalog import question, read_state
from startup.configuration import Configuration
from startup.connection import connect, wait_for_database
from startup.errors import DatabaseUnusableError
from startup.migrations import MigrationFile
from startup.verification import SNAPSHOT, snapshot_text


def write_snapshot(configuration: Configuration, files: list[MigrationFile]) -> None:
    """Apply the migrations to a scratch database beside the configured one, and write what they made.

    Raises DatabaseUnusableError when the role may not create a database.
    """
    connection = wait_for_database(configuration.conninfo, configuration.database_wait_seconds)
    scratch = f"timetracker_snapshot_{os.getpid()}"
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(scratch)))
        except psycopg2.errors.InsufficientPrivilege:
            raise DatabaseUnusableError(
                f"Role {connection.info.user} may not create the scratch database that a snapshot is made in:"
                f" ALTER ROLE {connection.info.user} CREATEDB"
            ) from None
        try:
            text = _schema_of(make_dsn(configuration.conninfo, dbname=scratch), files)
        finally:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(scratch)))
    with open(SNAPSHOT, "w", encoding="ascii") as file:
        file.write(text)
    log.write(f"Wrote {os.path.relpath(SNAPSHOT)}: {text.count(chr(10))} objects")


def _schema_of(conninfo: str, files: list[MigrationFile]) -> str:
    connection = connect(conninfo)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question("session"), {"schema": read_state(connection).schema})
        apply_migrations(connection, files)
        return snapshot_text(read_state(connection))
    finally:
        connection.close()
