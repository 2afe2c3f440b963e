-- depends: 0028-sign-in-sessions
-- Failed attempts to sign in, by name and by address: what throttles them, across workers and replicas. Old rows are deleted.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('sign_in_failures'); END; $$;
CREATE TABLE IF NOT EXISTS sign_in_failures (id BIGSERIAL PRIMARY KEY);

ALTER TABLE sign_in_failures
    ADD COLUMN IF NOT EXISTS username VARCHAR(80),
    ADD COLUMN IF NOT EXISTS address VARCHAR(50),
    ADD COLUMN IF NOT EXISTS failed_at TIMESTAMP, ALTER failed_at SET DEFAULT timezone('utc', now());

UPDATE sign_in_failures SET failed_at = DEFAULT WHERE failed_at IS NULL;

ALTER TABLE sign_in_failures
    ALTER username DROP NOT NULL,
    ALTER address DROP NOT NULL,
    ALTER failed_at SET NOT NULL;

DO $$ BEGIN PERFORM keep_for_the_app('sign_in_failures'); END; $$;
