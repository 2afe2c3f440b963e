-- Everything that a start must know, read from pg_catalog in one statement:
-- where we are, what the schema looks like (one row an object, the same text
-- on PostgreSQL 14 to 18), and which questions can be asked of the tables that
-- exist: those are the parts of the second statement.
--
-- What somebody with CREATE on a schema of the search_path could overload (any
-- number of arguments, of any type) is called by its full name.
--
-- It is planned anew by each start, on a connection that knows no catalog yet,
-- and planning is more than half of its cost. Hence few joins: names come from
-- casts to reg... types, and from what PostgreSQL prints.
--
-- Columns: kind, object, definition, note. The note of a table or a sequence
-- is the question that can be asked of it, the note of a key its own name. The
-- caller appends a UNION ALL branch for each optional file and sorts the rows.
WITH search_path AS MATERIALIZED (
    SELECT to_regnamespace(quote_ident(name)) AS oid, name, position
    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, position)
    WHERE name !~ '^pg_' AND name <> 'information_schema'
),
tables AS MATERIALIZED (
    SELECT pg_class.oid, relname, relnamespace, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relhasrules,
        relhassubclass, search_path.name AS schema, position,
        -- Yoyo's ledger, or a table of the document: where it lies is the schema in use.
        relname IN (
            '_yoyo_migration', 'users', 'projects', 'time_entries', 'tasks', 'settings', 'invoices', 'invoice_items'
        ) AND relkind IN ('r', 'p') AS is_ours
    FROM search_path
    JOIN pg_class ON relnamespace = search_path.oid
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
),
schema_of_ours AS MATERIALIZED (
    SELECT name, position
    FROM search_path
    WHERE oid IN (SELECT relnamespace FROM tables WHERE is_ours)
),
-- Names print without their schema when it is the only one on the search_path.
-- The first branch sees to that; the setting ends with this statement.
in_use AS MATERIALIZED (
    SELECT oid, name, position, set_config('search_path', quote_ident(name), true)
    FROM (
        SELECT oid, name, position FROM search_path ORDER BY name IN (SELECT name FROM schema_of_ours) DESC, position LIMIT 1
    ) AS first
),
relation AS MATERIALIZED (
    SELECT tables.*, quote_ident(relname) AS name, pg_catalog.format('%I.%I', in_use.name, relname) AS qualified_name,
        has_table_privilege(tables.oid, 'SELECT') AS is_readable,
        -- The app writes those of the document and those of its pages. Where the latter lie says nothing: others may
        -- have such names too.
        (is_ours AND relname <> '_yoyo_migration') OR relname IN (
            'sign_in_credentials', 'sign_in_invitations', 'sign_in_sessions', 'sign_in_failures', 'display_preferences',
            'submitted_forms', 'deleted_time_entries', 'company_logo'
        ) AS is_written
    FROM in_use
    JOIN tables ON relnamespace = in_use.oid
    WHERE relkind IN ('r', 'p')
),
owned_sequence AS MATERIALIZED (
    SELECT refobjid, refobjsubid, seqrelid, seqmax
    FROM relation
    JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = relation.oid
    JOIN pg_sequence ON seqrelid = objid
    WHERE classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
),
attribute AS MATERIALIZED (
    SELECT name || '.' || quote_ident(attname) AS place, attrelid, attname, qualified_name, is_readable, is_written,
        atttypid, atttypmod, attcollation, attnotnull, attidentity, attgenerated, value,
        -- However it is called: a serial column takes its values from a sequence that it owns.
        CASE WHEN attidentity <> '' OR value = pg_catalog.format('nextval(%L::regclass)', seqrelid::regclass)
            THEN seqrelid
        END AS sequence, seqmax
    FROM relation
    JOIN pg_attribute ON attrelid = relation.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    CROSS JOIN LATERAL pg_get_expr(adbin, adrelid) AS value
    LEFT JOIN owned_sequence ON refobjid = attrelid AND refobjsubid = attnum
    WHERE attnum > 0 AND NOT attisdropped
)

SELECT 'server' AS kind, object, definition, NULL AS note
FROM (
    VALUES
        ('version', current_setting('server_version')),
        ('backend pid', pg_backend_pid()::text),
        ('role', current_user::text),
        ('quoted role', quote_ident(current_user)),
        ('schema', (SELECT name FROM in_use)),
        ('quoted schema', (SELECT quote_ident(name) FROM in_use)),
        ('schemas of ours', (SELECT string_agg(name, ' and ' ORDER BY position) FROM schema_of_ours)),
        ('read only', current_setting('transaction_read_only')),
        ('standby', pg_is_in_recovery()::text),
        ('out of reach', (
            SELECT string_agg(name, ', ' ORDER BY name)
            FROM relation
            WHERE is_written
                AND NOT (
                    is_readable
                    AND has_table_privilege(oid, 'INSERT')
                    AND has_table_privilege(oid, 'UPDATE')
                    AND has_table_privilege(oid, 'DELETE')
                )
        ))
) AS server (object, definition)

