-- transactional: false
-- depends: 0023-index-time-entries-task-id
-- Finds the entries of a day, a week or a month. Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_start_time'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_start_time ON time_entries (start_time);
