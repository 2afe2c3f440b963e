-- transactional: false
-- depends: 0022-index-time-entries-project-id
-- Finds the entries of one task. Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_task_id'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_task_id ON time_entries (task_id);
