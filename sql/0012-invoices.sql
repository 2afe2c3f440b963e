-- depends: 0011-settings
-- Invoices: what a client is asked to pay. The client's data is copied, so that a sent invoice stays as it was.
-- squawk-ignore-file adding-not-nullable-field, ban-drop-not-null
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';
-- A key that somebody deferred would keep a row that was written twice from being altered.
SET CONSTRAINTS ALL IMMEDIATE;
SET LOCAL timetracker.keep_updated_at = 'on';

DO $$ BEGIN PERFORM unarchive_table('invoices'); END; $$;
CREATE TABLE IF NOT EXISTS invoices (id SERIAL PRIMARY KEY);

ALTER TABLE invoices
    ADD COLUMN IF NOT EXISTS invoice_number VARCHAR(50),
    ADD COLUMN IF NOT EXISTS project_id INTEGER,
    ADD COLUMN IF NOT EXISTS client_name VARCHAR(200),
    ADD COLUMN IF NOT EXISTS client_email VARCHAR(200),
    ADD COLUMN IF NOT EXISTS client_address TEXT,
    ADD COLUMN IF NOT EXISTS issue_date DATE,
    ADD COLUMN IF NOT EXISTS due_date DATE,
    ADD COLUMN IF NOT EXISTS status VARCHAR(20), ALTER status SET DEFAULT 'draft',
    ADD COLUMN IF NOT EXISTS subtotal NUMERIC(10, 2), ALTER subtotal SET DEFAULT 0,
    ADD COLUMN IF NOT EXISTS tax_rate NUMERIC(5, 2), ALTER tax_rate SET DEFAULT 0,
    ADD COLUMN IF NOT EXISTS tax_amount NUMERIC(10, 2), ALTER tax_amount SET DEFAULT 0,
    ADD COLUMN IF NOT EXISTS total_amount NUMERIC(10, 2), ALTER total_amount SET DEFAULT 0,
    ADD COLUMN IF NOT EXISTS notes TEXT,
    ADD COLUMN IF NOT EXISTS terms TEXT,
    ADD COLUMN IF NOT EXISTS created_by INTEGER,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP, ALTER updated_at SET DEFAULT CURRENT_TIMESTAMP;

UPDATE invoices SET status = DEFAULT WHERE status IS NULL;
UPDATE invoices SET subtotal = DEFAULT WHERE subtotal IS NULL;
UPDATE invoices SET tax_rate = DEFAULT WHERE tax_rate IS NULL;
UPDATE invoices SET tax_amount = DEFAULT WHERE tax_amount IS NULL;
UPDATE invoices SET total_amount = DEFAULT WHERE total_amount IS NULL;

ALTER TABLE invoices
    ALTER invoice_number SET NOT NULL,
    ALTER project_id DROP NOT NULL,
    ALTER client_name SET NOT NULL,
    ALTER client_email DROP NOT NULL,
    ALTER client_address DROP NOT NULL,
    ALTER issue_date SET NOT NULL,
    ALTER due_date SET NOT NULL,
    ALTER status SET NOT NULL,
    ALTER subtotal SET NOT NULL,
    ALTER tax_rate SET NOT NULL,
    ALTER tax_amount SET NOT NULL,
    ALTER total_amount SET NOT NULL,
    ALTER notes DROP NOT NULL,
    ALTER terms DROP NOT NULL,
    ALTER created_by DROP NOT NULL,
    ALTER created_at DROP NOT NULL,
    ALTER updated_at DROP NOT NULL;
