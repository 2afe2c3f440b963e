-- How far the session %(pid)s is with the index that it builds: what is counted depends on the phase.
SELECT
    phase,
    pg_catalog.concat_ws(' on ', index_relid::regclass, relid::regclass),
    CASE
        WHEN phase LIKE 'waiting %%' THEN 100 * lockers_done / NULLIF(lockers_total, 0)
        WHEN phase LIKE '%%loading tuples%%' THEN 100 * tuples_done / NULLIF(tuples_total, 0)
        WHEN phase LIKE '%%sorting%%' THEN NULL
        ELSE 100 * blocks_done / NULLIF(blocks_total, 0)
    END::int
FROM pg_stat_progress_create_index
WHERE pid = %(pid)s
