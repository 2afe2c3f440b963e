-- Everything that a start must know, read from pg_catalog in one statement:
-- where we are, what the schema looks like (one row an object, the same text
-- on PostgreSQL 14 to 18), and which questions can be asked of the tables that
-- exist: those are the parts of the second statement.
--
-- It is planned anew by each start, and planning is half of its cost: hence
-- few joins, and names of columns taken from what PostgreSQL prints.
--
-- Columns: kind, object, definition, question. The caller appends a UNION ALL
-- branch for each optional file and sorts the rows itself.
WITH search_path AS (
    SELECT namespace.oid, nspname, position,
        -- A schema is ours when it holds yoyo's ledger or a table of the document.
        EXISTS (
            SELECT
            FROM pg_class
            WHERE relnamespace = namespace.oid
                AND relkind IN ('r', 'p')
                AND relname IN (
                    '_yoyo_migration', 'users', 'projects', 'time_entries', 'tasks',
                    'settings', 'invoices', 'invoice_items'
                )
        ) AS is_ours
    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (nspname, position)
    JOIN pg_namespace AS namespace USING (nspname)
),
-- Names print without their schema when it is the only one on the search_path.
-- The setting ends with this statement.
in_use AS MATERIALIZED (
    SELECT oid, nspname, set_config('search_path', quote_ident(nspname), true)
    FROM (SELECT * FROM search_path ORDER BY is_ours DESC, position LIMIT 1) AS first
),
relation AS MATERIALIZED (
    SELECT class.oid, relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relhasrules,
        format('%I.%I', nspname, relname) AS qualified_name,
        has_table_privilege(class.oid, 'SELECT') AS is_readable
    FROM in_use
    JOIN pg_class AS class ON relnamespace = in_use.oid
    WHERE relkind IN ('r', 'p')
),
-- The sequence that a column owns, as SERIAL makes it.
owned_sequence AS MATERIALIZED (
    SELECT refobjid, refobjsubid, class.oid, format('%I.%I', nspname, relname) AS qualified_name
    FROM pg_depend
    JOIN pg_class AS class ON class.oid = objid AND relkind = 'S'
    JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
    WHERE refclassid = 'pg_class'::regclass
        AND refobjid IN (SELECT oid FROM relation)
        AND classid = 'pg_class'::regclass
        AND deptype IN ('a', 'i')
)

SELECT 'server' AS kind, object, definition, NULL AS question
FROM (
    VALUES
        ('version', current_setting('server_version')),
        ('backend pid', pg_backend_pid()::text),
        ('role', current_user::text),
        ('schema', (SELECT nspname FROM in_use)),
        ('schemas of ours', (SELECT string_agg(nspname, ' and ' ORDER BY position) FROM search_path WHERE is_ours)),
        ('read only', current_setting('transaction_read_only')),
        ('standby', pg_is_in_recovery()::text)
) AS server (object, definition)

UNION ALL
SELECT 'table', relname,
    concat_ws(
        ', ',
        CASE relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END,
        CASE WHEN relkind = 'p' THEN 'partitioned' END,
        CASE WHEN relrowsecurity THEN 'row security' END,
        CASE WHEN relforcerowsecurity THEN 'forced row security' END,
        CASE WHEN relhasrules THEN (
            SELECT 'rule ' || string_agg(rulename, ', rule ' ORDER BY rulename)
            FROM pg_rewrite
            WHERE ev_class = relation.oid
        ) END,
        CASE WHEN relrowsecurity THEN (
            SELECT 'policy ' || string_agg(polname, ', policy ' ORDER BY polname)
            FROM pg_policy
            WHERE polrelid = relation.oid
        ) END
    ),
    CASE WHEN is_readable THEN format(
        CASE relname
            WHEN '_yoyo_migration' THEN 'SELECT ''applied'', migration_id, applied_at_utc::text, NULL FROM %s'
            WHEN 'migration_hashes' THEN 'SELECT ''hash'', migration_id, raw_sha256, normalised_sha256 FROM %s'
            WHEN 'startup_marks' THEN 'SELECT ''mark'', name, value, marked_at::text FROM %s'
            WHEN 'settings' THEN 'SELECT ''rows'', ''settings'', (EXISTS (SELECT FROM %s))::text, NULL'
            WHEN 'app_secrets' THEN 'SELECT ''rows'', ''app_secrets'', (EXISTS (SELECT FROM %s))::text, NULL'
        END,
        qualified_name
    ) END
