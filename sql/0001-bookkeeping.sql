-- Bookkeeping of TimeTracker itself, beside the tables that yoyo keeps. Like those it stays at a rollback: there is
-- nothing to take away, and the secret key must outlive it.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';

-- What each migration file held when it was applied: an edited one shows.
CREATE TABLE IF NOT EXISTS migration_hashes (migration_id VARCHAR(255) PRIMARY KEY);

ALTER TABLE migration_hashes
    ADD COLUMN IF NOT EXISTS raw_sha256 VARCHAR(64),
    ADD COLUMN IF NOT EXISTS normalised_sha256 VARCHAR(64),
    ADD COLUMN IF NOT EXISTS recorded_at TIMESTAMP, ALTER recorded_at SET DEFAULT timezone('utc', now());

UPDATE migration_hashes SET recorded_at = DEFAULT WHERE recorded_at IS NULL;

ALTER TABLE migration_hashes
    ALTER raw_sha256 SET NOT NULL,
    ALTER normalised_sha256 SET NOT NULL,
    ALTER recorded_at SET NOT NULL;

-- What was done once and never comes again, such as the default rows.
CREATE TABLE IF NOT EXISTS startup_marks (name VARCHAR(50) PRIMARY KEY);

ALTER TABLE startup_marks
    ADD COLUMN IF NOT EXISTS value TEXT,
    ADD COLUMN IF NOT EXISTS marked_at TIMESTAMP, ALTER marked_at SET DEFAULT timezone('utc', now());

UPDATE startup_marks SET marked_at = DEFAULT WHERE marked_at IS NULL;

ALTER TABLE startup_marks
    ALTER value SET NOT NULL,
    ALTER marked_at SET NOT NULL;

-- What was found in a database of the predecessor when it was adopted, what was done, and what is left to decide.
CREATE TABLE IF NOT EXISTS adoption_report (id SERIAL PRIMARY KEY);
ALTER TABLE adoption_report
    ADD COLUMN IF NOT EXISTS step VARCHAR(20),
    ADD COLUMN IF NOT EXISTS object TEXT,
    ADD COLUMN IF NOT EXISTS rows BIGINT,
    ADD COLUMN IF NOT EXISTS detail TEXT;
ALTER TABLE adoption_report
    ALTER step SET NOT NULL,
    ALTER object SET NOT NULL,
    ALTER rows DROP NOT NULL,
    ALTER detail SET NOT NULL;

-- Generated secrets. Row security hides every row from all but the owner, from roles with SELECT and from
-- pg_read_all_data too; a role that was given UPDATE as well, the app's, may read them. Nobody else may write.
CREATE TABLE IF NOT EXISTS app_secrets (name VARCHAR(50) PRIMARY KEY);

ALTER TABLE app_secrets
    ENABLE ROW LEVEL SECURITY,
    ADD COLUMN IF NOT EXISTS value TEXT,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT timezone('utc', now());

UPDATE app_secrets SET created_at = DEFAULT WHERE created_at IS NULL;

ALTER TABLE app_secrets
    ALTER value SET NOT NULL,
    ALTER created_at SET NOT NULL;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = 'app_secrets'::regclass AND polname = 'for_the_app') THEN
        CREATE POLICY for_the_app ON app_secrets FOR SELECT USING (false);
    END IF;
END;
$$;

ALTER POLICY for_the_app ON app_secrets TO PUBLIC USING (has_table_privilege(tableoid, 'UPDATE'));

REVOKE ALL ON app_secrets FROM PUBLIC;
