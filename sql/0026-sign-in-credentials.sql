-- depends: 0025-index-time-entries-billable
-- Credentials: the password of a user who has one, as a hash of Argon2id. A user without a row gets in by an invitation.
-- squawk-ignore-file adding-not-nullable-field
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

-- Keeps the rows of a table from every role that may not write them, from pg_read_all_data too.
CREATE OR REPLACE FUNCTION keep_for_the_app(relation REGCLASS) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    IF NOT EXISTS (
        SELECT
        FROM pg_policy
        WHERE polrelid = relation AND polname = 'for_the_app' AND polcmd = '*' AND polpermissive AND polwithcheck IS NULL
    ) THEN
        EXECUTE pg_catalog.format('DROP POLICY IF EXISTS for_the_app ON %s', relation);
        EXECUTE pg_catalog.format('CREATE POLICY for_the_app ON %s USING (false)', relation);
    END IF;
    EXECUTE pg_catalog.format(
        'ALTER POLICY for_the_app ON %s TO PUBLIC USING (has_table_privilege(tableoid, ''UPDATE''))', relation
    );
    EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM PUBLIC', relation);
END;
$$;

DO $$ BEGIN PERFORM unarchive_table('sign_in_credentials'); END; $$;
CREATE TABLE IF NOT EXISTS sign_in_credentials (id SERIAL PRIMARY KEY);

ALTER TABLE sign_in_credentials
    ADD COLUMN IF NOT EXISTS user_id INTEGER,
    ADD COLUMN IF NOT EXISTS password_hash TEXT,
    ADD COLUMN IF NOT EXISTS changed_at TIMESTAMP, ALTER changed_at SET DEFAULT timezone('utc', now());

UPDATE sign_in_credentials SET changed_at = DEFAULT WHERE changed_at IS NULL;

ALTER TABLE sign_in_credentials
    ALTER user_id SET NOT NULL,
    ALTER password_hash SET NOT NULL,
    ALTER changed_at SET NOT NULL;

DO $$ BEGIN PERFORM keep_for_the_app('sign_in_credentials'); END; $$;