FROM relation

UNION ALL
SELECT 'column', relname || '.' || attname,
    concat_ws(
        ' ',
        format_type(atttypid, atttypmod),
        CASE WHEN attcollation NOT IN (0, 'default'::regcollation) THEN 'COLLATE ' || attcollation::regcollation END,
        CASE WHEN attnotnull THEN 'NOT NULL' END,
        CASE
            WHEN attidentity <> '' THEN 'IDENTITY'
            WHEN attgenerated <> '' THEN 'GENERATED AS (' || pg_get_expr(adbin, adrelid) || ')'
            -- However the sequence is called: SERIAL is nextval of the column's own one.
            WHEN owned_sequence.oid IS NOT NULL
                AND pg_get_expr(adbin, adrelid) = format('nextval(%L::regclass)', owned_sequence.oid::regclass)
            THEN 'SERIAL'
            ELSE 'DEFAULT ' || pg_get_expr(adbin, adrelid)
        END
    ),
    NULL
FROM relation
JOIN pg_attribute ON attrelid = relation.oid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN owned_sequence ON refobjid = attrelid AND refobjsubid = attnum
WHERE attnum > 0 AND NOT attisdropped

UNION ALL
SELECT
    CASE WHEN indisprimary THEN 'primary key' WHEN is_key THEN 'unique' ELSE 'index' END,
    relname || '.' || CASE WHEN is_key THEN columns ELSE indexrelid::regclass::text END,
    concat_ws(
        ' ',
        CASE WHEN indisunique AND NOT is_key THEN 'UNIQUE' END,
        CASE WHEN is_key THEN replace(definition, 'USING btree ', '') ELSE definition END,
        CASE WHEN NOT indimmediate THEN 'DEFERRABLE' END,
        CASE WHEN NOT indisvalid THEN 'INVALID' END
    ),
    NULL
FROM (
    SELECT relname, pg_index.*, definition,
        -- What a UNIQUE constraint promises: no predicate, no expression, usable.
        indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL AS is_key,
        replace(substring(definition FROM '\((.*?)\)'), ', ', ',') AS columns
    FROM relation
    JOIN pg_index ON indrelid = relation.oid
    CROSS JOIN LATERAL substring(pg_get_indexdef(indexrelid, 0, true) FROM 'USING .*') AS definition
) AS described

UNION ALL
SELECT
    CASE contype WHEN 'f' THEN 'foreign key' ELSE 'check' END,
    relname || '.' || CASE contype
        WHEN 'f' THEN replace(substring(definition FROM '\((.*?)\)'), ', ', ',')
        ELSE conname
    END,
    CASE contype WHEN 'f' THEN substring(definition FROM 'REFERENCES .*') ELSE definition END,
    NULL
FROM relation
JOIN pg_constraint ON conrelid = relation.oid AND contype IN ('f', 'c', 'x')
CROSS JOIN LATERAL pg_get_constraintdef(pg_constraint.oid, true) AS definition

UNION ALL
SELECT 'trigger', relname || '.' || tgname,
    concat_ws(
        ' ',
        substring(pg_get_triggerdef(pg_trigger.oid, true) FROM '(?:BEFORE|AFTER|INSTEAD OF) .*'),
        CASE tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA ONLY' WHEN 'A' THEN 'ALWAYS' END
    ),
    NULL
FROM relation
JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal

UNION ALL
SELECT 'function', pg_proc.oid::regprocedure::text,
    concat_ws(
        ' ',
        lanname,
        CASE WHEN prosecdef THEN 'SECURITY DEFINER' END,
        'SET ' || array_to_string(proconfig, ', '),
        btrim(regexp_replace(prosrc, '\s+', ' ', 'g'))
    ),
    NULL
FROM in_use
JOIN pg_proc ON pronamespace = in_use.oid AND prorettype = 'trigger'::regtype
JOIN pg_language ON pg_language.oid = prolang

UNION ALL
SELECT 'sequence', relname || '.' || attname, owned_sequence.qualified_name,
    CASE WHEN is_readable AND has_sequence_privilege(owned_sequence.oid, 'SELECT') THEN format(
        'SELECT ''sequence'', %L, (SELECT max(%I) FROM %s)::text, (last_value - (NOT is_called)::int)::text FROM %s',
        relname || '.' || attname, attname, relation.qualified_name, owned_sequence.qualified_name
    ) END
FROM owned_sequence
JOIN relation ON relation.oid = refobjid
JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
