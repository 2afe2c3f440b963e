-- Which table holds the local times that are in question, and the last line of
-- the report. The table is NULL where adoption found none, or where they were
-- converted; its owner is that of time_entries.
SELECT
    (
        SELECT pg_catalog.format('%I.%I', nspname, relname)
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE (
                pg_class.oid = in_archive('adoption_times')
                OR (relname = 'adoption_times' AND relnamespace = current_schema()::regnamespace)
            )
            AND relkind = 'r'
            AND NOT EXISTS (SELECT FROM startup_marks WHERE name = 'local times')
            AND EXISTS (SELECT FROM startup_marks WHERE name = 'adoption time zone')
        ORDER BY nspname = current_schema()
        LIMIT 1
    ),
    (SELECT COALESCE(max(id), 0) FROM adoption_report)
