-- transactional: false
-- depends: 0021-index-time-entries-user-id
-- Finds the entries of one project, for its page and its invoices. Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_project_id'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_project_id ON time_entries (project_id);
