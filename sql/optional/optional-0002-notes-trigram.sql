-- requires: EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') OR (has_database_privilege(current_database(), 'CREATE') AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'))
-- transactional: false
-- Finds the notes that hold a part of a word without reading every time entry.
-- squawk-ignore-file require-lock-timeout
-- A timeout would leave the index invalid; drop_invalid_index() switches it off.
DO $$
BEGIN
    PERFORM drop_invalid_index('idx_time_entries_notes_trigram');

    -- The extension may live in a schema of its own, where its operator class would not be found.
    PERFORM set_config('search_path', pg_catalog.format('%s, %s', current_setting('search_path'), extnamespace::regnamespace), false)
    FROM pg_extension
    WHERE extname = 'pg_trgm';
END;
$$;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_time_entries_notes_trigram ON time_entries USING gin (notes gin_trgm_ops);
