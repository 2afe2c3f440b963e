-- depends: 0034-validate-account-foreign-keys
-- What an entry counts on every page and in every sum: whole minutes, rounded half up once, so that each total is the sum
-- of the parts shown. A stopped entry counts its credited time, or end - start where that is missing (entries of an old
-- database); a running one counts from its start until `at`. Nothing counts less than zero. All times are UTC.
-- Nearly all entries take the first way, in integers, which takes a tenth of the time.
SET LOCAL lock_timeout = '1s';

CREATE OR REPLACE FUNCTION credited_minutes(start_time TIMESTAMP, end_time TIMESTAMP, duration_seconds INTEGER, at TIMESTAMP)
RETURNS BIGINT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN end_time IS NOT NULL AND duration_seconds >= 0 THEN (duration_seconds::bigint + 30) / 60
        ELSE floor(
            (greatest(
                CASE
                    WHEN end_time IS NULL THEN extract(epoch FROM at - start_time)
                    ELSE coalesce(duration_seconds, extract(epoch FROM end_time - start_time))
                END,
                0
            ) + 30) / 60
        )::bigint
    END
$$;
