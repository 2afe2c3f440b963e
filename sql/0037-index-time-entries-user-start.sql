-- transactional: false
-- depends: 0036-index-time-entries-user-running
-- Pages through the entries of a user, the newest first.
-- Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_user_id_start_time'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_user_id_start_time
    ON time_entries (user_id, start_time DESC, id DESC);
