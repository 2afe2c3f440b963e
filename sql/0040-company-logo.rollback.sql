-- Keeps the rows: applying brings them back.
SET LOCAL lock_timeout = '1s';

SELECT archive_table('company_logo');
