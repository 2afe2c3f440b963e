-- depends: 0025-index-time-entries-billable
-- Credentials: the password of a user who has one, as a hash of Argon2id. A user without a row gets in by an invitation.
-- Row security keeps the rows from every role that may not write them, from pg_read_all_data too.
-- squawk-ignore-file adding-not-nullable-field
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

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

ALTER TABLE sign_in_credentials ENABLE ROW LEVEL SECURITY;
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_policy
        WHERE polrelid = 'sign_in_credentials'::regclass
            AND polname = 'for_the_app'
            AND polcmd = '*'
            AND polpermissive
            AND polwithcheck IS NULL
    ) THEN
        DROP POLICY IF EXISTS for_the_app ON sign_in_credentials;
        CREATE POLICY for_the_app ON sign_in_credentials USING (false);
    END IF;
END;
$$;
ALTER POLICY for_the_app ON sign_in_credentials TO PUBLIC USING (has_table_privilege(tableoid, 'UPDATE'));
REVOKE ALL ON sign_in_credentials FROM PUBLIC;
