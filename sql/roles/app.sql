-- What the app's own role needs to serve a database that another role migrates, and nothing else. As their
-- owner, after the first `python runner.py migrate`, and again whenever you like:
--     psql -v role=timetracker_app -f sql/roles/app.sql "$DATABASE_URL"
\set ON_ERROR_STOP on
\if :{?role}
\else
DO $$ BEGIN RAISE EXCEPTION 'No role is named: psql -v role=timetracker_app -f sql/roles/app.sql'; END; $$;
\endif
BEGIN;
SET LOCAL lock_timeout = '1s';
SELECT current_database() AS database, nspname AS schema, pg_get_userbyid(relowner) AS owner, set_config('timetracker.role', :'role', true)
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = 'users'::regclass \gset

GRANT CONNECT ON DATABASE :"database" TO :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";

GRANT SELECT, INSERT, UPDATE, DELETE
    ON users, projects, tasks, time_entries, settings, invoices, invoice_items, analytics,
        sign_in_credentials, sign_in_invitations, sign_in_sessions, sign_in_failures, display_preferences,
        submitted_forms, deleted_time_entries, company_logo
    TO :"role";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA :"schema" TO :"role";

-- Bookkeeping is read, and written by whoever migrates. The row security of app_secrets shows the key to a role with
-- UPDATE, and lets it change nothing. Where such a table was made again, the default privileges below gave too much.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE
    ON _yoyo_migration, _yoyo_log, _yoyo_version, yoyo_lock, migration_hashes, startup_marks, adoption_report
    FROM :"role";
REVOKE INSERT, DELETE, TRUNCATE ON app_secrets FROM :"role";
GRANT SELECT ON _yoyo_migration, _yoyo_log, _yoyo_version, yoyo_lock, migration_hashes, startup_marks, adoption_report
    TO :"role";
GRANT SELECT, UPDATE ON app_secrets TO :"role";

-- The tables and sequences of later versions.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"schema" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"schema" GRANT USAGE, SELECT ON SEQUENCES TO :"role";

DO $$
DECLARE
    role NAME := current_setting('timetracker.role');
    users RECORD;
BEGIN
    SELECT relowner AS owner, relnamespace::regnamespace AS schema INTO users FROM pg_class WHERE oid = 'users'::regclass;
    IF pg_has_role(role, users.owner, 'MEMBER') THEN
        RAISE EXCEPTION 'Role % owns the tables, or is a superuser or a member of their owner; nothing was granted: expected a role of its own', role;
    ELSIF has_schema_privilege(role, users.schema::oid, 'CREATE') THEN
        RAISE EXCEPTION 'Role % could create objects in the schema %; nothing was granted: REVOKE CREATE ON SCHEMA % FROM PUBLIC, %',
            role, users.schema, users.schema, quote_ident(role);
    END IF;
END;
$$;
COMMIT;
