-- transactional: false
-- depends: 0024-index-time-entries-start-time
-- Finds the entries that can go on an invoice. Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_billable'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_billable ON time_entries (billable);
