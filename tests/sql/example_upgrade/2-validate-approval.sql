-- validates: constraints
-- Looks at the rows while writers go on. Not in one transaction with ADD CONSTRAINT, whose lock it would keep.
SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM validate_constraint('time_entries', 'time_entries_approved_check');
    PERFORM validate_constraint('time_entries', 'time_entries_approved_by_fkey');
END;
$$;
