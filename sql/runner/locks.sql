-- The locks that this transaction holds on tables, but for those of a reader.
SELECT relname, upper(regexp_replace(regexp_replace(mode, 'Lock$', ''), '([a-z])([A-Z])', '\1 \2', 'g'))
FROM pg_locks
JOIN pg_class ON pg_class.oid = relation
WHERE pid = pg_backend_pid()
    AND locktype = 'relation'
    AND relkind IN ('r', 'p')
    AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    AND mode <> 'AccessShareLock'
ORDER BY relname, mode
