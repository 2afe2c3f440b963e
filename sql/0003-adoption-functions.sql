-- depends: 0002-functions
-- Functions for databases of the predecessor, used by the next three files and dropped by 0020-adoption-end.
-- Such a database has tables, and no ledger of ours. On another one those files do nothing, nor a second time: the mark
-- 'adoption' says 'begun' while they are at it.
SET LOCAL lock_timeout = '1s';

-- The columns to arrive at, as this version made them: later migrations go on from there. A test compares them with the
-- tables' own files. `nulls` says what becomes of NULL: allowed, replaced by the default, or refused, as nobody can
-- know the value. An indexed column has an index of its own, idx_<table>_<column>.
CREATE OR REPLACE FUNCTION adoption_target()
RETURNS TABLE (table_name TEXT, column_name TEXT, type TEXT, nulls TEXT, is_indexed BOOLEAN) LANGUAGE sql IMMUTABLE AS $$
VALUES
    ('users', 'id', 'integer', 'refused', false),
    ('users', 'username', 'character varying(80)', 'refused', true),
    ('users', 'role', 'character varying(20)', 'default', true),
    ('users', 'created_at', 'timestamp without time zone', 'default', false),
    ('users', 'last_login', 'timestamp without time zone', 'allowed', false),
    ('users', 'is_active', 'boolean', 'default', false),
    ('users', 'updated_at', 'timestamp without time zone', 'default', false),
    ('projects', 'id', 'integer', 'refused', false),
    ('projects', 'name', 'character varying(200)', 'refused', false),
    ('projects', 'client', 'character varying(200)', 'refused', true),
    ('projects', 'description', 'text', 'allowed', false),
    ('projects', 'billable', 'boolean', 'default', false),
    ('projects', 'hourly_rate', 'numeric(9,2)', 'allowed', false),
    ('projects', 'billing_ref', 'character varying(100)', 'allowed', false),
    ('projects', 'status', 'character varying(20)', 'default', true),
    ('projects', 'created_at', 'timestamp without time zone', 'allowed', false),
    ('projects', 'updated_at', 'timestamp without time zone', 'allowed', false),
    ('tasks', 'id', 'integer', 'refused', false),
    ('tasks', 'project_id', 'integer', 'refused', true),
    ('tasks', 'name', 'character varying(200)', 'refused', false),
    ('tasks', 'description', 'text', 'allowed', false),
    ('tasks', 'status', 'character varying(20)', 'default', true),
    ('tasks', 'priority', 'character varying(20)', 'default', false),
    ('tasks', 'assigned_to', 'integer', 'allowed', true),
    ('tasks', 'created_by', 'integer', 'refused', false),
    ('tasks', 'due_date', 'date', 'allowed', true),
    ('tasks', 'estimated_hours', 'numeric(5,2)', 'allowed', false),
    ('tasks', 'actual_hours', 'numeric(5,2)', 'allowed', false),
    ('tasks', 'started_at', 'timestamp without time zone', 'allowed', false),
    ('tasks', 'completed_at', 'timestamp without time zone', 'allowed', false),
    ('tasks', 'created_at', 'timestamp without time zone', 'default', false),
    ('tasks', 'updated_at', 'timestamp without time zone', 'default', false),
    ('time_entries', 'id', 'integer', 'refused', false),
    ('time_entries', 'user_id', 'integer', 'allowed', true),
    ('time_entries', 'project_id', 'integer', 'allowed', true),
    ('time_entries', 'task_id', 'integer', 'allowed', true),
    ('time_entries', 'start_time', 'timestamp without time zone', 'refused', true),
    ('time_entries', 'end_time', 'timestamp without time zone', 'allowed', false),
    ('time_entries', 'duration_seconds', 'integer', 'allowed', false),
    ('time_entries', 'notes', 'text', 'allowed', false),
    ('time_entries', 'tags', 'character varying(500)', 'allowed', false),
    ('time_entries', 'source', 'character varying(20)', 'default', false),
    ('time_entries', 'billable', 'boolean', 'default', true),
    ('time_entries', 'created_at', 'timestamp without time zone', 'allowed', false),
    ('time_entries', 'updated_at', 'timestamp without time zone', 'allowed', false),
    ('settings', 'id', 'integer', 'refused', false),
    ('settings', 'timezone', 'character varying(50)', 'default', false),
    ('settings', 'currency', 'character varying(3)', 'default', false),
    ('settings', 'rounding_minutes', 'integer', 'default', false),
    ('settings', 'single_active_timer', 'boolean', 'default', false),
    ('settings', 'allow_self_register', 'boolean', 'default', false),
    ('settings', 'idle_timeout_minutes', 'integer', 'default', false),
    ('settings', 'backup_retention_days', 'integer', 'default', false),
    ('settings', 'backup_time', 'character varying(5)', 'default', false),
    ('settings', 'export_delimiter', 'character varying(1)', 'default', false),
    ('settings', 'allow_analytics', 'boolean', 'default', false),
    ('settings', 'company_name', 'character varying(200)', 'default', false),
    ('settings', 'company_address', 'text', 'default', false),
    ('settings', 'company_email', 'character varying(200)', 'default', false),
    ('settings', 'company_phone', 'character varying(50)', 'default', false),
    ('settings', 'company_website', 'character varying(200)', 'default', false),
    ('settings', 'company_logo_filename', 'character varying(255)', 'default', false),
    ('settings', 'company_tax_id', 'character varying(100)', 'default', false),
    ('settings', 'company_bank_info', 'text', 'default', false),
    ('settings', 'invoice_prefix', 'character varying(10)', 'default', false),
    ('settings', 'invoice_start_number', 'integer', 'default', false),
    ('settings', 'invoice_terms', 'text', 'default', false),
    ('settings', 'invoice_notes', 'text', 'default', false),
    ('settings', 'created_at', 'timestamp without time zone', 'default', false),
    ('settings', 'updated_at', 'timestamp without time zone', 'default', false),
    ('invoices', 'id', 'integer', 'refused', false),
    ('invoices', 'invoice_number', 'character varying(50)', 'refused', false),
    ('invoices', 'project_id', 'integer', 'allowed', true),
    ('invoices', 'client_name', 'character varying(200)', 'refused', false),
    ('invoices', 'client_email', 'character varying(200)', 'allowed', false),
    ('invoices', 'client_address', 'text', 'allowed', false),
    ('invoices', 'issue_date', 'date', 'refused', true),
    ('invoices', 'due_date', 'date', 'refused', false),
    ('invoices', 'status', 'character varying(20)', 'default', true),
    ('invoices', 'subtotal', 'numeric(10,2)', 'default', false),
    ('invoices', 'tax_rate', 'numeric(5,2)', 'default', false),
    ('invoices', 'tax_amount', 'numeric(10,2)', 'default', false),
    ('invoices', 'total_amount', 'numeric(10,2)', 'default', false),
    ('invoices', 'notes', 'text', 'allowed', false),
    ('invoices', 'terms', 'text', 'allowed', false),
    ('invoices', 'created_by', 'integer', 'allowed', false),
    ('invoices', 'created_at', 'timestamp without time zone', 'allowed', false),
    ('invoices', 'updated_at', 'timestamp without time zone', 'allowed', false),
    ('invoice_items', 'id', 'integer', 'refused', false),
    ('invoice_items', 'invoice_id', 'integer', 'allowed', true),
    ('invoice_items', 'description', 'character varying(500)', 'refused', false),
    ('invoice_items', 'quantity', 'numeric(10,2)', 'default', false),
    ('invoice_items', 'unit_price', 'numeric(10,2)', 'refused', false),
    ('invoice_items', 'total_amount', 'numeric(10,2)', 'refused', false),
    ('invoice_items', 'time_entry_ids', 'character varying(500)', 'allowed', false),
    ('invoice_items', 'created_at', 'timestamp without time zone', 'allowed', false)
