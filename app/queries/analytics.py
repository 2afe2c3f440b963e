"""Figures by day in the table `analytics`: kept here and sent nowhere."""

from datetime import date, datetime

from psycopg2.extensions import cursor as Cursor

# Of so many tables, the biggest ones, the size is kept. A name has 63 bytes at most, so the column takes it.
MOST_TABLES = 5


def keep_figures_of(cursor: Cursor, day: date, before: datetime, until: datetime) -> None:
    """Keep the figures of `day` unless somebody did; `before` and `until` are the instants of the day before it.

    The sizes and the cache hit rate are those of this moment, the others of the day before. Times are UTC, no zone.
    """
    cursor.execute(
        """
        WITH worked AS (
            SELECT count(*) AS entries, count(DISTINCT user_id) AS people
            FROM time_entries
            WHERE start_time >= %(before)s AND start_time < %(until)s
        ),
        server AS (
            SELECT
                pg_database_size(current_database()) AS bytes,
                numbackends,
                round((100.0 * blks_hit / nullif(blks_hit + blks_read, 0))::numeric, 2) AS hit_rate
            FROM pg_stat_database
            WHERE datname = current_database()
        ),
        biggest AS (
            SELECT relname, pg_total_relation_size(oid) AS bytes
            FROM pg_class
            WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'users'::regclass)
            ORDER BY bytes DESC NULLS LAST, relname
            LIMIT %(tables)s
        )
        INSERT INTO analytics (day, metric, value)
        SELECT %(day)s, metric, value
        FROM worked
        CROSS JOIN server
        CROSS JOIN LATERAL (
            VALUES
                ('database size in bytes', bytes::numeric),
                ('connections', numbackends),
                ('cache hit rate in percent', hit_rate),
                ('people who tracked time the day before', people),
                ('time entries of the day before', entries)
        ) AS figures (metric, value)
        WHERE value IS NOT NULL
        UNION ALL
        SELECT %(day)s, 'size of ' || relname || ' in bytes', bytes
        FROM biggest
        WHERE bytes IS NOT NULL
        ON CONFLICT DO NOTHING
        """,
        {"day": day, "before": before, "until": until, "tables": MOST_TABLES},
    )


def series(cursor: Cursor, since: date) -> dict[str, list[tuple[date, float]]]:
    """Return the figures since a day: metric -> its days and values, in order."""
    cursor.execute("SELECT metric, day, value::float FROM analytics WHERE day >= %s ORDER BY metric, day", (since,))
    found: dict[str, list[tuple[date, float]]] = {}
    for metric, day, value in cursor:
        found.setdefault(metric, []).append((day, value))
    return found
