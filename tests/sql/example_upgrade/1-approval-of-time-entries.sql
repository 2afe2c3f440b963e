-- Example of a later release: time entries are approved, and by whom. A NOT NULL, a key and an index on a large table,
-- in four files, so that no writer waits. Here: the column with a constant default, which writes no row, and the
-- constraints NOT VALID, which look at no row.
SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM unarchive_column('time_entries', 'approved');
    PERFORM unarchive_column('time_entries', 'approved_by');
END;
$$;

ALTER TABLE time_entries
    ADD COLUMN IF NOT EXISTS approved BOOLEAN DEFAULT false, ALTER approved SET DEFAULT false,
    ADD COLUMN IF NOT EXISTS approved_by INTEGER;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'time_entries'::regclass AND attname = 'approved' AND NOT attnotnull)
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'time_entries'::regclass AND conname = 'time_entries_approved_check')
    THEN
        ALTER TABLE time_entries ADD CONSTRAINT time_entries_approved_check CHECK (approved IS NOT NULL) NOT VALID;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'time_entries'::regclass AND conname = 'time_entries_approved_by_fkey') THEN
        ALTER TABLE time_entries
            ADD CONSTRAINT time_entries_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES users (id) ON DELETE SET NULL NOT VALID;
    END IF;
END;
$$;
