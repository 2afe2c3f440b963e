-- Everything that a start must know, read from pg_catalog in one statement:
-- where we are (server, schema, what the role lacks), what the schema looks
-- like (one row an object, the same text on PostgreSQL 14 to 18), and which
-- questions can be asked of the tables that exist (kind 'ask': the parts of
-- the second statement).
--
-- Columns: kind, object, definition, note. The caller appends a UNION ALL
-- branch for each optional file and sorts the rows itself.
WITH search_path AS (
    SELECT namespace.oid, namespace.nspname, path.position
    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (nspname, position)
    JOIN pg_namespace AS namespace USING (nspname)
),
-- A schema is ours when it holds yoyo's ledger or a table of the document.
candidate AS (
    SELECT search_path.*
    FROM search_path
    WHERE EXISTS (
        SELECT
        FROM pg_class
        WHERE relnamespace = search_path.oid
            AND relkind IN ('r', 'p')
            AND relname IN (
                '_yoyo_migration', 'users', 'projects', 'time_entries', 'tasks',
                'settings', 'invoices', 'invoice_items'
            )
    )
),
in_use AS (
    SELECT oid, nspname
    FROM (
        SELECT oid, nspname, position, 1 AS choice FROM candidate
        UNION ALL
        SELECT oid, nspname, position, 2 FROM search_path
    ) AS choices
    ORDER BY choice, position
    LIMIT 1
),
-- Names print without their schema when it is the only one on the search_path.
-- The setting ends with this statement.
pinned AS MATERIALIZED (
    SELECT oid, nspname, set_config('search_path', quote_ident(nspname), true)
    FROM in_use
),
relation AS (
    SELECT class.oid, relname, relkind, relpersistence, relowner,
        relrowsecurity, relforcerowsecurity, relhasrules, pinned.nspname,
        format('%I.%I', pinned.nspname, relname) AS qualified_name
    FROM pinned
    JOIN pg_class AS class ON class.relnamespace = pinned.oid
    WHERE relkind IN ('r', 'p')
        AND NOT EXISTS (
            SELECT
            FROM pg_depend
            WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'e'
        )
),
owned_sequence AS (
    SELECT relation.relname, attribute.attname, relation.oid AS table_oid, sequence.oid,
        attribute.attnum, relation.qualified_name,
        format('%I.%I', namespace.nspname, sequence.relname) AS sequence_name
    FROM relation
    JOIN pg_depend AS ownership
        ON ownership.refclassid = 'pg_class'::regclass AND ownership.refobjid = relation.oid
        AND ownership.classid = 'pg_class'::regclass AND ownership.deptype IN ('a', 'i')
    JOIN pg_class AS sequence ON sequence.oid = ownership.objid AND sequence.relkind = 'S'
    JOIN pg_namespace AS namespace ON namespace.oid = sequence.relnamespace
    JOIN pg_attribute AS attribute
        ON attribute.attrelid = relation.oid AND attribute.attnum = ownership.refobjsubid
),
indexes AS (
    SELECT relation.relname, class.relname AS index_name, pg_index.*,
        -- What a UNIQUE constraint promises: no predicate, no expression, usable.
        indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL AS is_key
    FROM relation
    JOIN pg_index ON indrelid = relation.oid
    JOIN pg_class AS class ON class.oid = indexrelid
)

SELECT 'server' AS kind, object, definition, NULL AS note
FROM (
    VALUES
        ('version', current_setting('server_version')),
        ('backend pid', pg_backend_pid()::text),
        ('role', current_user::text),
        ('schema', (SELECT nspname FROM in_use)),
        ('read only', current_setting('transaction_read_only')),
        ('standby', pg_is_in_recovery()::text)
) AS server (object, definition)

UNION ALL
SELECT 'candidate', nspname, position::text, NULL
FROM candidate

UNION ALL
SELECT 'lacks', 'schema ' || nspname, 'CREATE',
    format('GRANT CREATE ON SCHEMA %I TO %I', nspname, current_user)
FROM in_use
WHERE NOT has_schema_privilege(oid, 'CREATE')

UNION ALL
SELECT 'lacks', 'table ' || relname, 'ownership (it belongs to ' || pg_get_userbyid(relowner) || ')',
    format('ALTER TABLE %s OWNER TO %I', qualified_name, current_user)
FROM relation
WHERE NOT pg_has_role(relowner, 'USAGE')

UNION ALL
SELECT 'lacks', 'table ' || relname, privilege,
    format('GRANT %s ON %s TO %I', privilege, qualified_name, current_user)
FROM relation
CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS needed (privilege)
WHERE NOT has_table_privilege(relation.oid, privilege)

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
            FROM pg_rewrite WHERE ev_class = relation.oid
        ) END,
        CASE WHEN relrowsecurity THEN (
            SELECT 'policy ' || string_agg(polname, ', policy ' ORDER BY polname)
            FROM pg_policy WHERE polrelid = relation.oid
        ) END
    ),
    NULL
FROM relation

UNION ALL
SELECT 'column', relation.relname || '.' || attribute.attname,
    concat_ws(
        ' ',
        format_type(attribute.atttypid, attribute.atttypmod),
        CASE WHEN attribute.attcollation NOT IN (0, type.typcollation) THEN (
            SELECT 'COLLATE ' || quote_ident(collname)
            FROM pg_collation WHERE oid = attribute.attcollation
        ) END,
        CASE WHEN attribute.attnotnull THEN 'NOT NULL' END,
        CASE
            WHEN attribute.attidentity <> '' THEN 'IDENTITY'
            WHEN attribute.attgenerated <> '' THEN 'GENERATED AS (' || pg_get_expr(adbin, adrelid) || ')'
            -- However the sequence is called: SERIAL is nextval of the column's own one.
            WHEN EXISTS (
                SELECT
                FROM pg_depend AS use
                JOIN pg_depend AS ownership
                    ON ownership.classid = 'pg_class'::regclass AND ownership.objid = use.refobjid
                    AND ownership.refobjid = relation.oid AND ownership.refobjsubid = attribute.attnum
                    AND ownership.deptype = 'a'
                WHERE use.classid = 'pg_attrdef'::regclass AND use.objid = pg_attrdef.oid
                    AND use.refclassid = 'pg_class'::regclass
            ) THEN 'SERIAL'
            WHEN adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(adbin, adrelid)
        END
    ),
    NULL
