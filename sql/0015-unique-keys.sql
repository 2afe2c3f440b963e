-- depends: 0014-analytics
-- Unique keys: no two users of one name, no two invoices of one number.
-- A unique index that an older release made under another name serves as well.
SET LOCAL lock_timeout = '1s';

DO $$
DECLARE
    wanted RECORD;
BEGIN
    FOR wanted IN
        SELECT *
        FROM (VALUES
            ('users'::regclass, 'username'),
            ('invoices'::regclass, 'invoice_number')
        ) AS unique_keys (table_name, column_name)
    LOOP
        IF NOT EXISTS (
            SELECT
            FROM pg_index
            JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            WHERE indrelid = wanted.table_name
                AND attname = wanted.column_name
                AND indisunique
                AND indisvalid
                AND indimmediate
                AND indnkeyatts = 1
                AND indpred IS NULL
        ) THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD UNIQUE (%I)', wanted.table_name, wanted.column_name);
        END IF;
    END LOOP;
END;
$$;
