-- depends: 0026-sign-in-credentials
-- Invitations: a link, good for one use until it expires, by which a user sets a password. Only the hash of its token is kept.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('sign_in_invitations'); END; $$;
CREATE TABLE IF NOT EXISTS sign_in_invitations (id SERIAL PRIMARY KEY);

ALTER TABLE sign_in_invitations
    ADD COLUMN IF NOT EXISTS token_sha256 BYTEA,
    ADD COLUMN IF NOT EXISTS user_id INTEGER,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT timezone('utc', now()),
    ADD COLUMN IF NOT EXISTS expires_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS used_at TIMESTAMP;

UPDATE sign_in_invitations SET created_at = DEFAULT WHERE created_at IS NULL;
UPDATE sign_in_invitations SET expires_at = created_at WHERE expires_at IS NULL;

ALTER TABLE sign_in_invitations
    ALTER token_sha256 SET NOT NULL,
    ALTER user_id SET NOT NULL,
    ALTER created_at SET NOT NULL,
    ALTER expires_at SET NOT NULL,
    ALTER used_at DROP NOT NULL;

DO $$ BEGIN PERFORM keep_for_the_app('sign_in_invitations'); END; $$;