FROM relation
JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
JOIN pg_type AS type ON type.oid = attribute.atttypid
LEFT JOIN pg_attrdef ON adrelid = relation.oid AND adnum = attribute.attnum
WHERE attribute.attnum > 0 AND NOT attribute.attisdropped

UNION ALL
SELECT
    CASE WHEN indisprimary THEN 'primary key' ELSE 'unique' END,
    relname || '.' || key_columns,
    concat_ws(
        ' ', '(' || key_columns || ')',
        CASE WHEN NOT indimmediate THEN 'DEFERRABLE' END,
        -- A column of PostgreSQL 15 and later, hence through JSON.
        CASE WHEN to_jsonb(indexes) ->> 'indnullsnotdistinct' = 'true' THEN 'NULLS NOT DISTINCT' END
    ),
    NULL
FROM indexes
CROSS JOIN LATERAL (
    SELECT string_agg(attname, ',' ORDER BY position) AS key_columns
    FROM unnest(indkey) WITH ORDINALITY AS key (attnum, position)
    JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = key.attnum
    WHERE position <= indnkeyatts
) AS columns
WHERE is_key

UNION ALL
SELECT 'index', relname || '.' || index_name,
    concat_ws(
        ' ',
        CASE WHEN indisunique THEN 'UNIQUE' END,
        substring(pg_get_indexdef(indexrelid, 0, true) FROM 'USING .*'),
        CASE WHEN NOT indisvalid THEN 'INVALID' END
    ),
    NULL
FROM indexes
CROSS JOIN pinned
WHERE NOT is_key

UNION ALL
SELECT 'foreign key', relation.relname || '.' || key_columns,
    substring(pg_get_constraintdef(pg_constraint.oid) FROM 'REFERENCES .*'),
    conname
FROM relation
JOIN pg_constraint ON conrelid = relation.oid AND contype = 'f'
CROSS JOIN LATERAL (
    SELECT string_agg(attname, ',' ORDER BY position) AS key_columns
    FROM unnest(conkey) WITH ORDINALITY AS key (attnum, position)
    JOIN pg_attribute ON attrelid = conrelid AND pg_attribute.attnum = key.attnum
) AS columns

UNION ALL
SELECT 'check', relation.relname || '.' || conname, pg_get_constraintdef(pg_constraint.oid, true), NULL
FROM relation
JOIN pg_constraint ON conrelid = relation.oid AND contype IN ('c', 'x')

UNION ALL
SELECT 'trigger', relation.relname || '.' || tgname,
    concat_ws(
        ' ',
        substring(pg_get_triggerdef(pg_trigger.oid, true) FROM '(?:BEFORE|AFTER|INSTEAD OF) .*'),
        CASE tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA ONLY' WHEN 'A' THEN 'ALWAYS' END
    ),
    NULL
FROM relation
JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal

UNION ALL
SELECT 'function', proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')',
    concat_ws(
        ' ',
        lanname,
        CASE WHEN prosecdef THEN 'SECURITY DEFINER' END,
        'SET ' || array_to_string(proconfig, ', '),
        btrim(regexp_replace(prosrc, '\s+', ' ', 'g'))
    ),
    NULL
FROM pinned
JOIN pg_proc ON pronamespace = pinned.oid AND prokind = 'f'
JOIN pg_language ON pg_language.oid = prolang
WHERE NOT EXISTS (
    SELECT
    FROM pg_depend
    WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e'
)

UNION ALL
SELECT 'sequence', relname || '.' || attname, sequence_name,
    CASE
        WHEN NOT has_sequence_privilege(oid, 'SELECT') THEN 'not readable'
        WHEN NOT has_table_privilege(table_oid, 'SELECT') THEN 'table not readable'
    END
FROM owned_sequence

UNION ALL
SELECT 'ask', 'sequence ' || relname || '.' || attname,
    format(
        'SELECT ''sequence'', %L, (SELECT max(%I) FROM %s)::text, (last_value - (NOT is_called)::int)::text FROM %s',
        relname || '.' || attname, attname, qualified_name, sequence_name
    ),
    NULL
FROM owned_sequence
WHERE has_sequence_privilege(oid, 'SELECT') AND has_table_privilege(table_oid, 'SELECT')

UNION ALL
SELECT 'ask', relname, format(question, qualified_name), NULL
FROM relation
JOIN (
    VALUES
        ('_yoyo_migration', 'SELECT ''applied'', migration_id, applied_at_utc::text, NULL FROM %s'),
        ('migration_hashes', 'SELECT ''hash'', migration_id, raw_sha256, normalised_sha256 FROM %s'),
        ('startup_marks', 'SELECT ''mark'', name, value, marked_at::text FROM %s'),
        ('settings', 'SELECT ''rows'', ''settings'', (EXISTS (SELECT FROM %s))::text, NULL'),
        ('app_secrets', 'SELECT ''rows'', ''app_secrets'', (EXISTS (SELECT FROM %s))::text, NULL')
) AS asked (relname, question) USING (relname)
WHERE has_table_privilege(relation.oid, 'SELECT')