$$;

-- Which columns hold the id of another table's row: 0016-foreign-keys makes the keys.
CREATE OR REPLACE FUNCTION adoption_references()
RETURNS TABLE (table_name TEXT, column_name TEXT, target TEXT) LANGUAGE sql IMMUTABLE AS $$
VALUES
    ('tasks', 'project_id', 'projects'),
    ('tasks', 'assigned_to', 'users'),
    ('tasks', 'created_by', 'users'),
    ('time_entries', 'user_id', 'users'),
    ('time_entries', 'project_id', 'projects'),
    ('time_entries', 'task_id', 'tasks'),
    ('invoices', 'project_id', 'projects'),
    ('invoices', 'created_by', 'users'),
    ('invoice_items', 'invoice_id', 'invoices')
$$;

-- A table of the schema in use; NULL where there is none.
CREATE OR REPLACE FUNCTION adoption_table(table_name TEXT) RETURNS REGCLASS LANGUAGE sql STABLE AS $$
    SELECT oid::regclass
    FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relname = table_name AND relkind IN ('r', 'p');
$$;

CREATE OR REPLACE FUNCTION adoption_has(table_name TEXT, column_name TEXT) RETURNS BOOLEAN LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = adoption_table(table_name) AND attname = column_name AND attnum > 0 AND NOT attisdropped
    );
