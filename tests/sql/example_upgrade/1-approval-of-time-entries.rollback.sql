-- Keeps the values: applying brings them back.
SET LOCAL lock_timeout = '1s';

SELECT archive_column('time_entries', 'approved_by');
SELECT archive_column('time_entries', 'approved');
