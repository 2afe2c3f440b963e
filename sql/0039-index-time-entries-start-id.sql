-- transactional: false
-- depends: 0038-index-time-entries-project-start
-- Pages through all entries, the newest first, and sums up a year of everybody without touching the table.
-- Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_start_time_id'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_start_time_id
    ON time_entries (start_time DESC, id DESC) INCLUDE (user_id, project_id, task_id, end_time, duration_seconds, billable);
