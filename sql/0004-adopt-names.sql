-- depends: 0003-adoption-functions
-- What is found in a database of the predecessor; then its columns and indexes under the names of today.
-- squawk-ignore-file renaming-column
-- Nothing but the predecessor, which is switched off by now, uses the old names.
SET LOCAL lock_timeout = '1s';
-- What is deferred would keep the tables of this transaction from being altered.
SET CONSTRAINTS ALL IMMEDIATE;
SET LOCAL timetracker.keep_updated_at = 'on';

-- Decided once, before any table is made: where there is none, nothing is ever adopted.
DO $$
DECLARE
    is_ours BOOLEAN := false;
BEGIN
    IF EXISTS (SELECT FROM startup_marks WHERE name = 'adoption') THEN
        RETURN;
    END IF;
    IF to_regclass('_yoyo_migration') IS NOT NULL THEN  -- the marks were lost: healing makes their table anew
        EXECUTE 'SELECT EXISTS (SELECT FROM _yoyo_migration WHERE migration_id = ''0007-users'')' INTO is_ours;
    END IF;
    INSERT INTO startup_marks (name, value)
    SELECT 'adoption', CASE WHEN is_ours OR count(adoption_table(table_name)) = 0 THEN 'nothing to adopt' ELSE 'begun' END
    FROM adoption_target();
END;
$$;

-- What is found.
DO $$
DECLARE
    ours TEXT[];
    found RECORD;
    row_count BIGINT;
    revision TEXT;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    ours := ARRAY(SELECT DISTINCT table_name FROM adoption_target());
    IF to_regclass(pg_catalog.format('%I.alembic_version', current_schema())) IS NOT NULL
        AND has_table_privilege(pg_catalog.format('%I.alembic_version', current_schema()), 'SELECT')
    THEN
        EXECUTE pg_catalog.format('SELECT string_agg(t::text, '', '') FROM %I.alembic_version AS t', current_schema()) INTO revision;
    END IF;
    PERFORM adoption_note('found', pg_catalog.concat('schema ', current_schema()), NULL, pg_catalog.concat_ws(
        ', ',
        pg_catalog.format('a TimeTracker database with %s of 7 tables', (
            SELECT count(*) FROM unnest(ours) AS name WHERE adoption_table(name) IS NOT NULL
        )),
        CASE
            WHEN adoption_has('users', 'is_admin') OR adoption_has('settings', 'key') OR adoption_has('time_entries', 'duration_minutes')
            THEN 'made by the scaffold'
            -- The ORM wrote defaults into rows by itself, and told the server of none.
            WHEN EXISTS (
                SELECT
                FROM pg_attribute
                WHERE attrelid IN (adoption_table('users'), adoption_table('projects'), adoption_table('time_entries'))
                    AND attname IN ('is_active', 'billable') AND attnotnull AND NOT atthasdef
            )
            THEN 'made by the ORM'
            ELSE 'made by SQL'
        END,
        CASE WHEN adoption_has('time_entries', 'start_utc') OR adoption_has('time_entries', 'end_utc') THEN 'times in *_utc columns' END,
        CASE WHEN adoption_has('projects', 'client_id') OR adoption_table('clients') IS NOT NULL THEN 'with a table of clients' END,
        'Alembic revision ' || revision,
        CASE WHEN adoption_table('comments') IS NOT NULL OR adoption_table('task_activities') IS NOT NULL THEN 'of a later release' END
    ));
    FOR found IN
        SELECT name, adoption_table(name) AS relation FROM unnest(ours) AS name WHERE adoption_table(name) IS NOT NULL ORDER BY name
    LOOP
        EXECUTE pg_catalog.format('SELECT count(*) FROM %s', found.relation) INTO row_count;
        PERFORM adoption_note('found', pg_catalog.concat('table ', found.name), row_count, pg_catalog.concat('columns ', (
            SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = found.relation AND attnum > 0 AND NOT attisdropped
        )));
    END LOOP;
    FOR found IN
        SELECT pg_catalog.concat('schema ', nspname) AS object, string_agg(relname, ', ' ORDER BY relname) AS names
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND relname = ANY (ours) AND nspname <> current_schema() AND nspname <> pg_catalog.concat(current_schema(), '_archive')
            AND nspname !~ '^pg_(temp|toast)'
        GROUP BY nspname
        ORDER BY nspname
    LOOP
        PERFORM adoption_note('left alone', found.object, NULL, pg_catalog.format(
            'it has tables of the same names (%s), which are another installation''s or somebody else''s: the search_path leads to %s',
            found.names, current_schema()
        ));
    END LOOP;
    FOR found IN
        SELECT string_agg(relname, ', ' ORDER BY relname) AS names
        FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p') AND relname !~ '^_?yoyo_'
            AND relname <> ALL (ours || '{migration_hashes, startup_marks, app_secrets, adoption_report}')
        HAVING count(*) > 0
    LOOP
        PERFORM adoption_note('left alone', 'other tables', NULL, pg_catalog.format('%s: TimeTracker does not use them', found.names));
    END LOOP;
END;
$$;

-- The keys as they are, for 0020-adoption-end to tell what became of them.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    INSERT INTO startup_marks (name, value)
    SELECT 'adoption keys', COALESCE(string_agg(pg_catalog.format('%s %s', relname, pg_get_constraintdef(pg_constraint.oid)), E'\n'), '')
    FROM pg_constraint
    JOIN pg_class ON pg_class.oid = conrelid
    WHERE contype IN ('f', 'u') AND conrelid IN (SELECT DISTINCT adoption_table(table_name) FROM adoption_target());
END;
$$;

