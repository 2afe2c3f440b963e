-- Which sessions have locked a table of a schema on the search_path against readers.
SELECT DISTINCT pid
FROM pg_locks
JOIN pg_class ON pg_class.oid = relation
WHERE locktype = 'relation'
    AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode = 'AccessExclusiveLock'
    AND relnamespace IN (SELECT to_regnamespace(quote_ident(name)) FROM unnest(current_schemas(false)) AS path (name))
