-- Who holds the start lock of this schema, and since when.
SELECT activity.pid, activity.application_name, host(activity.client_addr),
    to_char(activity.backend_start AT TIME ZONE 'UTC', 'HH24:MI:SS')
FROM pg_locks
JOIN pg_stat_activity AS activity USING (pid)
WHERE locktype = 'advisory'
    AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = %(class)s
    AND objid = hashtext(%(schema)s)::oid
