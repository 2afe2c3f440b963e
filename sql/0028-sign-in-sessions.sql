-- depends: 0027-sign-in-invitations
-- Sessions: one row for each browser that is signed in. Deleting the row signs it out at its next request.
-- last_seen_at is also how a timer is known to be forgotten; it is written once a minute at the most.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('sign_in_sessions'); END; $$;
CREATE TABLE IF NOT EXISTS sign_in_sessions (id SERIAL PRIMARY KEY);

ALTER TABLE sign_in_sessions
    ADD COLUMN IF NOT EXISTS user_id INTEGER,
    ADD COLUMN IF NOT EXISTS token_sha256 BYTEA,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT timezone('utc', now()),
    ADD COLUMN IF NOT EXISTS last_seen_at TIMESTAMP, ALTER last_seen_at SET DEFAULT timezone('utc', now()),
    ADD COLUMN IF NOT EXISTS expires_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS user_agent VARCHAR(200),
    ADD COLUMN IF NOT EXISTS address VARCHAR(50);

UPDATE sign_in_sessions SET created_at = DEFAULT WHERE created_at IS NULL;
UPDATE sign_in_sessions SET last_seen_at = created_at WHERE last_seen_at IS NULL;
UPDATE sign_in_sessions SET expires_at = created_at WHERE expires_at IS NULL;

ALTER TABLE sign_in_sessions
    ALTER user_id SET NOT NULL,
    ALTER token_sha256 SET NOT NULL,
    ALTER created_at SET NOT NULL,
    ALTER last_seen_at SET NOT NULL,
    ALTER expires_at SET NOT NULL,
    ALTER user_agent DROP NOT NULL,
    ALTER address DROP NOT NULL;

DO $$ BEGIN PERFORM keep_for_the_app('sign_in_sessions'); END; $$;