$$;

-- Writes a line of the report. Steps: found, done, left alone, to decide, in the way.
CREATE OR REPLACE FUNCTION adoption_note(step TEXT, object TEXT, row_count BIGINT, detail TEXT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO adoption_report (step, object, rows, detail) VALUES (step, object, row_count, detail);
$$;

-- How many rows meet a condition, and which: 'id 3, 5, 8 and 12 more'.
CREATE OR REPLACE FUNCTION adoption_rows(table_name TEXT, condition TEXT, OUT row_count BIGINT, OUT shown TEXT) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_catalog.format(
        'SELECT count(*), ''id '' || string_agg(id::text, '', '' ORDER BY number) FILTER (WHERE number <= 100)'
        ' FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM %s WHERE %s) AS numbered',
        adoption_table(table_name), condition
    ) INTO row_count, shown;
    IF row_count > 100 THEN
        shown := pg_catalog.format('%s and %s more', shown, row_count - 100);
    END IF;
END;
$$;

-- Notes what makes it impossible to arrive without guessing, if any row meets the condition. `mend` is SQL for one row or all.
CREATE OR REPLACE FUNCTION adoption_obstacle(table_name TEXT, object TEXT, condition TEXT, reason TEXT, mend TEXT)
RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    breaking RECORD;
BEGIN
    SELECT * INTO breaking FROM adoption_rows(table_name, condition);
    IF breaking.row_count > 0 THEN
        PERFORM adoption_note('in the way', object, breaking.row_count, pg_catalog.format(
            '%s (%s). To see them: SELECT * FROM %s WHERE %s. To mend them: %s',
            reason, COALESCE(breaking.shown, 'without an id'), adoption_table(table_name), condition, mend
        ));
    END IF;
END;
$$;

-- The schema in which a table of that name can keep what `relation` held: the archive, or the schema in use for a role
-- that may not make one. NULL, and a line of the report, where such a table is there already.
CREATE OR REPLACE FUNCTION adoption_archive(relation REGCLASS, kept_as TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    archive TEXT;
BEGIN
    BEGIN
        archive := archive_for(relation);
    EXCEPTION WHEN insufficient_privilege OR raise_exception THEN
        archive := current_schema();
    END;
    IF to_regclass(pg_catalog.format('%I.%I', archive, kept_as)) IS NOT NULL THEN
        PERFORM adoption_note('in the way', pg_catalog.format('table %I.%I', archive, kept_as), NULL, pg_catalog.format(
            'it is there already, of an earlier adoption or somebody else''s, and what this one keeps goes there.'
            ' To mend it: ALTER TABLE %I.%I RENAME TO %I',
            archive, kept_as, pg_catalog.concat(kept_as, '_before')
        ));
        RETURN NULL;
    END IF;
    RETURN archive;
END;
$$;

-- Fills a column from an older one where it is empty, and makes it first if need be. `value` is an SQL expression over
-- the table; where that is NULL the column stays as it is. `blank` is the condition for being empty, if not NULL alone.
CREATE OR REPLACE FUNCTION adoption_fill(table_name TEXT, column_name TEXT, value TEXT, origin TEXT, blank TEXT DEFAULT NULL)
RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    relation REGCLASS := adoption_table(table_name);
    object TEXT := pg_catalog.format('column %s.%s', table_name, column_name);
    row_count BIGINT;
BEGIN
    IF NOT adoption_has(table_name, column_name) THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s ADD COLUMN %I %s', relation, column_name, (
            SELECT target.type
            FROM adoption_target() AS target
            WHERE (target.table_name, target.column_name) = (adoption_fill.table_name, adoption_fill.column_name)
        ));
    END IF;
    EXECUTE pg_catalog.format(
        'UPDATE %s SET %I = %s WHERE %s AND (%s) IS NOT NULL',
        relation, column_name, value, COALESCE(blank, pg_catalog.format('%I IS NULL', column_name)), value
    );
    GET DIAGNOSTICS row_count = ROW_COUNT;
    IF row_count > 0 THEN
        PERFORM adoption_note('done', object, row_count, pg_catalog.format('filled from %s where it was empty', origin));
    END IF;
EXCEPTION WHEN data_exception OR datatype_mismatch OR undefined_function THEN
    PERFORM adoption_note('to decide', object, NULL, pg_catalog.format('nothing was taken from %s: %s', origin, SQLERRM));
END;
$$;
