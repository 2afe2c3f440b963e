-- depends: 0009-tasks
-- Time entries: the tracked time itself. A running timer is a row whose end_time is NULL.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';
-- A key that somebody deferred would keep a row that was written twice from being altered.
SET CONSTRAINTS ALL IMMEDIATE;
SET LOCAL timetracker.keep_updated_at = 'on';

DO $$ BEGIN PERFORM unarchive_table('time_entries'); END; $$;
CREATE TABLE IF NOT EXISTS time_entries (id SERIAL PRIMARY KEY);

ALTER TABLE time_entries
    ADD COLUMN IF NOT EXISTS user_id INTEGER,
    ADD COLUMN IF NOT EXISTS project_id INTEGER,
    ADD COLUMN IF NOT EXISTS task_id INTEGER,
    ADD COLUMN IF NOT EXISTS start_time TIMESTAMP,
    ADD COLUMN IF NOT EXISTS end_time TIMESTAMP,
    ADD COLUMN IF NOT EXISTS duration_seconds INTEGER,
    ADD COLUMN IF NOT EXISTS notes TEXT,
    ADD COLUMN IF NOT EXISTS tags VARCHAR(500),
    ADD COLUMN IF NOT EXISTS source VARCHAR(20), ALTER source SET DEFAULT 'manual',
    ADD COLUMN IF NOT EXISTS billable BOOLEAN, ALTER billable SET DEFAULT true,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP, ALTER updated_at SET DEFAULT CURRENT_TIMESTAMP;

UPDATE time_entries SET source = DEFAULT WHERE source IS NULL;
UPDATE time_entries SET billable = DEFAULT WHERE billable IS NULL;

ALTER TABLE time_entries
    ALTER user_id DROP NOT NULL,
    ALTER project_id DROP NOT NULL,
    ALTER task_id DROP NOT NULL,
    ALTER start_time SET NOT NULL,
    ALTER end_time DROP NOT NULL,
    ALTER duration_seconds DROP NOT NULL,
    ALTER notes DROP NOT NULL,
    ALTER tags DROP NOT NULL,
    ALTER source SET NOT NULL,
    ALTER billable SET NOT NULL,
    ALTER created_at DROP NOT NULL,
    ALTER updated_at DROP NOT NULL;
