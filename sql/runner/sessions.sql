-- What the server shows this role of some sessions, for a message. Of another
-- role's session it shows the pid, the role and the application, else nothing.
SELECT pid, usename, application_name, host(client_addr),
    to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since,
    state,
    greatest(0, extract(epoch FROM clock_timestamp() - query_start))::integer AS seconds
FROM pg_stat_activity
WHERE pid = ANY(%(pids)s::integer[])
ORDER BY pid
