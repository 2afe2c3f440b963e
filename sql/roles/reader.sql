-- What a role needs to see everything but the secrets: for reports, and for `python runner.py verify` and `status`.
-- As the owner of the tables, after the first `python runner.py migrate`, and again whenever you like:
--     psql -v role=timetracker_reader -f sql/roles/reader.sql "$DATABASE_URL"
\set ON_ERROR_STOP on
\if :{?role}
\else
DO $$ BEGIN RAISE EXCEPTION 'No role is named: psql -v role=timetracker_reader -f sql/roles/reader.sql'; END; $$;
\endif
BEGIN;
SET LOCAL lock_timeout = '1s';
SELECT current_database() AS database, nspname AS schema, pg_get_userbyid(relowner) AS owner
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = 'users'::regclass \gset

GRANT CONNECT ON DATABASE :"database" TO :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";

GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"role";
REVOKE ALL ON app_secrets, sign_in_credentials, sign_in_invitations, sign_in_sessions, sign_in_failures FROM :"role";
GRANT SELECT ON ALL SEQUENCES IN SCHEMA :"schema" TO :"role";

-- The tables and sequences of later versions. Where one of the secret ones is made again, its row security hides it.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"schema" GRANT SELECT ON TABLES TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"schema" GRANT SELECT ON SEQUENCES TO :"role";
COMMIT;
