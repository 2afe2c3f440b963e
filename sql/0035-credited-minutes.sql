-- depends: 0034-validate-account-foreign-keys
-- What an entry counts on every page and in every sum: whole minutes, rounded half up once, so that each total is the sum
-- of the parts shown. A stopped entry counts its credited time, or end - start where that is missing; a running one counts
-- from its start until `at`. Nothing counts less than zero. An old database may lack credited times, have a BIGINT for
-- them, and hold infinity, which counts nothing. All times are UTC.
-- Nearly all entries take the first way, in integers, which takes a third of the time.
SET LOCAL lock_timeout = '1s';

CREATE OR REPLACE FUNCTION credited_minutes(start_time TIMESTAMP, end_time TIMESTAMP, duration_seconds BIGINT, at TIMESTAMP)
RETURNS BIGINT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN end_time IS NOT NULL AND duration_seconds IS NOT NULL
            THEN (greatest(duration_seconds, 0) + 30) / 60
        WHEN isfinite(start_time) AND isfinite(coalesce(end_time, at))
            THEN floor((greatest(extract(epoch FROM coalesce(end_time, at) - start_time), 0) + 30) / 60)::bigint
        ELSE 0
    END
$$;
