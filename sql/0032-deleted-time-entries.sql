-- depends: 0031-submitted-forms
-- Deleted time entries, each whole as JSON, whatever columns it had: an undo brings it back under its own id.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('deleted_time_entries'); END; $$;
CREATE TABLE IF NOT EXISTS deleted_time_entries (id INTEGER PRIMARY KEY);

ALTER TABLE deleted_time_entries
    ADD COLUMN IF NOT EXISTS entry JSONB,
    ADD COLUMN IF NOT EXISTS user_id INTEGER,
    ADD COLUMN IF NOT EXISTS deleted_by INTEGER,
    ADD COLUMN IF NOT EXISTS deleted_at TIMESTAMP, ALTER deleted_at SET DEFAULT timezone('utc', now());

UPDATE deleted_time_entries SET deleted_at = DEFAULT WHERE deleted_at IS NULL;

ALTER TABLE deleted_time_entries
    ALTER entry SET NOT NULL,
    ALTER user_id DROP NOT NULL,
    ALTER deleted_by DROP NOT NULL,
    ALTER deleted_at SET NOT NULL;