UNION ALL
SELECT 'table', name,
    pg_catalog.concat_ws(
        ', ',
        CASE relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END,
        CASE WHEN relkind = 'p' THEN 'partitioned' END,
        CASE WHEN relrowsecurity THEN 'row security' END,
        CASE WHEN relforcerowsecurity THEN 'forced row security' END,
        CASE WHEN relhassubclass AND relkind = 'r' THEN (
            SELECT string_agg('inherited by ' || inhrelid::regclass, ', ' ORDER BY inhrelid::regclass::text)
            FROM pg_inherits
            WHERE inhparent = relation.oid
        ) END,
        CASE WHEN relhasrules OR relrowsecurity THEN (
            SELECT string_agg(
                pg_catalog.concat_ws(' ', type, replace(identity, ' on ' || qualified_name, ''), (
                    -- What it lets through, without the comma that separates the parts of this definition.
                    SELECT pg_catalog.concat(
                        polcmd, polpermissive, polroles, replace(pg_get_expr(polqual, polrelid), ', ', ','), polwithcheck IS NULL
                    )
                    FROM pg_policy
                    WHERE classid = 'pg_policy'::regclass AND pg_policy.oid = objid
                )),
                ', ' ORDER BY type, identity
            )
            FROM pg_depend
            CROSS JOIN pg_identify_object(classid, objid, 0)
            WHERE refclassid = 'pg_class'::regclass AND refobjid = relation.oid AND deptype = 'a'
                AND classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass)
        ) END
    ),
    -- A table of ours that lacks a column is no reason to fail: the verification tells of it.
    CASE WHEN question IS NOT NULL AND is_readable
        -- Where row security hides the secrets, none seen does not mean none there.
        AND NOT (
            relname IN ('app_secrets', 'sign_in_credentials') AND row_security_active(relation.oid)
            AND NOT has_table_privilege(relation.oid, 'UPDATE')
        )
        AND columns::name[] <@ ARRAY(SELECT attname FROM attribute WHERE attrelid = relation.oid)
        AND elsewhere::text[] <@ ARRAY(SELECT place FROM attribute WHERE is_readable)
        THEN pg_catalog.format(question, qualified_name, schema)
    END
FROM relation
LEFT JOIN (
    VALUES
        (
            '_yoyo_migration', '{migration_id, applied_at_utc}', '{}',
            'SELECT ''applied'', migration_id::text, applied_at_utc::text, NULL FROM %s'
        ),
        (
            'migration_hashes', '{migration_id, raw_sha256, normalised_sha256}', '{}',
            'SELECT ''hash'', migration_id::text, raw_sha256::text, normalised_sha256::text FROM %s'
        ),
        (
            -- The row of a start that was killed: its session is gone.
            'yoyo_lock', '{pid}', '{}',
            'SELECT ''rows'', ''dead lock'', (EXISTS (SELECT FROM %s WHERE pid < 0 AND NOT EXISTS'
                ' (SELECT FROM pg_stat_get_activity(-pid))))::text, NULL'
        ),
        ('startup_marks', '{name, value}', '{}', 'SELECT ''mark'', name::text, value::text, NULL FROM %s'),
        ('settings', '{}', '{}', 'SELECT ''rows'', ''settings'', (EXISTS (SELECT FROM %s))::text, NULL'),
        ('app_secrets', '{}', '{}', 'SELECT ''rows'', ''app_secrets'', (EXISTS (SELECT FROM %s))::text, NULL'),
        (
            -- An active administrator, if there is one with a password, and whether.
            'sign_in_credentials', '{user_id}', '{users.id, users.username, users.role, users.is_active}',
            '(SELECT ''administrator'', users.username::text, (credentials.user_id IS NOT NULL)::text, NULL'
                ' FROM %2$I.users LEFT JOIN %1$s AS credentials ON credentials.user_id::text = users.id::text'
                ' WHERE users.role::text = ''admin'' AND users.is_active::text = ''true'''
                ' ORDER BY credentials.user_id IS NULL, users.id LIMIT 1)'
        )
) AS asked (relname, columns, elsewhere, question) USING (relname)

-- What stands where a name leads before it leads to a table of the schema in use.
UNION ALL
SELECT 'other', quote_ident(relname),
    CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
    pg_catalog.format('%I.%I', schema, relname)
FROM tables
JOIN in_use ON tables.position < in_use.position OR (relnamespace = in_use.oid AND relkind NOT IN ('r', 'p'))

