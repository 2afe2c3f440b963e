-- depends: 0010-time-entries
-- Settings: one row for the whole installation, with its company's data and the defaults of its invoices.
-- squawk-ignore-file adding-not-nullable-field
-- NOT NULL is no news but to a table of an older release, which is read once while it is upgraded.
SET LOCAL lock_timeout = '1s';
SET LOCAL timetracker.keep_updated_at = 'on';

DO $$ BEGIN PERFORM unarchive_table('settings'); END; $$;
CREATE TABLE IF NOT EXISTS settings (id SERIAL PRIMARY KEY);

ALTER TABLE settings
    ADD COLUMN IF NOT EXISTS timezone VARCHAR(50), ALTER timezone SET DEFAULT 'Europe/Rome',
    ADD COLUMN IF NOT EXISTS currency VARCHAR(3), ALTER currency SET DEFAULT 'EUR',
    ADD COLUMN IF NOT EXISTS rounding_minutes INTEGER, ALTER rounding_minutes SET DEFAULT 1,
    ADD COLUMN IF NOT EXISTS single_active_timer BOOLEAN, ALTER single_active_timer SET DEFAULT true,
    ADD COLUMN IF NOT EXISTS allow_self_register BOOLEAN, ALTER allow_self_register SET DEFAULT true,
    ADD COLUMN IF NOT EXISTS idle_timeout_minutes INTEGER, ALTER idle_timeout_minutes SET DEFAULT 30,
    ADD COLUMN IF NOT EXISTS backup_retention_days INTEGER, ALTER backup_retention_days SET DEFAULT 30,
    ADD COLUMN IF NOT EXISTS backup_time VARCHAR(5), ALTER backup_time SET DEFAULT '02:00',
    ADD COLUMN IF NOT EXISTS export_delimiter VARCHAR(1), ALTER export_delimiter SET DEFAULT ',',
    ADD COLUMN IF NOT EXISTS allow_analytics BOOLEAN, ALTER allow_analytics SET DEFAULT true,
    ADD COLUMN IF NOT EXISTS company_name VARCHAR(200), ALTER company_name SET DEFAULT 'Your Company Name',
    ADD COLUMN IF NOT EXISTS company_address TEXT, ALTER company_address SET DEFAULT 'Your Company Address',
    ADD COLUMN IF NOT EXISTS company_email VARCHAR(200), ALTER company_email SET DEFAULT 'info@yourcompany.com',
    ADD COLUMN IF NOT EXISTS company_phone VARCHAR(50), ALTER company_phone SET DEFAULT '+1 (555) 123-4567',
    ADD COLUMN IF NOT EXISTS company_website VARCHAR(200), ALTER company_website SET DEFAULT 'www.yourcompany.com',
    ADD COLUMN IF NOT EXISTS company_logo_filename VARCHAR(255), ALTER company_logo_filename SET DEFAULT '',
    ADD COLUMN IF NOT EXISTS company_tax_id VARCHAR(100), ALTER company_tax_id SET DEFAULT '',
    ADD COLUMN IF NOT EXISTS company_bank_info TEXT, ALTER company_bank_info SET DEFAULT '',
    ADD COLUMN IF NOT EXISTS invoice_prefix VARCHAR(10), ALTER invoice_prefix SET DEFAULT 'INV',
    ADD COLUMN IF NOT EXISTS invoice_start_number INTEGER, ALTER invoice_start_number SET DEFAULT 1000,
    ADD COLUMN IF NOT EXISTS invoice_terms TEXT, ALTER invoice_terms SET DEFAULT 'Payment is due within 30 days of invoice date.',
    ADD COLUMN IF NOT EXISTS invoice_notes TEXT, ALTER invoice_notes SET DEFAULT 'Thank you for your business!',
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMP, ALTER created_at SET DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP, ALTER updated_at SET DEFAULT CURRENT_TIMESTAMP;

UPDATE settings SET timezone = DEFAULT WHERE timezone IS NULL;
UPDATE settings SET currency = DEFAULT WHERE currency IS NULL;
UPDATE settings SET rounding_minutes = DEFAULT WHERE rounding_minutes IS NULL;
UPDATE settings SET single_active_timer = DEFAULT WHERE single_active_timer IS NULL;
UPDATE settings SET allow_self_register = DEFAULT WHERE allow_self_register IS NULL;
UPDATE settings SET idle_timeout_minutes = DEFAULT WHERE idle_timeout_minutes IS NULL;
UPDATE settings SET backup_retention_days = DEFAULT WHERE backup_retention_days IS NULL;
UPDATE settings SET backup_time = DEFAULT WHERE backup_time IS NULL;
UPDATE settings SET export_delimiter = DEFAULT WHERE export_delimiter IS NULL;
UPDATE settings SET allow_analytics = DEFAULT WHERE allow_analytics IS NULL;
UPDATE settings SET company_name = DEFAULT WHERE company_name IS NULL;
UPDATE settings SET company_address = DEFAULT WHERE company_address IS NULL;
UPDATE settings SET company_email = DEFAULT WHERE company_email IS NULL;
UPDATE settings SET company_phone = DEFAULT WHERE company_phone IS NULL;
UPDATE settings SET company_website = DEFAULT WHERE company_website IS NULL;
UPDATE settings SET company_logo_filename = DEFAULT WHERE company_logo_filename IS NULL;
UPDATE settings SET company_tax_id = DEFAULT WHERE company_tax_id IS NULL;
UPDATE settings SET company_bank_info = DEFAULT WHERE company_bank_info IS NULL;
UPDATE settings SET invoice_prefix = DEFAULT WHERE invoice_prefix IS NULL;
UPDATE settings SET invoice_start_number = DEFAULT WHERE invoice_start_number IS NULL;
UPDATE settings SET invoice_terms = DEFAULT WHERE invoice_terms IS NULL;
UPDATE settings SET invoice_notes = DEFAULT WHERE invoice_notes IS NULL;
UPDATE settings SET created_at = DEFAULT WHERE created_at IS NULL;
UPDATE settings SET updated_at = DEFAULT WHERE updated_at IS NULL;

ALTER TABLE settings
    ALTER timezone SET NOT NULL,
    ALTER currency SET NOT NULL,
    ALTER rounding_minutes SET NOT NULL,
    ALTER single_active_timer SET NOT NULL,
    ALTER allow_self_register SET NOT NULL,
    ALTER idle_timeout_minutes SET NOT NULL,
    ALTER backup_retention_days SET NOT NULL,
    ALTER backup_time SET NOT NULL,
    ALTER export_delimiter SET NOT NULL,
    ALTER allow_analytics SET NOT NULL,
    ALTER company_name SET NOT NULL,
    ALTER company_address SET NOT NULL,
    ALTER company_email SET NOT NULL,
    ALTER company_phone SET NOT NULL,
    ALTER company_website SET NOT NULL,
    ALTER company_logo_filename SET NOT NULL,
    ALTER company_tax_id SET NOT NULL,
    ALTER company_bank_info SET NOT NULL,
    ALTER invoice_prefix SET NOT NULL,
    ALTER invoice_start_number SET NOT NULL,
    ALTER invoice_terms SET NOT NULL,
    ALTER invoice_notes SET NOT NULL,
    ALTER created_at SET NOT NULL,
    ALTER updated_at SET NOT NULL;