-- Triggers of others, which would change what is filled here, such as updated_at, wait until 0020-adoption-end.
DO $$
DECLARE
    disturbing RECORD;
    how TEXT;
    switch_on TEXT[] := '{}';
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR disturbing IN
        SELECT pg_catalog.format('%I.%I', current_schema(), relname) AS relation, tgname, tgenabled
        FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgrelid IN (SELECT DISTINCT adoption_table(table_name) FROM adoption_target())
            AND NOT tgisinternal
            AND tgtype & 16 <> 0  -- UPDATE
            AND tgenabled IN ('O', 'A')
            AND tgfoid <> pg_catalog.format('%I.update_updated_at_column', current_schema())::regproc
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', disturbing.relation, disturbing.tgname);
        how := CASE disturbing.tgenabled WHEN 'A' THEN 'ALWAYS TRIGGER' ELSE 'TRIGGER' END;
        switch_on := switch_on || pg_catalog.format('ALTER TABLE %s ENABLE %s %I', disturbing.relation, how, disturbing.tgname);
    END LOOP;
    IF switch_on <> '{}' THEN
        INSERT INTO startup_marks (name, value) VALUES ('adoption triggers', array_to_string(switch_on, '; ')) ON CONFLICT DO NOTHING;
    END IF;
END;
$$;

-- A column is renamed where the new name is free. Where both are there, 0006-adopt-values fills the new one.
DO $$
DECLARE
    old RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR old IN
        SELECT *
        FROM (VALUES
            ('time_entries', 'start_utc', 'start_time'),
            ('time_entries', 'end_utc', 'end_time'),
            ('time_entries', 'description', 'notes'),
            ('settings', 'company_logo_path', 'company_logo_filename'),
            ('settings', 'logo_path', 'company_logo_filename'),
            ('invoices', 'total', 'total_amount'),
            ('invoice_items', 'total', 'total_amount')
        ) AS renamed (table_name, name, new_name)
    LOOP
        IF adoption_has(old.table_name, old.name) AND NOT adoption_has(old.table_name, old.new_name) THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I', adoption_table(old.table_name), old.name, old.new_name);
            PERFORM adoption_note('done', pg_catalog.format('column %s.%s', old.table_name, old.new_name), NULL, pg_catalog.format('renamed from %s', old.name));
            IF old.name ~ '_utc$' THEN
                INSERT INTO startup_marks (name, value)
                VALUES ('adoption utc', pg_catalog.concat('time_entries.', old.new_name))
                ON CONFLICT (name) DO UPDATE SET value = pg_catalog.concat(startup_marks.value, ' ', EXCLUDED.value);
            END IF;
        END IF;
    END LOOP;
END;
$$;

-- Indexes go by what they do: one of the right definition gets the name of today, and gives it up if it does something else.
DO $$
DECLARE
    wanted RECORD;
    taken RECORD;
    free_name TEXT;
    number INTEGER;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR wanted IN
        SELECT table_name, adoption_table(table_name) AS relation, column_name, pg_catalog.concat('idx_', table_name, '_', column_name) AS name,
            pg_catalog.format('USING btree (%I)', column_name) AS definition
        FROM adoption_target()
        WHERE is_indexed AND adoption_has(table_name, column_name)
    LOOP
        SELECT pg_class.oid, relname, pg_class.oid::regclass AS qualified, tables.table_name,
            indrelid = wanted.relation AND NOT indisunique
                AND substring(pg_get_indexdef(indexrelid, 0, true) FROM 'USING .*') = wanted.definition AS is_right
        INTO taken
        FROM pg_class
        LEFT JOIN pg_index ON indexrelid = pg_class.oid
        LEFT JOIN (SELECT DISTINCT table_name FROM adoption_target()) AS tables ON adoption_table(tables.table_name) = indrelid
        WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relname = wanted.name;
        IF FOUND AND taken.table_name IS NULL THEN
            PERFORM adoption_note('left alone', pg_catalog.format('index %s.%s', wanted.table_name, wanted.name), NULL, pg_catalog.format(
                'something that is not TimeTracker''s bears its name, so it is not made. To mend that: rename %s, then python runner.py migrate', taken.qualified
            ));
            CONTINUE;
        ELSIF FOUND AND taken.is_right THEN
            CONTINUE;
        ELSIF FOUND THEN
            number := 0;
            LOOP
                free_name := pg_catalog.concat(wanted.name, '_as_found', NULLIF(number, 0));
                EXIT WHEN to_regclass(pg_catalog.format('%I.%I', current_schema(), free_name)) IS NULL;
                number := number + 1;
            END LOOP;
            EXECUTE pg_catalog.format('ALTER INDEX %s RENAME TO %I', taken.qualified, free_name);
            PERFORM adoption_note('done', pg_catalog.format('index %s.%s', wanted.table_name, wanted.name), NULL, pg_catalog.format(
                'what bore the name is called %s now, as it is %s; drop it if nobody needs it',
                free_name, substring(pg_get_indexdef(taken.oid, 0, true) FROM 'USING .*')
            ));
        END IF;
        SELECT indexrelid::regclass AS qualified, relname INTO taken
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = wanted.relation
            AND NOT indisunique
            AND indisvalid
            AND substring(pg_get_indexdef(indexrelid, 0, true) FROM 'USING .*') = wanted.definition
        ORDER BY indexrelid
        LIMIT 1;
        IF FOUND THEN
            EXECUTE pg_catalog.format('ALTER INDEX %s RENAME TO %I', taken.qualified, wanted.name);
            PERFORM adoption_note(
                'done', pg_catalog.format('index %s.%s', wanted.table_name, wanted.name), NULL, pg_catalog.format('renamed from %s', taken.relname)
            );
        END IF;
    END LOOP;
END;
$$;
