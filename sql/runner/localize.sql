-- Local wall-clock times of the predecessor become UTC, once: those which
-- adoption kept in adoption_times, which did not come from UTC, and which nobody
-- has changed since. One transaction, which the caller opens; it has looked that
-- it was not done yet. Parameters: the zone, and adoption_times by its full name.
--
-- The session takes on the zone, for AT TIME ZONE 'CET' would be an abbreviation
-- without summer time.
SELECT set_config('timetracker.time_zone', current_setting('TimeZone'), true);
SELECT set_config('TimeZone', %(zone)s, true);
SET LOCAL timetracker.keep_updated_at = 'on';
SET LOCAL work_mem = '64MB';  -- millions of rows are joined and sorted

-- Neither a user's correction nor somebody's trigger comes in between. What is
-- deferred is settled first: no trigger can be switched off before that.
SET CONSTRAINTS ALL IMMEDIATE;
LOCK TABLE time_entries IN ACCESS EXCLUSIVE MODE;  -- of which the indexes, below, would ask later
DO $$
DECLARE
    off TEXT;
    on_again TEXT;
BEGIN
    SELECT
        string_agg(pg_catalog.format('DISABLE TRIGGER %%I', tgname), ', '),
        string_agg(
            pg_catalog.format('ENABLE %%s TRIGGER %%I', CASE tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' END, tgname), ', '
        )
    INTO off, on_again
    FROM pg_trigger
    WHERE tgrelid = 'time_entries'::regclass AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 <> 0;
    IF off IS NOT NULL THEN
        EXECUTE 'ALTER TABLE time_entries ' || off;
    END IF;
    PERFORM set_config('timetracker.triggers', pg_catalog.concat('ALTER TABLE time_entries ' || on_again), true);
END;
$$;

-- Almost every row moves, and to tell each index of each row takes ten times as long as to build it anew. Those that
-- say no more than their definition are dropped until the rows are converted.
DO $$
DECLARE
    dropped TEXT;
    made_anew TEXT;
BEGIN
    SELECT string_agg(indexrelid::regclass::text, ', '), string_agg(pg_get_indexdef(indexrelid), '; ' ORDER BY indexrelid) INTO dropped, made_anew
    FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = 'time_entries'::regclass
        AND %(zone)s <> 'utc'
        AND relkind = 'i'
        AND NOT relispartition
        AND reltablespace = 0
        AND indisvalid
        AND NOT indisunique
        AND NOT indisexclusion
        AND NOT indisclustered
        AND indexprs IS NULL
        AND indpred IS NULL
        AND obj_description(indexrelid, 'pg_class') IS NULL;
    IF dropped IS NOT NULL THEN
        EXECUTE 'DROP INDEX ' || dropped;
    END IF;
    PERFORM set_config('timetracker.indexes', COALESCE(made_anew, 'SELECT'), true);
END;
$$;

INSERT INTO startup_marks (name, value) VALUES ('local times', %(zone)s);

-- What adoption left to decide is decided.
DELETE FROM adoption_report
WHERE step = 'to decide' AND object = 'table time_entries' AND detail LIKE '%%runner.py localize%%';

WITH entry AS MATERIALIZED (
    SELECT id, now.start_time, now.end_time, duration_seconds,
        -- Near the ends of what a timestamp can hold, and at infinity, there is no clock to be read.
        now.start_time = kept.start_time AND NOT start_is_utc AND now.start_time BETWEEN '4713-12-01 BC' AND '294276-12-01' AS start_is_local,
        now.end_time = kept.end_time AND NOT end_is_utc AND now.end_time BETWEEN '4713-12-01 BC' AND '294276-12-01' AS end_is_local,
        now.start_time = kept.start_time AND NOT start_is_utc AND now.start_time NOT BETWEEN '4713-12-01 BC' AND '294276-12-01' AS start_is_beyond,
        now.end_time = kept.end_time AND NOT end_is_utc AND now.end_time NOT BETWEEN '4713-12-01 BC' AND '294276-12-01' AS end_is_beyond,
        now.start_time IS DISTINCT FROM kept.start_time AND NOT start_is_utc AS start_is_changed,
        now.end_time IS DISTINCT FROM kept.end_time AND NOT end_is_utc AS end_is_changed,
        start_is_utc AND kept.start_time IS NOT NULL AS start_is_utc,
        end_is_utc AND kept.end_time IS NOT NULL AS end_is_utc
    FROM time_entries AS now
    JOIN %(kept)s AS kept USING (id)
),
-- The days on which, or next to which, the clocks were changed. Zones are up to 16 hours from UTC, and keep an offset
-- for days at least.
day AS MATERIALIZED (
    SELECT day, array_agg(DISTINCT utc_offset) AS utc_offsets
    FROM (
        SELECT start_time::date AS day FROM entry WHERE start_is_local
        UNION
        SELECT end_time::date FROM entry WHERE end_is_local
    ) AS days
    CROSS JOIN generate_series(-16, 40, 8) AS hour
    CROSS JOIN LATERAL (SELECT day::timestamp + hour * INTERVAL '1 hour' AS instant) AS around
    CROSS JOIN LATERAL (SELECT EXTRACT(timezone FROM instant AT TIME ZONE 'UTC') AS utc_offset) AS clock
    GROUP BY day
    HAVING count(DISTINCT utc_offset) > 1
),
-- What the local times of these days may mean: the instants at which a clock showed them, two in the hour that exists
-- twice. In the hour that does not exist it is none; PostgreSQL reads those with the offset before the change.
reading AS MATERIALIZED (
    SELECT local_time, COALESCE(instant, local_time::timestamptz AT TIME ZONE 'UTC') AS instant, count(instant) OVER same AS readings,
        instant > min(instant) OVER same AS is_second
    FROM (
        SELECT start_time AS local_time FROM entry JOIN day ON day = start_time::date WHERE start_is_local
        UNION
        SELECT end_time FROM entry JOIN day ON day = end_time::date WHERE end_is_local
    ) AS local_times
    LEFT JOIN LATERAL (
        SELECT instant
        FROM day
        CROSS JOIN unnest(utc_offsets) AS utc_offset
        CROSS JOIN LATERAL (SELECT local_time - utc_offset * INTERVAL '1 second' AS instant) AS possible
        WHERE day = local_time::date AND EXTRACT(timezone FROM instant AT TIME ZONE 'UTC') = utc_offset
    ) AS possible ON true
    WINDOW same AS (PARTITION BY local_time)
),
-- Of the pairs of start and end: that which lasts as long as the entry says, or nearly, as that is rounded; else the
-- first that does not end before it starts.
chosen AS MATERIALIZED (
    SELECT DISTINCT ON (id) id, start_instant, end_instant, start_reading.readings AS start_readings, end_reading.readings AS end_readings,
        start_reading.is_second AS start_is_second, end_reading.is_second AS end_is_second
    FROM entry
    LEFT JOIN reading AS start_reading ON start_is_local AND start_reading.local_time = start_time
    LEFT JOIN reading AS end_reading ON end_is_local AND end_reading.local_time = end_time
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN start_is_local THEN COALESCE(start_reading.instant, start_time::timestamptz AT TIME ZONE 'UTC') ELSE start_time END AS start_instant,
            CASE WHEN end_is_local THEN COALESCE(end_reading.instant, end_time::timestamptz AT TIME ZONE 'UTC') ELSE end_time END AS end_instant
    ) AS pair
    WHERE start_reading.local_time IS NOT NULL OR end_reading.local_time IS NOT NULL
    ORDER BY
        id,
        CASE WHEN isfinite(start_instant) AND isfinite(end_instant)
            THEN abs(EXTRACT(epoch FROM end_instant - start_instant) - duration_seconds)
        END,
        end_instant < start_instant,
        start_instant,
        end_instant
),
converted AS (
    UPDATE time_entries
    SET start_time = instants.start_time, end_time = instants.end_time
    FROM (
        SELECT id,
            CASE WHEN start_is_local THEN COALESCE(start_instant, start_time::timestamptz AT TIME ZONE 'UTC') ELSE start_time END AS start_time,
            CASE WHEN end_is_local THEN COALESCE(end_instant, end_time::timestamptz AT TIME ZONE 'UTC') ELSE end_time END AS end_time
        FROM entry
        LEFT JOIN chosen USING (id)
        WHERE start_is_local OR end_is_local
    ) AS instants
    WHERE time_entries.id = instants.id
        -- Such as in winter in London, where local time is UTC.
        AND (time_entries.start_time, time_entries.end_time) IS DISTINCT FROM (instants.start_time, instants.end_time)
),
-- The rows that somebody may want to look at, by the line of the report that lists them.
listed AS (
    SELECT position, id, how, row_number() OVER (PARTITION BY position ORDER BY id) AS number
    FROM (
        SELECT 2 AS position, id,
            pg_catalog.concat_ws(
                ', ',
                CASE WHEN start_readings = 2 THEN 'start as the ' || CASE WHEN start_is_second THEN 'second' ELSE 'first' END END,
                CASE WHEN end_readings = 2 THEN 'end as the ' || CASE WHEN end_is_second THEN 'second' ELSE 'first' END END
            ) AS how
        FROM chosen
        WHERE start_readings = 2 OR end_readings = 2
        UNION ALL
        SELECT 3, id, pg_catalog.concat_ws(', ', CASE WHEN start_readings = 0 THEN 'start' END, CASE WHEN end_readings = 0 THEN 'end' END)
        FROM chosen
        WHERE start_readings = 0 OR end_readings = 0
        UNION ALL
        SELECT 4, id, pg_catalog.concat_ws(', ', CASE WHEN start_is_changed THEN 'start' END, CASE WHEN end_is_changed THEN 'end' END)
        FROM entry
        WHERE start_is_changed OR end_is_changed
        UNION ALL
        SELECT 5, id, pg_catalog.concat_ws(', ', CASE WHEN start_is_beyond THEN 'start' END, CASE WHEN end_is_beyond THEN 'end' END)
        FROM entry
        WHERE start_is_beyond OR end_is_beyond
    ) AS found
)

