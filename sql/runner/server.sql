-- Which server answered, for the connection test.
SELECT
    current_setting('server_version'),
    pg_encoding_to_char(encoding),
    current_setting('log_timezone'),
    CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END
FROM pg_database
WHERE datname = current_database()
