-- Which database this is, told alike to every role and through every pooler:
-- its name, its oid, and the moment at which its server was started.
SELECT datname, oid, pg_postmaster_start_time()
FROM pg_database
WHERE datname = current_database()
