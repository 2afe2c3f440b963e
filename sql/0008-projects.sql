-- depends: 0007-users
-- Projects: what time is spent on, and for which client.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';
SET LOCAL timetracker.keep_updated_at = 'on';

DO $$ BEGIN PERFORM unarchive_table('projects'); END; $$;
CREATE TABLE IF NOT EXISTS projects (id SERIAL PRIMARY KEY);

ALTER TABLE projects
    ADD COLUMN IF NOT EXISTS name VARCHAR(200),
    ADD COLUMN IF NOT EXISTS client VARCHAR(200),
    ADD COLUMN IF NOT EXISTS description TEXT,
    ADD COLUMN IF NOT EXISTS billable BOOLEAN, ALTER billable SET DEFAULT true,
    ADD COLUMN IF NOT EXISTS hourly_rate NUMERIC(9, 2),
    ADD COLUMN IF NOT EXISTS billing_ref VARCHAR(100),
    ADD COLUMN IF NOT EXISTS status VARCHAR(20), ALTER status SET DEFAULT 'active',
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP, ALTER updated_at SET DEFAULT CURRENT_TIMESTAMP;

-- Releases 1.2 had a table of clients, and projects referred to it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('clients') AND attname = 'name')
        AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'projects'::regclass AND attname = 'client_id')
    THEN
        UPDATE projects
        SET client = clients.name
        FROM clients
        WHERE clients.id = projects.client_id AND projects.client IS NULL;
    END IF;
END;
$$;

UPDATE projects SET client = 'Default Client' WHERE client IS NULL;
UPDATE projects SET billable = DEFAULT WHERE billable IS NULL;
UPDATE projects SET status = DEFAULT WHERE status IS NULL;

ALTER TABLE projects
    ALTER name SET NOT NULL,
    ALTER client SET NOT NULL,
    ALTER description DROP NOT NULL,
    ALTER billable SET NOT NULL,
    ALTER hourly_rate DROP NOT NULL,
    ALTER billing_ref DROP NOT NULL,
    ALTER status SET NOT NULL,
    ALTER created_at DROP NOT NULL,
    ALTER updated_at DROP NOT NULL;
