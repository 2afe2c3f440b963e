-- transactional: false
-- depends: 0039-index-time-entries-start-id
-- Sums up the few entries that have a task.
-- Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_task_id_present'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_task_id_present
    ON time_entries (task_id) WHERE task_id IS NOT NULL;
