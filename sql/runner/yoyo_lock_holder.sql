-- The row of a yoyo that somebody runs by hand, and each session that may be the
-- one that holds it. Yoyo stays connected, mostly idle, as long as it holds the
-- row: where no session comes into question, it is dead. The snapshot of this
-- statement shows the row before the sessions are looked at. What this role is
-- not shown counts for, never against, a session being yoyo's.
SELECT yoyo_lock.pid, yoyo_lock.ctime, to_char(ctime, 'YYYY-MM-DD HH24:MI:SS') AS since,
    session.pid AS session, usename, application_name, client_addr::text, is_yoyos
FROM yoyo_lock
LEFT JOIN LATERAL (
    SELECT *
    FROM pg_stat_activity
    -- Who holds the row asks for the applied migrations first; yoyo quotes the names of its tables.
    CROSS JOIN LATERAL COALESCE(query ~ '"_yoyo_[a-z]+"', false) AS is_yoyos
    WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid <> pg_backend_pid()
        AND COALESCE(backend_type, 'client backend') = 'client backend'
        -- Who may not write the row has not written it; the role may have changed with SET ROLE.
        AND EXISTS (
            SELECT
            FROM pg_roles
            WHERE pg_has_role(usesysid, pg_roles.oid, 'MEMBER')
                AND has_table_privilege(pg_roles.oid, 'yoyo_lock', 'INSERT')
        )
        AND (
            is_yoyos
            OR (
                application_name <> ALL(%(bystanders)s)
                -- By the clock of yoyo's machine, which may be set to any time zone.
                AND COALESCE(backend_start AT TIME ZONE 'UTC' - interval '26 hours' < ctime, true)
            )
        )
) AS session ON true
WHERE yoyo_lock.pid >= 0
ORDER BY is_yoyos DESC, session.pid
