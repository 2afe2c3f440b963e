-- requires: EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') OR (has_database_privilege(current_database(), 'CREATE') AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'))
-- Trigrams, by which the index on the notes finds any part of a word.
SET LOCAL lock_timeout = '1s';

CREATE EXTENSION IF NOT EXISTS pg_trgm;