UNION ALL
SELECT 'column', place,
    pg_catalog.concat_ws(
        ' ',
        format_type(atttypid, atttypmod),
        CASE WHEN attcollation NOT IN (0, '"default"'::regcollation) THEN 'COLLATE ' || attcollation::regcollation END,
        CASE WHEN attnotnull THEN 'NOT NULL' END,
        CASE
            WHEN attidentity = 'd' THEN 'IDENTITY'
            WHEN attidentity = 'a' THEN 'IDENTITY ALWAYS'
            WHEN attgenerated = 's' THEN 'GENERATED AS (' || value || ') STORED'
            WHEN attgenerated = 'v' THEN 'GENERATED AS (' || value || ')'
            WHEN sequence IS NOT NULL THEN 'SERIAL'
            ELSE 'DEFAULT ' || value
        END
    ),
    NULL
FROM attribute

UNION ALL
SELECT
    CASE WHEN NOT is_key THEN 'index' WHEN indisprimary THEN 'primary key' ELSE 'unique' END,
    pg_catalog.concat_ws('.', name, CASE WHEN NOT is_key THEN index_name WHEN NOT indisprimary THEN key_columns END),
    CASE WHEN is_key
        THEN pg_catalog.concat_ws(
            ' ',
            '(' || key_columns || ')',
            CASE WHEN NOT indimmediate THEN 'DEFERRABLE' END,
            CASE WHEN NOT indisprimary THEN substring(pg_get_indexdef(indexrelid) FROM 'NULLS NOT DISTINCT') END
        )
        ELSE pg_catalog.concat_ws(
            ' ',
            CASE WHEN indisunique THEN 'UNIQUE' END,
            substring(pg_get_indexdef(indexrelid, 0, true) FROM 'USING .*'),
            CASE WHEN NOT indisvalid THEN 'INVALID' END
        )
    END,
    CASE WHEN is_key THEN index_name END
FROM relation
JOIN pg_index ON indrelid = relation.oid
CROSS JOIN LATERAL (
    SELECT indexrelid::regclass::text AS index_name,
        -- What a UNIQUE constraint promises: no predicate, no expression, usable.
        indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL AS is_key
) AS named
CROSS JOIN LATERAL (
    SELECT string_agg(pg_get_indexdef(indexrelid, position, true), ',') AS key_columns
    FROM generate_series(1, indnkeyatts) AS position
    WHERE is_key
) AS columns

UNION ALL
SELECT
    CASE contype WHEN 'f' THEN 'foreign key' ELSE 'check' END,
    name || '.' || COALESCE(foreign_key[1], quote_ident(conname)),
    -- A key whose own triggers are switched off looks like one, and refuses nothing.
    pg_catalog.concat_ws(
        ' ',
        COALESCE(foreign_key[2], definition),
        CASE WHEN EXISTS (
            SELECT
            FROM pg_trigger
            WHERE tgconstraint = pg_constraint.oid AND tgenabled IN ('D', 'R')
        ) THEN 'DISABLED' END
    ),
    quote_ident(conname)
FROM relation
JOIN pg_constraint ON conrelid = relation.oid AND (contype IN ('c', 'f', 'x') OR (contype = 'n' AND NOT convalidated))
CROSS JOIN LATERAL pg_get_constraintdef(pg_constraint.oid, true) AS definition
CROSS JOIN LATERAL regexp_match(definition, '^FOREIGN KEY [(]([^)]*)[)] (REFERENCES .*)') AS foreign_key

UNION ALL
SELECT 'trigger', name || '.' || quote_ident(tgname),
    pg_catalog.concat_ws(
        ' ',
        substring(pg_get_triggerdef(pg_trigger.oid, true) FROM '(?:BEFORE|AFTER|INSTEAD OF) .*'),
        CASE tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA ONLY' WHEN 'A' THEN 'ALWAYS' END
    ),
    NULL
FROM relation
JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal

UNION ALL
SELECT 'function', pg_proc.oid::regprocedure::text,
    btrim(regexp_replace(substring(pg_get_functiondef(pg_proc.oid) FROM 'RETURNS .*'), '[[:space:]]+', ' ', 'g')),
    NULL
FROM in_use
JOIN pg_proc ON pronamespace = in_use.oid
-- Of PostgreSQL's own thousands none has so high an oid; those of most extensions are in C.
WHERE pg_proc.oid >= 16384 AND prokind = 'f' AND probin IS NULL

UNION ALL
SELECT 'sequence', place, identity,
    CASE WHEN is_readable AND has_sequence_privilege(sequence, 'SELECT') THEN pg_catalog.format(
        'SELECT ''sequence'', %L, (SELECT max(%I) FROM %s)::text, (last_value - (NOT is_called)::int) || ''/%s'' FROM %s',
        place, attname, qualified_name, seqmax, identity
    ) END
FROM attribute
CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, sequence, 0)
-- Tables of somebody else are neither read nor locked.
WHERE is_written AND sequence IS NOT NULL AND atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
    -- Where row security hides the rows, none of them is the highest.
    AND (has_table_privilege(attrelid, 'UPDATE') OR NOT row_security_active(attrelid))
