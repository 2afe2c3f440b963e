-- depends: 0008-projects
-- Tasks: the pieces of work within a project, who does them and until when.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';
-- A key that somebody deferred would keep a row that was written twice from being altered.
SET CONSTRAINTS ALL IMMEDIATE;
SET LOCAL timetracker.keep_updated_at = 'on';

DO $$ BEGIN PERFORM unarchive_table('tasks'); END; $$;
CREATE TABLE IF NOT EXISTS tasks (id SERIAL PRIMARY KEY);

ALTER TABLE tasks
    ADD COLUMN IF NOT EXISTS project_id INTEGER,
    ADD COLUMN IF NOT EXISTS name VARCHAR(200),
    ADD COLUMN IF NOT EXISTS description TEXT,
    ADD COLUMN IF NOT EXISTS status VARCHAR(20), ALTER status SET DEFAULT 'pending',
    ADD COLUMN IF NOT EXISTS priority VARCHAR(20), ALTER priority SET DEFAULT 'medium',
    ADD COLUMN IF NOT EXISTS assigned_to INTEGER,
    ADD COLUMN IF NOT EXISTS created_by INTEGER,
    ADD COLUMN IF NOT EXISTS due_date DATE,
    ADD COLUMN IF NOT EXISTS estimated_hours NUMERIC(5, 2),
    ADD COLUMN IF NOT EXISTS actual_hours NUMERIC(5, 2),
    ADD COLUMN IF NOT EXISTS started_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS completed_at TIMESTAMP,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP, ALTER updated_at SET DEFAULT CURRENT_TIMESTAMP;

UPDATE tasks SET status = DEFAULT WHERE status IS NULL;
UPDATE tasks SET priority = DEFAULT WHERE priority IS NULL;
UPDATE tasks SET created_at = DEFAULT WHERE created_at IS NULL;
UPDATE tasks SET updated_at = DEFAULT WHERE updated_at IS NULL;

ALTER TABLE tasks
    ALTER project_id SET NOT NULL,
    ALTER name SET NOT NULL,
    ALTER description DROP NOT NULL,
    ALTER status SET NOT NULL,
    ALTER priority SET NOT NULL,
    ALTER assigned_to DROP NOT NULL,
    ALTER created_by SET NOT NULL,
    ALTER due_date DROP NOT NULL,
    ALTER estimated_hours DROP NOT NULL,
    ALTER actual_hours DROP NOT NULL,
    ALTER started_at DROP NOT NULL,
    ALTER completed_at DROP NOT NULL,
    ALTER created_at SET NOT NULL,
    ALTER updated_at SET NOT NULL;
