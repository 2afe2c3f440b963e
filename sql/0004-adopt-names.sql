-- depends: 0003-adoption-functions
-- What is found in a database of the predecessor, and its columns under the names of today.
SET LOCAL lock_timeout = '1s';
SET LOCAL timetracker.keep_updated_at = 'on';

-- Decided once, before any table is made: where there are none, nothing is ever adopted here.
INSERT INTO startup_marks (name, value)
SELECT 'adoption', CASE
    WHEN EXISTS (SELECT FROM (SELECT DISTINCT table_name FROM adoption_target()) AS wanted WHERE adoption_table(table_name) IS NOT NULL)
    THEN 'begun'
    ELSE 'nothing to adopt'
END
ON CONFLICT DO NOTHING;
