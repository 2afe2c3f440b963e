-- depends: 0016-foreign-keys
-- validates: constraints
-- Looks at the rows of the foreign keys that are NOT VALID, while writers go on; the next migrate tries again where some
-- rows break a key.
SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM validate_constraint(conrelid, conname)
    FROM pg_constraint
    WHERE contype = 'f'
        AND conrelid = ANY ('{tasks, time_entries, invoices, invoice_items}'::regclass[])
        AND confrelid = ANY ('{users, projects, tasks, invoices}'::regclass[]);
END;
$$;
