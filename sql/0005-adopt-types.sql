-- depends: 0004-adopt-names
-- The types of columns in a database of the predecessor, where every value survives.
SET LOCAL lock_timeout = '1s';
DO $$ BEGIN NULL; END; $$;
