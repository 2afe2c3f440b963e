-- Who keeps the session %(pid)s waiting, in words, the oldest transaction first. Of another
-- role's session the server may show little but the pid. A prepared transaction has none.
WITH waiting AS (
    SELECT *, ROW(locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid) AS tag
    FROM pg_locks
    WHERE pid = %(pid)s AND NOT granted
),
held AS (
    SELECT COALESCE(held.pid, 0) AS pid, held.virtualtransaction,
        CASE waiting.locktype
            WHEN 'relation' THEN pg_catalog.concat_ws(
                ' ',
                'holds',
                string_agg(upper(regexp_replace(regexp_replace(held.mode, 'Lock$', ''), '([a-z])([A-Z])', '\1 \2', 'g')), ', '),
                'on',
                waiting.relation::regclass
            )
            WHEN 'virtualxid' THEN 'has its transaction open'
            WHEN 'transactionid' THEN 'has not committed yet'
            ELSE 'holds a lock on a ' || waiting.locktype
        END AS lock
    FROM waiting
    JOIN pg_locks AS held ON tag IS NOT DISTINCT FROM ROW(
        held.locktype, held.database, held.relation, held.page, held.tuple, held.virtualxid, held.transactionid,
        held.classid, held.objid, held.objsubid
    )
    WHERE held.granted
    GROUP BY held.pid, held.virtualtransaction, waiting.locktype, waiting.relation
)
SELECT
    pg_catalog.concat_ws(
        ' ',
        COALESCE('prepared transaction ' || gid, 'pid ' || blocker.pid),
        '(' || NULLIF(
            pg_catalog.concat_ws(
                ', ',
                COALESCE(NULLIF(application_name, ''), backend_type),
                'role ' || COALESCE(usename, owner),
                state,
                'query ' || extract(epoch FROM clock_timestamp() - query_start)::int || ' s old',
                'transaction ' || extract(epoch FROM clock_timestamp() - COALESCE(xact_start, prepared))::int || ' s old'
            ),
            ''
        ) || ')',
        COALESCE(lock, 'is before it in the queue')
    )
FROM (SELECT DISTINCT unnest(pg_blocking_pids(%(pid)s))) AS blocker (pid)
LEFT JOIN held USING (pid)
LEFT JOIN pg_stat_activity AS activity USING (pid)
LEFT JOIN pg_locks AS own
    ON own.pid IS NULL AND own.virtualtransaction = held.virtualtransaction AND own.locktype = 'transactionid'
LEFT JOIN pg_prepared_xacts ON transaction = own.transactionid
ORDER BY COALESCE(xact_start, prepared), blocker.pid
