-- What may have made a file fail while a database is adopted: the SQLSTATE of the
-- failure, and what was found, with SQL that mends it.
WITH ours AS (
    SELECT pg_class.oid::regclass AS relation, relname, relowner, relpersistence, position,
        pg_catalog.format('%%I.%%I', nspname, relname) AS qualified
    FROM unnest('{users,projects,tasks,time_entries,settings,invoices,invoice_items}'::text[]) WITH ORDINALITY AS known (name, position)
    JOIN pg_class ON relname = name AND relkind = 'r'
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %(schema)s
),

clients AS (
    SELECT pg_class.oid AS relation, pg_catalog.format('%%I.%%I', nspname, relname) AS qualified, atttypid AS id_type
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'id' AND NOT attisdropped
    WHERE nspname = %(schema)s AND relname = 'clients'
),

referring AS (
    SELECT relname, qualified, atttypid AS type, position
    FROM ours
    JOIN pg_attribute ON attrelid = relation AND attname = 'client_id' AND NOT attisdropped
    WHERE relname IN ('projects', 'invoices')
)

-- invalid_table_definition
SELECT '42P16', pg_catalog.format(
    'table %%s: it is unlogged, so that no permanent table may refer to it, and a crash of the server empties it.'
    ' To mend it: ALTER TABLE %%s SET LOGGED',
    relname, qualified
), position
FROM ours
WHERE relpersistence = 'u' AND relname IN ('users', 'projects', 'tasks', 'invoices')

UNION ALL
-- object_not_in_prerequisite_state
SELECT '55000', pg_catalog.format(
    'column %%s.id: it has no sequence of its own, and one that %%s makes cannot serve a table of %%s.'
    ' To mend it: ALTER TABLE %%s OWNER TO %%I',
    relname, current_user, pg_get_userbyid(relowner), qualified, current_user
), position
FROM ours
JOIN pg_attribute ON attrelid = relation AND attname = 'id' AND attidentity = ''
WHERE pg_get_userbyid(relowner) <> current_user
    AND NOT EXISTS (
        SELECT FROM pg_depend
        JOIN pg_sequence ON seqrelid = objid
        WHERE classid = 'pg_class'::regclass AND refclassid = classid
            AND refobjid = attrelid AND refobjsubid = attnum AND deptype = 'a'
    )

UNION ALL
-- insufficient_privilege
SELECT '42501', pg_catalog.format(
    'table clients: %%s may not read it, and takes the names of clients from it. To mend it: GRANT SELECT ON %%s TO %%I',
    current_user, qualified, current_user
), 0
FROM clients
WHERE EXISTS (SELECT FROM referring) AND NOT has_table_privilege(relation, 'SELECT')

UNION ALL
-- undefined_function
SELECT '42883', pg_catalog.format(
    'column %%s.client_id: it is of type %%s while clients.id is of type %%s, so that nothing tells which client is meant.'
    ' To mend it: ALTER TABLE %%s ALTER COLUMN client_id TYPE %%s USING client_id::text::%%s -- empty first what is no such id',
    relname, format_type(type, NULL), format_type(id_type, NULL), referring.qualified, format_type(id_type, NULL), format_type(id_type, NULL)
), position
FROM referring
CROSS JOIN clients
JOIN pg_type AS own ON own.oid = type
JOIN pg_type AS theirs ON theirs.oid = id_type
WHERE own.typcategory <> theirs.typcategory

ORDER BY 3
