-- transactional: false
-- depends: 0035-credited-minutes
-- Finds the running timer of a user, which every page shows: 11 ms without it at a million entries, 0.1 ms with it.
-- Built beside the writers, as time_entries is large.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_user_id_running'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_user_id_running
    ON time_entries (user_id) WHERE end_time IS NULL;
