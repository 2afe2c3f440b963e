-- depends: 0012-invoices
-- Invoice items: the lines of an invoice, each with the time entries that it bills.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';
-- A key that somebody deferred would keep a row that was written twice from being altered.
SET CONSTRAINTS ALL IMMEDIATE;

DO $$ BEGIN PERFORM unarchive_table('invoice_items'); END; $$;
CREATE TABLE IF NOT EXISTS invoice_items (id SERIAL PRIMARY KEY);

ALTER TABLE invoice_items
    ADD COLUMN IF NOT EXISTS invoice_id INTEGER,
    ADD COLUMN IF NOT EXISTS description VARCHAR(500),
    ADD COLUMN IF NOT EXISTS quantity NUMERIC(10, 2), ALTER quantity SET DEFAULT 1,
    ADD COLUMN IF NOT EXISTS unit_price NUMERIC(10, 2),
    ADD COLUMN IF NOT EXISTS total_amount NUMERIC(10, 2),
    ADD COLUMN IF NOT EXISTS time_entry_ids VARCHAR(500),
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT CURRENT_TIMESTAMP;

UPDATE invoice_items SET quantity = DEFAULT WHERE quantity IS NULL;

ALTER TABLE invoice_items
    ALTER invoice_id DROP NOT NULL,
    ALTER description SET NOT NULL,
    ALTER quantity SET NOT NULL,
    ALTER unit_price SET NOT NULL,
    ALTER total_amount SET NOT NULL,
    ALTER time_entry_ids DROP NOT NULL,
    ALTER created_at DROP NOT NULL;
