-- What this role lacks to migrate: the object, the privilege, the SQL that grants it, and who owns what it does not.
-- Functions are called as in schema.txt, whatever the search_path.
WITH relation AS (
    SELECT oid, relname, relowner, pg_catalog.format('%%I.%%I', %(schema)s, relname) AS qualified_name
    FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND relkind IN ('r', 'p')
)

SELECT 'schema ' || %(schema)s, 'CREATE', pg_catalog.format('GRANT CREATE ON SCHEMA %%I TO %%I', %(schema)s, current_user),
    NULL AS owner
WHERE NOT has_schema_privilege(%(schema)s, 'CREATE')

UNION ALL
SELECT 'table ' || relname::text, 'ownership (it belongs to ' || pg_get_userbyid(relowner) || ')',
    pg_catalog.format('ALTER TABLE %%s OWNER TO %%I', qualified_name, current_user), pg_get_userbyid(relowner)
FROM relation
WHERE NOT pg_has_role(relowner, 'USAGE')

UNION ALL
SELECT pg_catalog.format('function %%I(%%s)', proname, arguments), 'ownership (it belongs to ' || pg_get_userbyid(proowner) || ')',
    pg_catalog.format('ALTER FUNCTION %%I.%%I(%%s) OWNER TO %%I', %(schema)s, proname, arguments, current_user),
    pg_get_userbyid(proowner)
FROM pg_proc
CROSS JOIN LATERAL pg_catalog.array_to_string(proargtypes::regtype[], ',') AS arguments
WHERE pronamespace = to_regnamespace(quote_ident(%(schema)s)) AND prokind = 'f'
    AND NOT pg_has_role(proowner, 'USAGE')

UNION ALL
SELECT 'table ' || relname::text, privilege, pg_catalog.format('GRANT %%s ON %%s TO %%I', privilege, qualified_name, current_user), NULL
FROM relation
CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS needed (privilege)
WHERE NOT has_table_privilege(oid, privilege)

ORDER BY 2, 1
