-- validates: constraints
-- Looks at the rows of the foreign keys that are NOT VALID, while writers go on. A key that rows break stays so:
-- it holds for new rows, a warning tells the others, and the next migrate tries again.
SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    unproven RECORD;
    orphans TEXT;
    row_count BIGINT;
    first_ids TEXT;
BEGIN
    FOR unproven IN
        SELECT conname, conrelid::regclass AS table_name, quote_ident(attname) AS column_name, confrelid::regclass AS target
        FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND ARRAY[attnum] = conkey
        WHERE contype = 'f'
            AND pg_get_constraintdef(pg_constraint.oid) LIKE '% NOT VALID'
            AND conrelid = ANY ('{tasks, time_entries, invoices, invoice_items}'::regclass[])
            AND confrelid = ANY ('{users, projects, tasks, invoices}'::regclass[])
        ORDER BY conrelid::regclass::text, conname
    LOOP
        BEGIN
            EXECUTE pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', unproven.table_name, unproven.conname);
        EXCEPTION WHEN foreign_key_violation THEN
            orphans := pg_catalog.format(
                'FROM %1$s WHERE %1$s.%2$s IS NOT NULL AND NOT EXISTS (SELECT FROM %3$s WHERE %3$s.id = %1$s.%2$s)',
                unproven.table_name, unproven.column_name, unproven.target
            );
            EXECUTE pg_catalog.format('SELECT count(*), array_to_string((array_agg(id ORDER BY id))[:5], '', '') %s', orphans)
            INTO row_count, first_ids;
            RAISE WARNING '% stays NOT VALID: % rows of % refer to % that are not there, such as those with id %; SELECT * % shows them all',
                quote_ident(unproven.conname), row_count, unproven.table_name, unproven.target, first_ids, orphans;
        END;
    END LOOP;
END;
$$;
