-- depends: 0006-adopt-values
-- Users: who tracks time; the role says what they may see and change.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';
SET LOCAL timetracker.keep_updated_at = 'on';

DO $$ BEGIN PERFORM unarchive_table('users'); END; $$;
CREATE TABLE IF NOT EXISTS users (id SERIAL PRIMARY KEY);

ALTER TABLE users
    ADD COLUMN IF NOT EXISTS username VARCHAR(80),
    ADD COLUMN IF NOT EXISTS role VARCHAR(20), ALTER role SET DEFAULT 'user',
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN IF NOT EXISTS last_login TIMESTAMP,
    ADD COLUMN IF NOT EXISTS is_active BOOLEAN, ALTER is_active SET DEFAULT true,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP, ALTER updated_at SET DEFAULT CURRENT_TIMESTAMP;

UPDATE users SET role = DEFAULT WHERE role IS NULL;
UPDATE users SET created_at = DEFAULT WHERE created_at IS NULL;
UPDATE users SET is_active = DEFAULT WHERE is_active IS NULL;
UPDATE users SET updated_at = DEFAULT WHERE updated_at IS NULL;

ALTER TABLE users
    ALTER username SET NOT NULL,
    ALTER role SET NOT NULL,
    ALTER created_at SET NOT NULL,
    ALTER last_login DROP NOT NULL,
    ALTER is_active SET NOT NULL,
    ALTER updated_at SET NOT NULL;
