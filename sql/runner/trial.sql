-- Whether new rows go in at the end of an adoption: somebody's check or trigger
-- may refuse them, as one that asks for a superseded column does. Each table gets
-- a row as the app writes it, which is rolled back. What was refused: the table,
-- PostgreSQL's words, and the constraint if it was one.
--
-- Ids are given. What nextval() takes for others, such as a trigger's log,
-- outlives a rollback, but not in a sequence that was written anew within it.
DO $$
DECLARE
    guarded RECORD;
    trial RECORD;
    refused JSONB := '[]';
    message TEXT;
    named TEXT;
BEGIN
    BEGIN
        FOR guarded IN
            SELECT seqrelid::regclass AS sequence, seqincrement
            FROM pg_sequence
            JOIN pg_class ON pg_class.oid = seqrelid
            WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND pg_has_role(relowner, 'USAGE')
        LOOP
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s INCREMENT %s', guarded.sequence, guarded.seqincrement);
        END LOOP;

        FOR trial IN
            SELECT *
            FROM (VALUES
                (1, 'users', '{}'::text[], $sql$
                    INSERT INTO users (id, username, role)
                    SELECT COALESCE(max(id), 0) + 1, gen_random_uuid()::text, 'user' FROM users
                $sql$),
                (2, 'projects', '{}', $sql$
                    INSERT INTO projects (id, name, client, billable, status)
                    SELECT COALESCE(max(id), 0) + 1, 'A trial', 'A client', true, 'active' FROM projects
                $sql$),
                (3, 'tasks', '{users, projects}', $sql$
                    INSERT INTO tasks (id, project_id, name, created_by)
                    SELECT COALESCE(max(id), 0) + 1, (SELECT max(id) FROM projects), 'A trial', (SELECT max(id) FROM users) FROM tasks
                $sql$),
                (4, 'time_entries', '{users, projects, tasks}', $sql$
                    INSERT INTO time_entries (id, user_id, project_id, task_id, start_time, source)
                    SELECT COALESCE(max(id), 0) + 1, (SELECT max(id) FROM users), (SELECT max(id) FROM projects),
                        (SELECT max(id) FROM tasks), '2025-08-18 08:00', 'timer'
                    FROM time_entries
                $sql$),
                (5, 'time_entries', '{users, projects, tasks, time_entries}', $sql$
                    UPDATE time_entries SET end_time = '2025-08-18 09:00', duration_seconds = 3600
                    WHERE id = (SELECT max(id) FROM time_entries)
                $sql$),
                (6, 'invoices', '{users, projects}', $sql$
                    INSERT INTO invoices (id, invoice_number, project_id, client_name, issue_date, due_date, created_by)
                    SELECT COALESCE(max(id), 0) + 1, gen_random_uuid()::text, (SELECT max(id) FROM projects), 'A client',
                        '2025-08-18', '2025-09-18', (SELECT max(id) FROM users)
                    FROM invoices
                $sql$),
                (7, 'invoice_items', '{invoices}', $sql$
                    INSERT INTO invoice_items (id, invoice_id, description, unit_price, total_amount)
                    SELECT COALESCE(max(id), 0) + 1, (SELECT max(id) FROM invoices), 'A trial', 1, 1 FROM invoice_items
                $sql$)
            ) AS trials (position, table_name, needs, statement)
            ORDER BY position
        LOOP
            CONTINUE WHEN EXISTS (SELECT FROM jsonb_array_elements(refused) AS one WHERE one ->> 'table' = ANY (trial.needs));
            BEGIN
                EXECUTE trial.statement;
            EXCEPTION
                -- Of a key of somebody else's, which lets in what refers to rows that are there.
                WHEN foreign_key_violation THEN
                    NULL;
                WHEN OTHERS THEN
                    -- Only what will be so again: no timeout, no full disk.
                    IF left(SQLSTATE, 2) IN ('40', '53', '55', '57', '58') THEN
                        RAISE;
                    END IF;
                    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, named = CONSTRAINT_NAME;
                    refused := refused || pg_catalog.jsonb_build_object('table', trial.table_name, 'message', message, 'constraint', named);
            END;
        END LOOP;
        RAISE SQLSTATE 'TT003';  -- no row stays
    EXCEPTION
        WHEN SQLSTATE 'TT003' THEN
            PERFORM set_config('timetracker.trial', refused::text, true);
    END;
END;
$$;

SELECT one ->> 'table', one ->> 'message', one ->> 'constraint'
FROM jsonb_array_elements(current_setting('timetracker.trial')::jsonb) AS one
