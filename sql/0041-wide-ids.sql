-- depends: 0040-company-logo
-- What belongs to an account takes the ids of users and entries that an adopted database brought, beyond integer too.
-- squawk-ignore-file changing-column-type
-- Only such a database is written anew, right after its adoption, when these tables are empty.
SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    narrow RECORD;
BEGIN
    FOR narrow IN
        SELECT table_name AS relation, column_name AS attname
        FROM (VALUES
            ('sign_in_credentials'::regclass, 'user_id', 'users'::regclass),
            ('sign_in_invitations'::regclass, 'user_id', 'users'::regclass),
            ('sign_in_sessions'::regclass, 'user_id', 'users'::regclass),
            ('display_preferences'::regclass, 'user_id', 'users'::regclass),
            ('submitted_forms'::regclass, 'user_id', 'users'::regclass),
            ('deleted_time_entries'::regclass, 'id', 'time_entries'::regclass),
            ('deleted_time_entries'::regclass, 'user_id', 'users'::regclass),
            ('deleted_time_entries'::regclass, 'deleted_by', 'users'::regclass)
        ) AS referring (table_name, column_name, target)
        JOIN pg_attribute AS id ON id.attrelid = target AND id.attname = 'id' AND id.atttypid = 'bigint'::regtype
        JOIN pg_attribute AS own ON own.attrelid = table_name AND own.attname = column_name AND own.atttypid = 'integer'::regtype
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER %I TYPE BIGINT', narrow.relation, narrow.attname);
    END LOOP;
END;
$$;
