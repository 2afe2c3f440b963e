-- transactional: false
-- depends: 0020-adoption-end
-- Finds the entries of one user. Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_user_id'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_user_id ON time_entries (user_id);
