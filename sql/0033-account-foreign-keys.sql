-- depends: 0032-deleted-time-entries
-- Foreign keys of what belongs to an account, and goes with it. A key is told by its column and its target.
SET LOCAL lock_timeout = '1s';
SET LOCAL quote_all_identifiers = off;

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
            WHERE conrelid = owned
                AND confrelid = 'users'::regclass
                AND replace(pg_get_constraintdef(oid), ' NOT VALID', '') <> definition
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