INSERT INTO adoption_report (step, object, rows, detail)
SELECT step, 'table time_entries', row_count, detail
FROM (
    SELECT 1 AS position, 'done' AS step, row_count,
        CASE WHEN %(zone)s = 'utc'
            THEN pg_catalog.format('%%s values of start_time and end_time are UTC already, as was said: nothing is shifted', value_count)
            ELSE pg_catalog.format(
                '%%s values of start_time and end_time were local times of %%s and are UTC now; %%s has them as they were',
                value_count, %(zone)s, %(kept_name)s
            )
        END AS detail
    FROM (SELECT count(*) FILTER (WHERE start_is_local) + count(*) FILTER (WHERE end_is_local), count(*) FROM entry WHERE start_is_local OR end_is_local) AS counted (value_count, row_count)
    UNION ALL
    SELECT position, CASE WHEN position <= 3 THEN 'done' ELSE 'left alone' END, count(*),
        pg_catalog.concat(
            CASE position
                WHEN 2 THEN 'in the hour that exists twice, read by how long the entry lasts or else as the first that makes sense: '
                WHEN 3 THEN 'in the hour that does not exist, read as if the clocks had not been put forward: '
                WHEN 4 THEN 'changed since the adoption, and so not read as local times: '
                ELSE 'too far off, such as infinity, to be read as local times: '
            END,
            'id ', string_agg(pg_catalog.format('%%s (%%s)', id, how), ', ' ORDER BY number) FILTER (WHERE number <= 100),
            CASE WHEN count(*) > 100 THEN pg_catalog.format(' and %%s more', count(*) - 100) END
        )
    FROM listed
    GROUP BY position
    UNION ALL
    SELECT 6, 'left alone', count(*), 'from columns that held UTC: no local times'
    FROM entry
    WHERE start_is_utc OR end_is_utc
    HAVING count(*) > 0
) AS line
ORDER BY position;

DO $$ BEGIN EXECUTE current_setting('timetracker.indexes'); EXECUTE current_setting('timetracker.triggers'); END; $$;
SELECT set_config('TimeZone', current_setting('timetracker.time_zone'), true);
