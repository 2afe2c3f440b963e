-- Every object of a database as text: its schema, the relation that it belongs to, its name, what it is.
-- The search_path is empty meanwhile, so that all names are written in full.
SELECT nspname AS schema_name, '' AS relation, 'schema' AS name, concat_ws(' ', nspowner::regrole, nspacl, obj_description(oid, 'pg_namespace')) AS definition
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT nspname, relname, 'relation', concat_ws(' ', relkind, relowner::regrole, relacl, relpersistence, obj_description(pg_class.oid, 'pg_class'))
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT nspname, relname, 'view', pg_get_viewdef(pg_class.oid)
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('v', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT nspname, relname, 'sequence', concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, relowner::regrole, relacl)
FROM pg_sequence
JOIN pg_class ON pg_class.oid = seqrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
UNION ALL
SELECT nspname, relname, 'column ' || attname, concat_ws(
    ' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END, attidentity, pg_get_expr(adbin, adrelid)
)
FROM pg_attribute
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT nspname, relname, 'remark on ' || attname, concat_ws(' ', attacl, col_description(attrelid, attnum))
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT nspname, relname, 'constraint ' || conname, concat_ws(' ', pg_get_constraintdef(pg_constraint.oid), obj_description(pg_constraint.oid, 'pg_constraint'))
FROM pg_constraint
JOIN pg_class ON pg_class.oid = conrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE contype <> 'n' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT nspname, relname, 'index ' || indexrelid::regclass, concat_ws(
    ' ', pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'INVALID' END, obj_description(indexrelid, 'pg_class')
)
FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT nspname, relname, 'trigger ' || tgname, concat_ws(' ', pg_get_triggerdef(pg_trigger.oid), tgenabled)
FROM pg_trigger
JOIN pg_class ON pg_class.oid = tgrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE NOT tgisinternal
UNION ALL
SELECT nspname, '', 'function ' || pg_proc.oid::regprocedure, concat_ws(' ', pg_get_functiondef(pg_proc.oid), proacl, proowner::regrole)
FROM pg_proc
JOIN pg_namespace ON pg_namespace.oid = pronamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
