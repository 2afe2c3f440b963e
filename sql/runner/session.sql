-- What the session of a migration needs: names resolve to the schema in use,
-- and nothing that the role sets for its other sessions ends a long step or
-- makes it fail because of what others write meanwhile. No wait for a lock is
-- without an end; a migration has a shorter one. Some of the settings are
-- younger than the oldest server.
SET LOCAL statement_timeout = 0; -- for this message, which sets it aside for good
SELECT set_config(name, value, false)
FROM (
    VALUES
        ('search_path', quote_ident(%(schema)s)),
        ('lock_timeout', %(seconds)s || 's'),
        ('statement_timeout', '0'),
        ('transaction_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'),
        ('idle_session_timeout', '0'),
        ('default_transaction_isolation', 'read committed'),
        ('default_transaction_deferrable', 'off'),
        ('standard_conforming_strings', 'on'),
        ('quote_all_identifiers', 'off')
) AS setting (name, value)
WHERE current_setting(name, true) IS NOT NULL;

-- The server notices within a second when the runner is gone, and within half a
-- minute when its whole machine is, on all systems whose kernel tells it.
DO $$
DECLARE
    setting RECORD;
BEGIN
    FOR setting IN
        SELECT *
        FROM (VALUES
            ('client_connection_check_interval', '1000'),
            ('tcp_keepalives_idle', '10'),
            ('tcp_keepalives_interval', '5'),
            ('tcp_keepalives_count', '4'),
            ('tcp_user_timeout', '30000')
        ) AS wanted (name, value)
    LOOP
        BEGIN
            PERFORM set_config(setting.name, setting.value, false);
        EXCEPTION WHEN invalid_parameter_value THEN
            NULL;
        END;
    END LOOP;
END;
$$
