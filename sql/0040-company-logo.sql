-- depends: 0039-index-time-entries-start-id
-- The company's logo: at most one row, id 1, with the image as the app encoded it anew, so that every replica has it and
-- no container needs a place to write. settings.company_logo_filename keeps the name that the file had.
-- squawk-ignore-file adding-not-nullable-field
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('company_logo'); END; $$;
CREATE TABLE IF NOT EXISTS company_logo (id INTEGER PRIMARY KEY);

ALTER TABLE company_logo
    ADD COLUMN IF NOT EXISTS png BYTEA,
    ADD COLUMN IF NOT EXISTS png_sha256 BYTEA;

ALTER TABLE company_logo
    ALTER png SET NOT NULL,
    ALTER png_sha256 SET NOT NULL;
