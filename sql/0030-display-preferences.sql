-- depends: 0029-sign-in-failures
-- Preferences: how one user likes to see times and dates, and whether keys are shortcuts. No row means the defaults.
-- squawk-ignore-file adding-not-nullable-field
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('display_preferences'); END; $$;
CREATE TABLE IF NOT EXISTS display_preferences (id SERIAL PRIMARY KEY);

ALTER TABLE display_preferences
    ADD COLUMN IF NOT EXISTS user_id INTEGER,
    ADD COLUMN IF NOT EXISTS time_format VARCHAR(10), ALTER time_format SET DEFAULT '24h',
    ADD COLUMN IF NOT EXISTS date_locale VARCHAR(20), ALTER date_locale SET DEFAULT '',
    ADD COLUMN IF NOT EXISTS shortcuts BOOLEAN, ALTER shortcuts SET DEFAULT true;

UPDATE display_preferences SET time_format = DEFAULT WHERE time_format IS NULL;
UPDATE display_preferences SET date_locale = DEFAULT WHERE date_locale IS NULL;
UPDATE display_preferences SET shortcuts = DEFAULT WHERE shortcuts IS NULL;

ALTER TABLE display_preferences
    ALTER user_id SET NOT NULL,
    ALTER time_format SET NOT NULL,
    ALTER date_locale SET NOT NULL,
    ALTER shortcuts SET NOT NULL;
