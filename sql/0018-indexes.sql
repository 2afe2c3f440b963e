-- depends: 0017-validate-foreign-keys
-- Indexes of the small tables: what the pages filter and join by. Those of time_entries have files of their own.
-- squawk-ignore-file require-concurrent-index-creation
-- Building them takes no time worth the mention, as these tables are small.
SET LOCAL lock_timeout = '1s';

-- A failed CREATE INDEX CONCURRENTLY leaves an invalid index, which IF NOT EXISTS takes for a good one.
DO $$
DECLARE
    invalid REGCLASS;
BEGIN
    FOR invalid IN
        SELECT indexrelid
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE NOT indisvalid
            AND indrelid = ANY ('{users, projects, tasks, invoices, invoice_items}'::regclass[])
            AND relname = pg_catalog.format('idx_%s_%s', indrelid::regclass, attname)
    LOOP
        EXECUTE pg_catalog.format('REINDEX INDEX %s', invalid);
    END LOOP;
END;
$$;

-- Of no use to the server, which has the unique key; kept because the schema promises it.
CREATE INDEX IF NOT EXISTS idx_users_username ON users (username);
CREATE INDEX IF NOT EXISTS idx_users_role ON users (role);
CREATE INDEX IF NOT EXISTS idx_projects_client ON projects (client);
CREATE INDEX IF NOT EXISTS idx_projects_status ON projects (status);
CREATE INDEX IF NOT EXISTS idx_tasks_project_id ON tasks (project_id);
CREATE INDEX IF NOT EXISTS idx_tasks_status ON tasks (status);
CREATE INDEX IF NOT EXISTS idx_tasks_assigned_to ON tasks (assigned_to);
CREATE INDEX IF NOT EXISTS idx_tasks_due_date ON tasks (due_date);
CREATE INDEX IF NOT EXISTS idx_invoices_project_id ON invoices (project_id);
CREATE INDEX IF NOT EXISTS idx_invoices_status ON invoices (status);
CREATE INDEX IF NOT EXISTS idx_invoices_issue_date ON invoices (issue_date);
CREATE INDEX IF NOT EXISTS idx_invoice_items_invoice_id ON invoice_items (invoice_id);
