-- depends: 0005-adopt-types
-- The values of new columns in a database of the predecessor, out of the columns that they supersede.
SET LOCAL lock_timeout = '1s';
DO $$ BEGIN NULL; END; $$;
