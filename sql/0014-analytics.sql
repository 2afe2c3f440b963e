-- depends: 0013-invoice-items
-- Analytics: counters by day, kept here and sent nowhere; settings.allow_analytics switches them off.
-- squawk-ignore-file adding-not-nullable-field
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';

DO $$ BEGIN PERFORM unarchive_table('analytics'); END; $$;
CREATE TABLE IF NOT EXISTS analytics (
    day DATE,
    metric VARCHAR(100),
    PRIMARY KEY (day, metric)
);

ALTER TABLE analytics ADD COLUMN IF NOT EXISTS value NUMERIC;
ALTER TABLE analytics ALTER value SET NOT NULL;
