-- Which other session holds the start lock of this schema, or of any where none is named.
SELECT pid
FROM pg_locks
WHERE locktype = 'advisory'
    AND granted
    AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = %(class)s
    AND objid = COALESCE(hashtext(%(schema)s)::oid, objid)
