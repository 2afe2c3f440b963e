"""What administrators and Prometheus ask of the server."""

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Database(NamedTuple):
    """The database in use. Sizes are in bytes; the cache hit rate is None before anything was read."""

    version: str
    name: str
    bytes: int
    connections: int
    most_connections: int
    cache_hit_rate: float | None


class Relation(NamedTuple):
    """A table with its indexes; `rows` is an estimate."""

    name: str
    rows: int
    bytes: int


class Statement(NamedTuple):
    """A statement as pg_stat_statements adds it up, times in milliseconds."""

    text: str
    calls: int
    mean: float
    total: float


class Applied(NamedTuple):
    """A migration, and when it was applied, in UTC."""

    id: str
    applied_at: datetime


class Finding(NamedTuple):
    """A line of the report of an adoption."""

    step: str
    object: str
    rows: int | None
    detail: str


def database(cursor: Cursor) -> Database:
    """Return the figures of the database in use."""
    cursor.execute(
        """
        SELECT
            current_setting('server_version'),
            current_database(),
            pg_database_size(current_database()),
            numbackends,
            current_setting('max_connections')::integer,
            blks_hit::float / nullif(blks_hit + blks_read, 0)
        FROM pg_stat_database
        WHERE datname = current_database()
        """
    )
    return Database(*cursor.fetchone())


def biggest_tables(cursor: Cursor, limit: int) -> list[Relation]:
    """Return the tables of the schema in use that take the most room."""
    cursor.execute(
        """
        SELECT relname, greatest(reltuples, 0)::bigint, pg_total_relation_size(oid)
        FROM pg_class
        WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'users'::regclass)
        ORDER BY pg_total_relation_size(oid) DESC, relname
        LIMIT %s
        """,
        (limit,),
    )
    return [Relation(*row) for row in cursor]


def slowest_statements(cursor: Cursor, limit: int) -> list[Statement] | None:
    """Return the statements of this database that took the most time; None where nobody counts them.

    That takes the extension pg_stat_statements, which its administrator loads and creates. What is loaded only a
    superuser may read, but the settings of a library everybody; the columns are of its version 1.8, which a database
    that was upgraded may lack.
    """
    cursor.execute(
        """
        SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max')
            AND EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = to_regclass('pg_stat_statements') AND attname = 'total_exec_time'
            )
        """
    )
    if not cursor.fetchone()[0]:
        return None
    cursor.execute(
        """
        SELECT coalesce(query, ''), calls, mean_exec_time, total_exec_time
        FROM pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND userid = to_regrole(quote_ident(current_user))
        ORDER BY total_exec_time DESC
        LIMIT %s
        """,
        (limit,),
    )
    return [Statement(*row) for row in cursor]


def migrations(cursor: Cursor) -> list[Applied]:
    """Return the migrations that were applied, the latest first."""
    cursor.execute(
        "SELECT migration_id, applied_at_utc FROM _yoyo_migration ORDER BY applied_at_utc DESC, migration_id DESC"
    )
    return [Applied(*row) for row in cursor]


def adoption_report(cursor: Cursor, limit: int) -> tuple[list[Finding], int]:
    """Return up to `limit` lines of what an adoption found and did, and how many there are in all.

    What is left to decide comes first.
    """
    cursor.execute(
        """
        SELECT step, object, rows, detail, count(*) OVER ()
        FROM adoption_report
        ORDER BY array_position(ARRAY['to decide', 'left alone', 'done', 'found'], step::text), id
        LIMIT %s
        """,
        (limit,),
    )
    rows = cursor.fetchall()
    return [Finding(*row[:-1]) for row in rows], rows[0][-1] if rows else 0
