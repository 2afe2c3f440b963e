-- depends: 0015-unique-keys
-- Foreign keys: what happens to the rows that refer to a deleted one.
-- A key is told by its column and its target, not by its name; one with another action is replaced.
-- They go in NOT VALID, so that no writer waits while their rows are looked at; the next file does that.
SET LOCAL lock_timeout = '1s';
SET LOCAL quote_all_identifiers = off;
SET LOCAL standard_conforming_strings = on;

DO $$
DECLARE
    wanted RECORD;
    definition TEXT;
    differing NAME;
BEGIN
    FOR wanted IN
        SELECT *
        FROM (VALUES
            ('tasks'::regclass, 'project_id', 'projects'::regclass, ' ON DELETE CASCADE'),
            ('tasks'::regclass, 'assigned_to', 'users'::regclass, ''),
            ('tasks'::regclass, 'created_by', 'users'::regclass, ''),
            ('time_entries'::regclass, 'user_id', 'users'::regclass, ' ON DELETE CASCADE'),
            ('time_entries'::regclass, 'project_id', 'projects'::regclass, ' ON DELETE CASCADE'),
            ('time_entries'::regclass, 'task_id', 'tasks'::regclass, ' ON DELETE SET NULL'),
            ('invoices'::regclass, 'project_id', 'projects'::regclass, ' ON DELETE CASCADE'),
            ('invoices'::regclass, 'created_by', 'users'::regclass, ' ON DELETE CASCADE'),
            ('invoice_items'::regclass, 'invoice_id', 'invoices'::regclass, ' ON DELETE CASCADE')
        ) AS foreign_keys (table_name, column_name, target, action)
    LOOP
        definition := pg_catalog.format('FOREIGN KEY (%s) REFERENCES %s(id)%s', wanted.column_name, wanted.target, wanted.action);

        FOR differing IN
            SELECT conname
            FROM pg_constraint
            JOIN pg_attribute ON attrelid = conrelid AND ARRAY[attnum] = conkey
            WHERE conrelid = wanted.table_name
                AND confrelid = wanted.target
                AND attname = wanted.column_name
                AND replace(pg_get_constraintdef(pg_constraint.oid), ' NOT VALID', '') <> definition
        LOOP
            EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', wanted.table_name, differing);
        END LOOP;

        IF NOT EXISTS (
            SELECT
            FROM pg_constraint
            WHERE conrelid = wanted.table_name
                AND replace(pg_get_constraintdef(oid), ' NOT VALID', '') = definition
        ) THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD %s NOT VALID', wanted.table_name, definition);
        END IF;
    END LOOP;
END;
$$;
