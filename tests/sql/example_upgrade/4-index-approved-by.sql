-- transactional: false
-- Finds what somebody approved, as a user who is deleted must be taken out of it.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$ BEGIN PERFORM drop_invalid_index('idx_time_entries_approved_by'); END; $$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_approved_by ON time_entries (approved_by);
