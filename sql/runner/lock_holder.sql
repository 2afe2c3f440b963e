-- Which session holds the start lock of this schema.
SELECT pid
FROM pg_locks
WHERE locktype = 'advisory'
    AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = %(class)s
    AND objid = hashtext(%(schema)s)::oid
