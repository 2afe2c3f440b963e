-- transactional: false
-- depends: 0037-index-time-entries-user-start
-- Sums up a project over any time without touching the table.
-- Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_project_id_start_time'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_project_id_start_time
    ON time_entries (project_id, start_time) INCLUDE (user_id, task_id, end_time, duration_seconds, billable);
