-- depends: 0032-deleted-time-entries
-- Keys and indexes of what belongs to an account. Unique keys make each ON CONFLICT of the app safe; foreign keys let the
-- rows go with their user, and are NOT VALID until the next file has looked at the rows.
-- squawk-ignore-file require-concurrent-index-creation
-- Building them takes no time worth the mention, as these tables are small.
SET LOCAL lock_timeout = '1s';
SET LOCAL quote_all_identifiers = off;
SET LOCAL standard_conforming_strings = on;

-- A unique index of another name serves as well; one that was left invalid does not.
DO $$
DECLARE
    wanted RECORD;
BEGIN
    FOR wanted IN
        SELECT *
        FROM (VALUES
            ('sign_in_credentials'::regclass, 'user_id'),
            ('sign_in_invitations'::regclass, 'token_sha256'),
            ('sign_in_sessions'::regclass, 'token_sha256'),
            ('display_preferences'::regclass, 'user_id'),
            ('submitted_forms'::regclass, 'token')
        ) AS unique_keys (table_name, column_name)
    LOOP
        IF NOT EXISTS (
            SELECT
            FROM pg_index
            JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            WHERE indrelid = wanted.table_name
                AND attname = wanted.column_name
                AND indisunique
                AND indisvalid
                AND indimmediate
                AND indnkeyatts = 1
                AND indpred IS NULL
        ) THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD UNIQUE (%I)', wanted.table_name, wanted.column_name);
        END IF;
    END LOOP;
END;
$$;

-- A foreign key is told by its column and its target, not by its name; one with another action is replaced.
DO $$
DECLARE
    owned REGCLASS;
    differing NAME;
    definition CONSTANT TEXT := 'FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE';
BEGIN
    FOREACH owned IN ARRAY '{sign_in_credentials, sign_in_invitations, sign_in_sessions, display_preferences, submitted_forms}'::regclass[]
    LOOP
        FOR differing IN
            SELECT conname
            FROM pg_constraint
            JOIN pg_attribute ON attrelid = conrelid AND ARRAY[attnum] = conkey
            WHERE conrelid = owned
                AND confrelid = 'users'::regclass
                AND attname = 'user_id'
                AND replace(pg_get_constraintdef(pg_constraint.oid), ' NOT VALID', '') <> definition
        LOOP
            EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', owned, differing);
        END LOOP;

        IF NOT EXISTS (
            SELECT
            FROM pg_constraint
            WHERE conrelid = owned AND replace(pg_get_constraintdef(oid), ' NOT VALID', '') = definition
        ) THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD %s NOT VALID', owned, definition);
        END IF;
    END LOOP;
END;
$$;

-- IF NOT EXISTS takes an index that was left invalid for a good one.
DO $$
DECLARE
    invalid REGCLASS;
BEGIN
    FOR invalid IN
        SELECT indexrelid
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE NOT indisvalid
            AND indrelid = ANY ('{sign_in_invitations, sign_in_sessions, sign_in_failures, submitted_forms}'::regclass[])
            AND relname = pg_catalog.format('idx_%s_%s', indrelid::regclass, attname)
    LOOP
        EXECUTE pg_catalog.format('REINDEX INDEX %s', invalid);
    END LOOP;
END;
$$;

CREATE INDEX IF NOT EXISTS idx_sign_in_invitations_user_id ON sign_in_invitations (user_id);
CREATE INDEX IF NOT EXISTS idx_sign_in_sessions_user_id ON sign_in_sessions (user_id);
CREATE INDEX IF NOT EXISTS idx_sign_in_failures_username ON sign_in_failures (username, failed_at);
CREATE INDEX IF NOT EXISTS idx_sign_in_failures_address ON sign_in_failures (address, failed_at);
CREATE INDEX IF NOT EXISTS idx_submitted_forms_submitted_at ON submitted_forms (submitted_at);
