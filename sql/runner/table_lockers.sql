-- Which sessions have locked a table of this database against readers.
SELECT DISTINCT pid
FROM pg_locks
WHERE locktype = 'relation'
    AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode = 'AccessExclusiveLock'
    AND relation >= 16384
