-- depends: 0030-display-preferences
-- Forms that were sent: a second one with the same token, of a double click or a reload, does nothing. Kept for a day.
-- squawk-ignore-file adding-not-nullable-field
-- NOT NULL is no news but to a table that was made by hand, which is read once.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('submitted_forms'); END; $$;
CREATE TABLE IF NOT EXISTS submitted_forms (id BIGSERIAL PRIMARY KEY);

ALTER TABLE submitted_forms
    ADD COLUMN IF NOT EXISTS token UUID,
    ADD COLUMN IF NOT EXISTS user_id INTEGER,
    ADD COLUMN IF NOT EXISTS submitted_at TIMESTAMP, ALTER submitted_at SET DEFAULT timezone('utc', now());

UPDATE submitted_forms SET submitted_at = DEFAULT WHERE submitted_at IS NULL;

ALTER TABLE submitted_forms
    ALTER token SET NOT NULL,
    ALTER user_id SET NOT NULL,
    ALTER submitted_at SET NOT NULL;
