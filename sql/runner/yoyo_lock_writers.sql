-- Which sessions have written yoyo's row, or deleted it, and have not committed that.
SELECT pid
FROM pg_locks
WHERE locktype = 'relation'
    AND relation = to_regclass('yoyo_lock')
    AND mode = 'RowExclusiveLock'
    AND granted
    AND pid IS DISTINCT FROM pg_backend_pid()
