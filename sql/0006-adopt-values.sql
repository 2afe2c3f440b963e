-- depends: 0005-adopt-types
-- The keys, types and values of a database of the predecessor: what an older column holds goes into the one of today where
-- that is empty, and never over anything. At the end everything that stands in the way is told at once.
-- squawk-ignore-file ban-drop-not-null, disallowed-unique-constraint, constraint-missing-not-valid
-- Nothing but the predecessor, which is switched off by now, uses these tables.
SET LOCAL lock_timeout = '1s';
SET LOCAL quote_all_identifiers = off;
SET LOCAL standard_conforming_strings = on;
-- What is deferred would keep the tables of this transaction from being altered.
SET CONSTRAINTS ALL IMMEDIATE;
SET LOCAL timetracker.keep_updated_at = 'on';

-- Each table has an id for its primary key.
DO $$
DECLARE
    keyless RECORD;
    other_key RECORD;
    same_id TEXT;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR keyless IN
        SELECT DISTINCT table_name, adoption_table(table_name) AS relation
        FROM adoption_target()
        WHERE adoption_table(table_name) IS NOT NULL
            AND NOT EXISTS (
                SELECT
                FROM pg_index
                JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                WHERE indrelid = adoption_table(table_name) AND indisprimary AND indnkeyatts = 1 AND attname = 'id'
            )
    LOOP
        IF NOT adoption_has(keyless.table_name, 'id') THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD COLUMN id SERIAL', keyless.relation);
            PERFORM adoption_note('done', pg_catalog.format('column %s.id', keyless.table_name), NULL, 'made, as there was none: the rows are numbered');
        END IF;
        same_id := pg_catalog.format('id IS NULL OR id IN (SELECT id FROM %s GROUP BY id HAVING count(*) > 1)', keyless.relation);
        IF (adoption_rows(keyless.table_name, same_id)).row_count > 0 THEN
            PERFORM adoption_obstacle(
                keyless.table_name, pg_catalog.format('primary key %s', keyless.table_name), same_id, 'the id of some rows is empty or not their own',
                pg_catalog.format('UPDATE %s SET id = (a free number) WHERE ctid = (that of the one row), and what refers to it', keyless.relation)
            );
            CONTINUE;
        END IF;
        SELECT conname, pg_get_constraintdef(oid) AS definition, conindid INTO other_key
        FROM pg_constraint
        WHERE conrelid = keyless.relation AND contype = 'p';
        IF FOUND AND EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conindid = other_key.conindid) THEN
            PERFORM adoption_note('in the way', pg_catalog.format('primary key %s', keyless.table_name), NULL, pg_catalog.format(
                'it is %s, and foreign keys refer to it. To mend it: drop those foreign keys, which SELECT conrelid::regclass, conname FROM'
                ' pg_constraint WHERE confrelid = %L::regclass lists',
                other_key.definition, keyless.relation
            ));
            CONTINUE;
        ELSIF FOUND THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', keyless.relation, other_key.conname);
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD UNIQUE %s', keyless.relation, substring(other_key.definition FROM '[(].*'));
        END IF;
        EXECUTE pg_catalog.format('ALTER TABLE %s ADD PRIMARY KEY (id)', keyless.relation);
        PERFORM adoption_note('done', pg_catalog.format('primary key %s', keyless.table_name), NULL, CASE
            WHEN other_key.definition IS NULL THEN '(id), as there was none'
            ELSE pg_catalog.format('(id), in place of %s, which is a unique key now', substring(other_key.definition FROM '[(].*'))
        END);
    END LOOP;
END;
$$;

-- A column that TimeTracker does not know must not refuse its rows: NOT NULL goes where there is no default either.
DO $$
DECLARE
    refusing RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR refusing IN
        SELECT relname, attrelid::regclass AS relation, attname
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE attrelid IN (SELECT DISTINCT adoption_table(table_name) FROM adoption_target())
            AND attnum > 0
            AND NOT attisdropped
            AND attnotnull
            AND NOT atthasdef
            AND attidentity = ''
            AND (relname, attname) NOT IN (SELECT table_name, column_name FROM adoption_target())
        ORDER BY relname, attnum
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER %I DROP NOT NULL', refusing.relation, refusing.attname);
        PERFORM adoption_note('done', pg_catalog.format('column %s.%s', refusing.relname, refusing.attname), NULL, 'may be empty now: TimeTracker does not fill it');
    END LOOP;
END;
$$;

-- The types of today, where every value survives.
DO $$
BEGIN
    IF EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        PERFORM adoption_convert_types();
    END IF;
END;
$$;

-- Each id takes its numbers from a sequence, which is ahead of all of them: by ALTER SEQUENCE, which a rollback undoes.
DO $$
DECLARE
    numbered RECORD;
    referring RECORD;
    sequence REGCLASS;
    position RECORD;
    highest BIGINT;
    made_as TEXT;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR numbered IN
        SELECT relname AS table_name, attrelid::regclass AS relation, attidentity, format_type(atttypid, NULL) AS type,
            pg_catalog.format('column %s.id', relname) AS object,
            substring(pg_get_expr(adbin, adrelid) FROM '^nextval[(]''(.*)''::regclass[)]$')::regclass AS used,
            pg_get_serial_sequence(attrelid::regclass::text, 'id')::regclass AS owned
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid IN (SELECT DISTINCT adoption_table(table_name) FROM adoption_target())
            AND attname = 'id'
            AND atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
    LOOP
        sequence := numbered.owned;
        IF numbered.attidentity = 'a' THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ALTER id SET GENERATED BY DEFAULT', numbered.relation);
        ELSIF numbered.attidentity = 'd' OR numbered.used = numbered.owned THEN
            NULL;
        ELSIF numbered.used IS NOT NULL AND NOT EXISTS (
            -- Nobody else's: no other column takes its numbers from it, and it may be owned.
            SELECT FROM pg_depend WHERE classid = 'pg_attrdef'::regclass AND refobjid = numbered.used AND objid NOT IN (
                SELECT pg_attrdef.oid FROM pg_attrdef WHERE adrelid = numbered.relation
            )
            UNION ALL
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = numbered.used AND deptype IN ('a', 'i')
            UNION ALL
            SELECT
            FROM pg_class AS sequence
            JOIN pg_class AS relation ON relation.oid = numbered.relation
            WHERE sequence.oid = numbered.used
                AND (sequence.relowner <> relation.relowner OR sequence.relnamespace <> relation.relnamespace)
        ) THEN
            sequence := numbered.used;
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.id', sequence, numbered.relation);
        ELSE
            IF sequence IS NULL THEN
                made_as := (
                    SELECT pg_catalog.format('%I.%I', current_schema(), pg_catalog.concat(numbered.table_name, '_id_seq', NULLIF(number, 0)))
                    FROM generate_series(0, 99) AS number
                    WHERE to_regclass(
                        pg_catalog.format('%I.%I', current_schema(), pg_catalog.concat(numbered.table_name, '_id_seq', NULLIF(number, 0)))
                    ) IS NULL
                    ORDER BY number
                    LIMIT 1
                );
                EXECUTE pg_catalog.format('CREATE SEQUENCE %s AS %s', made_as, numbered.type);
                EXECUTE pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.id', made_as, numbered.relation);
                sequence := made_as::regclass;
            END IF;
            EXECUTE pg_catalog.format('ALTER TABLE %s ALTER id SET DEFAULT nextval(%L)', numbered.relation, sequence);
            PERFORM adoption_note('done', numbered.object, NULL, pg_catalog.format('takes its numbers from the sequence %s', sequence));
        END IF;

        EXECUTE pg_catalog.format('SELECT max(id) FROM %s', numbered.relation) INTO highest;
        EXECUTE pg_catalog.format('SELECT last_value - (NOT is_called)::integer AS last, seqmax FROM %s, pg_sequence WHERE seqrelid = %s', sequence, sequence::oid)
        INTO position;
        -- After the last number of its type there is no room for a row: the id becomes wider, and so does what refers to it.
        IF highest >= position.seqmax AND numbered.type <> 'bigint' THEN
            BEGIN
                EXECUTE pg_catalog.format('ALTER TABLE %s ALTER id TYPE BIGINT', numbered.relation);
                EXECUTE pg_catalog.format('ALTER SEQUENCE %s AS BIGINT MAXVALUE 9223372036854775807', sequence);
                FOR referring IN
                    SELECT attrelid::regclass AS relation, attname
                    FROM adoption_references() AS references_to
                    JOIN pg_attribute ON attrelid = adoption_table(table_name) AND attname = column_name
                    WHERE target = numbered.table_name AND atttypid IN ('smallint'::regtype, 'integer'::regtype)
                LOOP
                    EXECUTE pg_catalog.format('ALTER TABLE %s ALTER %I TYPE BIGINT', referring.relation, referring.attname);
                END LOOP;
                position.seqmax := 9223372036854775807;
                PERFORM adoption_note('done', numbered.object, NULL, pg_catalog.format('became bigint, as %s is the last %s', highest, numbered.type));
            EXCEPTION WHEN feature_not_supported THEN
                PERFORM adoption_note('in the way', numbered.object, NULL, pg_catalog.format(
                    'id %s is the last %s, and it cannot become bigint: %s', highest, numbered.type, SQLERRM
                ));
            END;
        END IF;
        IF highest >= position.seqmax AND numbered.type = 'bigint' AND position.seqmax < 9223372036854775807 THEN
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s AS BIGINT MAXVALUE 9223372036854775807', sequence);
            PERFORM adoption_note('done', numbered.object, NULL, pg_catalog.format('the sequence ended at %s, and goes as far as the ids now', position.seqmax));
            position.seqmax := 9223372036854775807;
        END IF;
        IF position.last < highest AND highest < position.seqmax THEN
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s RESTART WITH %s', sequence, highest + 1);
            PERFORM adoption_note('done', numbered.object, NULL, pg_catalog.format('the sequence goes on with %s; it stood at %s', highest + 1, position.last));
        END IF;
    END LOOP;
END;
$$;

-- What refers to an id that is beyond integer must be as wide, in a table or column too that is yet to be made.
DO $$
DECLARE
    referring RECORD;
    highest BIGINT;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR referring IN
        SELECT table_name, column_name, adoption_table(target) AS target, adoption_table(table_name) AS relation, existing.attnum
        FROM adoption_references() AS references_to
        JOIN pg_attribute AS id ON id.attrelid = adoption_table(target) AND id.attname = 'id' AND id.atttypid = 'bigint'::regtype
        LEFT JOIN pg_attribute AS existing ON existing.attrelid = adoption_table(table_name) AND existing.attname = column_name
        WHERE existing.attnum IS NULL OR existing.atttypid IN ('smallint'::regtype, 'integer'::regtype)
    LOOP
        EXECUTE pg_catalog.format('SELECT max(id) FROM %s', referring.target) INTO highest;
        IF highest >= 2147483647 THEN
            IF referring.attnum IS NOT NULL THEN
                EXECUTE pg_catalog.format('ALTER TABLE %s ALTER %I TYPE BIGINT', referring.relation, referring.column_name);
            ELSE
                EXECUTE pg_catalog.format('CREATE TABLE IF NOT EXISTS %I.%I (id SERIAL PRIMARY KEY)', current_schema(), referring.table_name);
                EXECUTE pg_catalog.format('ALTER TABLE %I.%I ADD COLUMN %I BIGINT', current_schema(), referring.table_name, referring.column_name);
            END IF;
            PERFORM adoption_note('done', pg_catalog.format('column %s.%s', referring.table_name, referring.column_name), NULL, pg_catalog.format(
                'is bigint, as it refers to %s, whose ids go up to %s', referring.target, highest
            ));
        END IF;
    END LOOP;
END;
$$;

-- Times. Releases before 1.0.5 wrote UTC; from then on the columns hold the local time of settings.timezone, and no rule
-- can tell which row is of which. So nothing is shifted here, and what there was is kept, for python runner.py localize.
DO $$
DECLARE
    entries REGCLASS;
    in_utc TEXT := COALESCE((SELECT value FROM startup_marks WHERE name = 'adoption utc'), '');
    known_zone TEXT;
    start_utc TEXT;
    end_utc TEXT;
    archive TEXT;
    in_question BIGINT;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    ELSIF NOT adoption_has('time_entries', 'start_time') THEN
        RETURN;
    END IF;
    entries := adoption_table('time_entries');
    IF NOT adoption_has('time_entries', 'end_time') THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s ADD COLUMN end_time TIMESTAMP', entries);
    END IF;
    SELECT max(value) FILTER (WHERE attname = 'start_utc'), max(value) FILTER (WHERE attname = 'end_utc') INTO start_utc, end_utc
    FROM pg_attribute
    CROSS JOIN LATERAL (
        SELECT CASE atttypid
            WHEN 'timestamp'::regtype THEN attname::text
            WHEN 'timestamptz'::regtype THEN attname || ' AT TIME ZONE ''UTC'''
        END AS value
    ) AS expression
    WHERE attrelid = entries AND NOT attisdropped;

    EXECUTE pg_catalog.format(
        'SELECT count(*) FROM %s WHERE (start_time IS NOT NULL AND %L) OR (end_time IS NOT NULL AND %L)',
        entries, in_utc !~ '\mtime_entries\.start_time\M', in_utc !~ '\mtime_entries\.end_time\M'
    ) INTO in_question;
    -- Where ids are used twice, or a type stayed another one, they could not be kept; it all ends with a refusal anyway.
    IF in_question > 0 AND NOT EXISTS (SELECT FROM adoption_report WHERE step = 'in the way') THEN
        archive := adoption_archive(entries, 'adoption_times');
        IF archive IS NULL THEN
            RETURN;
        END IF;
        IF adoption_has('settings', 'timezone') THEN
            EXECUTE pg_catalog.format('SELECT timezone FROM %s WHERE timezone <> '''' ORDER BY id LIMIT 1', adoption_table('settings')) INTO known_zone;
        END IF;
        EXECUTE pg_catalog.format(
            'CREATE TABLE %I.adoption_times AS'
            ' SELECT id, COALESCE(start_time, %2$s) AS start_time, COALESCE(end_time, %3$s) AS end_time,'
            ' %4$L OR (start_time IS NULL AND %2$s IS NOT NULL) AS start_is_utc, %5$L OR (end_time IS NULL AND %3$s IS NOT NULL) AS end_is_utc'
            ' FROM %6$s',
            archive, COALESCE(start_utc, 'NULL::timestamp'), COALESCE(end_utc, 'NULL::timestamp'),
            in_utc ~ '\mtime_entries\.start_time\M', in_utc ~ '\mtime_entries\.end_time\M', entries
        );
        EXECUTE pg_catalog.format('ALTER TABLE %I.adoption_times ADD PRIMARY KEY (id)', archive);
        EXECUTE pg_catalog.format(
            'ALTER TABLE %I.adoption_times OWNER TO %I', archive, (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = entries)
        );
        EXECUTE pg_catalog.format('COMMENT ON TABLE %I.adoption_times IS %L', archive, 'The times of time_entries as they were found when TimeTracker adopted the database');
        INSERT INTO startup_marks (name, value) VALUES ('adoption time zone', COALESCE(known_zone, ''));
        PERFORM adoption_note('to decide', 'table time_entries', in_question, pg_catalog.format(
            'start_time and end_time are read as UTC, and were not shifted. Releases from 1.0.5 on wrote the local time%s;'
            ' if that is what they hold: python runner.py localize%s converts them, once. As they were found they are kept in %I.adoption_times',
            ', by the settings of ' || known_zone, CASE WHEN known_zone IS NULL THEN ' ZONE' END, archive
        ));
    END IF;
    IF start_utc IS NOT NULL THEN
        PERFORM adoption_fill('time_entries', 'start_time', start_utc, 'start_utc');
    END IF;
    IF end_utc IS NOT NULL THEN
        PERFORM adoption_fill('time_entries', 'end_time', end_utc, 'end_utc');
    END IF;
END;
$$;

-- What an older column holds.
DO $$
DECLARE
    older RECORD;
    through_task BOOLEAN;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    through_task := adoption_has('time_entries', 'task_id') AND NOT adoption_has('time_entries', 'project_id') AND adoption_has('tasks', 'project_id');
    FOR older IN
        SELECT *
        FROM (VALUES
            ('time_entries', 'notes', 'description', 'description::text', NULL),
            ('settings', 'company_logo_filename', 'company_logo_path', 'NULLIF(company_logo_path::text, '''')', 'COALESCE(company_logo_filename, '''') = '''''),
            ('settings', 'company_logo_filename', 'logo_path', 'NULLIF(logo_path::text, '''')', 'COALESCE(company_logo_filename, '''') = '''''),
            ('invoices', 'total_amount', 'total', 'NULLIF(total, 0)', 'COALESCE(total_amount, 0) = 0'),
            ('invoice_items', 'total_amount', 'total', 'NULLIF(total, 0)', 'COALESCE(total_amount, 0) = 0'),
            ('users', 'role', 'is_admin', 'CASE WHEN is_admin::text IN (''true'', ''t'', ''1'') THEN ''admin'' WHEN is_admin IS NOT NULL THEN ''user'' END', NULL),
            ('time_entries', 'duration_seconds', 'duration', 'round(EXTRACT(EPOCH FROM duration))', NULL),
            ('time_entries', 'duration_seconds', 'duration_minutes', 'round(duration_minutes::numeric * 60)', NULL),
            ('invoice_items', 'time_entry_ids', 'time_entry_id', 'time_entry_id::text', NULL),
            -- Better than the moment of the adoption, which the default would be.
            ('users', 'updated_at', 'created_at', 'created_at', NULL),
            ('users', 'created_at', 'updated_at', 'updated_at', NULL),
            ('tasks', 'updated_at', 'created_at', 'created_at', NULL),
            ('tasks', 'created_at', 'updated_at', 'updated_at', NULL),
            ('settings', 'updated_at', 'created_at', 'created_at', NULL),
            ('settings', 'created_at', 'updated_at', 'updated_at', NULL)
        ) AS superseded (table_name, column_name, older_name, value, blank)
    LOOP
        IF adoption_has(older.table_name, older.older_name) THEN
            PERFORM adoption_fill(older.table_name, older.column_name, older.value, older.older_name, older.blank);
        END IF;
    END LOOP;

    -- The scaffold did not know who made a task: it has to be somebody, and is reported.
    IF adoption_table('users') IS NOT NULL AND adoption_table('tasks') IS NOT NULL AND NOT adoption_has('tasks', 'created_by')
        AND (adoption_rows('users', 'true')).row_count > 0
    THEN
        PERFORM adoption_fill('tasks', 'created_by', pg_catalog.format(
            '(SELECT u.id FROM %s AS u ORDER BY %s, u.id LIMIT 1)',
            adoption_table('users'), CASE WHEN adoption_has('users', 'role') THEN 'u.role IS DISTINCT FROM ''admin''' ELSE 'true' END
        ), 'nothing');
        UPDATE adoption_report
        SET step = 'to decide', detail = 'nobody knew who made these tasks, so the first administrator did: UPDATE tasks SET created_by = ... where it was another'
        WHERE object = 'column tasks.created_by' AND detail LIKE 'filled from nothing%';
    END IF;

    IF through_task THEN
        PERFORM adoption_fill(
            'time_entries', 'project_id', pg_catalog.format('(SELECT project_id FROM %s AS t WHERE t.id = task_id)', adoption_table('tasks')), 'the task'
        );
    END IF;
END;
$$;

-- Releases 1.2 had a table of clients, and projects referred to it.
DO $$
DECLARE
    projects REGCLASS;
    nameless RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    ELSIF adoption_table('projects') IS NULL THEN
        RETURN;
    END IF;
    projects := adoption_table('projects');
    IF adoption_has('projects', 'client_id') AND adoption_has('clients', 'id') AND adoption_has('clients', 'name') THEN
        PERFORM adoption_fill(
            'projects', 'client', pg_catalog.format('(SELECT left(c.name::text, 200) FROM %s AS c WHERE c.id = client_id)', adoption_table('clients')), 'clients.name'
        );
        EXECUTE pg_catalog.format(
            'SELECT count(*) AS row_count, string_agg(p.id::text, '', '' ORDER BY p.id) AS ids FROM %s AS p JOIN %s AS c ON c.id = client_id WHERE p.client <> c.name',
            projects, adoption_table('clients')
        ) INTO nameless;
        IF nameless.row_count > 0 THEN
            PERFORM adoption_note('to decide', 'column projects.client', nameless.row_count, pg_catalog.format(
                'it differs from the name in the table clients, and was kept (id %s)', nameless.ids
            ));
        END IF;
    END IF;
    IF adoption_has('projects', 'client') THEN
        SELECT * INTO nameless FROM adoption_rows('projects', 'client IS NULL');
    ELSE
        SELECT * INTO nameless FROM adoption_rows('projects', 'true');
    END IF;
    IF nameless.row_count > 0 THEN
        PERFORM adoption_fill('projects', 'client', '''Default Client''', 'nothing');
        PERFORM adoption_note('to decide', 'column projects.client', nameless.row_count, pg_catalog.format(
            'no client was known, so these projects belong to ''Default Client'' now (%s)', nameless.shown
        ));
    END IF;
END;
$$;

-- The invoices of releases 1.2 named their client by its number, or by that of the project alone.
DO $$
DECLARE
    copied RECORD;
    by_number BOOLEAN;
    was_there BOOLEAN;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    ELSIF adoption_table('invoices') IS NULL THEN
        RETURN;
    END IF;
    by_number := adoption_has('invoices', 'client_id') AND adoption_has('clients', 'id');
    was_there := adoption_has('invoices', 'client_name');
    FOR copied IN
        SELECT *
        FROM (VALUES ('client_name', 'name', 200), ('client_email', 'email', 200), ('client_address', 'address', NULL)) AS copies (column_name, origin, length)
    LOOP
        -- An invoice without an address may be meant to be so, where there was a place for it.
        IF by_number AND adoption_has('clients', copied.origin)
            AND (copied.column_name = 'client_name' OR NOT adoption_has('invoices', copied.column_name))
        THEN
            PERFORM adoption_fill(
                'invoices', copied.column_name,
                pg_catalog.format(
                    '(SELECT left(c.%I::text, %L) FROM %s AS c WHERE c.id = client_id)', copied.origin, COALESCE(copied.length, 2147483647), adoption_table('clients')
                ),
                pg_catalog.concat('clients.', copied.origin)
            );
        END IF;
    END LOOP;
    IF NOT was_there AND adoption_has('invoices', 'project_id') AND adoption_has('projects', 'client') THEN
        PERFORM adoption_fill(
            'invoices', 'client_name', pg_catalog.format('(SELECT p.client FROM %s AS p WHERE p.id = project_id)', adoption_table('projects')), 'the project'
        );
    END IF;
END;
$$;

-- Settings as pairs of key and value become columns of the first row.
DO $$
DECLARE
    settings REGCLASS;
    setting RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    ELSIF NOT (adoption_has('settings', 'key') AND adoption_has('settings', 'value')) THEN
        RETURN;
    END IF;
    settings := adoption_table('settings');
    FOR setting IN SELECT column_name, type FROM adoption_target() WHERE table_name = 'settings' AND column_name NOT IN ('id', 'created_at', 'updated_at') LOOP
        BEGIN
            PERFORM adoption_fill(
                'settings', setting.column_name,
                pg_catalog.format(
                    'CASE WHEN id = (SELECT min(id) FROM %1$s) THEN (SELECT min(s.value::text) FROM %1$s AS s WHERE s.key::text = %2$L)::%3$s END',
                    settings, setting.column_name,
                    CASE WHEN setting.type LIKE 'character%' THEN 'text' ELSE setting.type END  -- a cast to a length would cut it off
                ),
                pg_catalog.format('the row whose key is %s', setting.column_name)
            );
        EXCEPTION WHEN data_exception THEN
            PERFORM adoption_note('to decide', pg_catalog.format('column settings.%s', setting.column_name), NULL, pg_catalog.format(
                'the row whose key is %s holds what is no %s; the default was taken', setting.column_name, setting.type
            ));
        END;
    END LOOP;
END;
$$;

-- Tasks that are gone: the foreign key says ON DELETE SET NULL, so that is what becomes of the rows that refer to them.
DO $$
DECLARE
    entries REGCLASS;
    orphaned TEXT;
    orphans RECORD;
    archive TEXT;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    ELSIF NOT adoption_has('time_entries', 'task_id') THEN
        RETURN;
    ELSIF EXISTS (SELECT FROM adoption_report WHERE step = 'in the way') THEN
        RETURN;  -- to be refused: ids may be used twice, or of a type that cannot be compared
    END IF;
    entries := adoption_table('time_entries');
    orphaned := CASE WHEN adoption_table('tasks') IS NULL
        THEN 'task_id IS NOT NULL'
        ELSE pg_catalog.format('task_id IS NOT NULL AND NOT EXISTS (SELECT FROM %s AS t WHERE t.id = task_id)', adoption_table('tasks'))
    END;
    SELECT * INTO orphans FROM adoption_rows('time_entries', orphaned);
    IF orphans.row_count = 0 THEN
        RETURN;
    END IF;
    archive := adoption_archive(entries, 'adoption_task_ids');
    IF archive IS NULL THEN
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('CREATE TABLE %I.adoption_task_ids AS SELECT id, task_id FROM %s WHERE %s', archive, entries, orphaned);
    EXECUTE pg_catalog.format('ALTER TABLE %I.adoption_task_ids ADD PRIMARY KEY (id)', archive);
    EXECUTE pg_catalog.format(
        'ALTER TABLE %I.adoption_task_ids OWNER TO %I', archive, (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = entries)
    );
    EXECUTE pg_catalog.format('UPDATE %s SET task_id = NULL WHERE id IN (SELECT id FROM %I.adoption_task_ids)', entries, archive);
    PERFORM adoption_note('done', 'column time_entries.task_id', orphans.row_count, pg_catalog.format(
        'emptied, as there is no such task (%s); the numbers are kept in %I.adoption_task_ids', orphans.shown, archive
    ));
END;
$$;

-- What the tables' own files make.
DO $$
DECLARE
    lacking RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR lacking IN
        SELECT table_name, adoption_table(table_name) AS relation, string_agg(column_name, ', ') AS columns
        FROM adoption_target()
        WHERE NOT adoption_has(table_name, column_name)
        GROUP BY table_name
        ORDER BY table_name
    LOOP
        PERFORM adoption_note('done', pg_catalog.concat('table ', lacking.table_name), NULL, CASE
            WHEN lacking.relation IS NULL THEN 'made, as there was none'
            ELSE pg_catalog.concat('columns made, as there were none: ', lacking.columns)
        END);
    END LOOP;
END;
$$;

-- What is empty and must not be: the tables' own files put the default in; where there is none, somebody has to decide.
DO $$
DECLARE
    checked RECORD;
    empty_rows RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    FOR checked IN
        SELECT table_name, column_name, type, nulls, pg_catalog.format('column %s.%s', table_name, column_name) AS object,
            pg_catalog.format('%I IS NULL', column_name) AS condition
        FROM adoption_target()
        JOIN pg_attribute ON attrelid = adoption_table(table_name) AND attname = column_name AND NOT attisdropped AND NOT attnotnull
        WHERE nulls <> 'allowed'
    LOOP
        IF checked.nulls = 'refused' THEN
            PERFORM adoption_obstacle(
                checked.table_name, checked.object, checked.condition, 'it is empty in some rows, and must not be', pg_catalog.format(
                    'UPDATE %s SET %I = %s WHERE %s -- or whatever it should be',
                    adoption_table(checked.table_name), checked.column_name,
                    CASE WHEN checked.type LIKE 'character%' THEN '''unknown '' || id' ELSE '...' END, checked.condition
                )
            );
        ELSE
            SELECT * INTO empty_rows FROM adoption_rows(checked.table_name, checked.condition);
            IF empty_rows.row_count > 0 THEN
                PERFORM adoption_note('done', checked.object, empty_rows.row_count, pg_catalog.format('was empty, and has the default now (%s)', empty_rows.shown));
            END IF;
        END IF;
    END LOOP;

    FOR checked IN
        SELECT table_name, column_name, type, pg_catalog.format('column %s.%s', table_name, column_name) AS object
        FROM adoption_target()
        WHERE nulls = 'refused' AND adoption_table(table_name) IS NOT NULL AND NOT adoption_has(table_name, column_name)
    LOOP
        PERFORM adoption_obstacle(
            checked.table_name, checked.object, 'true', 'there is no such column, and nothing tells what it should be in these rows', pg_catalog.format(
                'ALTER TABLE %1$s ADD COLUMN %2$I %3$s; UPDATE %1$s SET %2$I = ... -- what is meant in each row',
                adoption_table(checked.table_name), checked.column_name, checked.type
            )
        );
    END LOOP;

    FOR checked IN
        SELECT table_name, column_name, type, attgenerated, adoption_table(table_name) AS relation
        FROM adoption_target()
        JOIN pg_attribute ON attrelid = adoption_table(table_name) AND attname = column_name AND attgenerated <> ''
    LOOP
        PERFORM adoption_note('in the way', pg_catalog.format('column %s.%s', checked.table_name, checked.column_name), NULL, pg_catalog.format(
            CASE checked.attgenerated
                WHEN 's' THEN 'it is generated, so TimeTracker could not write it. To mend it: ALTER TABLE %1$s ALTER COLUMN %2$I DROP EXPRESSION'
                ELSE 'it is generated, so TimeTracker could not write it. To mend it: ALTER TABLE %1$s RENAME COLUMN %2$I TO %3$I;'
                    ' ALTER TABLE %1$s ADD COLUMN %2$I %4$s; UPDATE %1$s SET %2$I = %3$I'
            END,
            checked.relation, checked.column_name, pg_catalog.concat(checked.column_name, '_before'), checked.type
        ));
    END LOOP;

    FOR checked IN
        SELECT table_name, column_name, pg_catalog.format('unique %s.%s', table_name, column_name) AS object, pg_catalog.format(
            '%1$I IN (SELECT %1$I FROM %2$s GROUP BY %1$I HAVING count(*) > 1)', column_name, adoption_table(table_name)
        ) AS condition
        FROM (VALUES ('users', 'username'), ('invoices', 'invoice_number')) AS unique_keys (table_name, column_name)
        WHERE adoption_has(table_name, column_name)
    LOOP
        PERFORM adoption_obstacle(
            checked.table_name, checked.object, checked.condition, 'some rows have the same', pg_catalog.format(
                'UPDATE %1$s SET %2$I = left(%2$I, 40) || '' '' || id WHERE id NOT IN (SELECT min(id) FROM %1$s GROUP BY %2$I) -- or whatever it should be',
                adoption_table(checked.table_name), checked.column_name
            )
        );
    END LOOP;
END;
$$;

DO $$
DECLARE
    obstacles TEXT[] := ARRAY(
        SELECT pg_catalog.format('%s: %s', object, detail) FROM adoption_report WHERE step = 'in the way' ORDER BY id
    );
BEGIN
    IF obstacles <> '{}' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TT001',
            MESSAGE = pg_catalog.format('%s things stand in the way of adopting this database', cardinality(obstacles)),
            DETAIL = array_to_string(obstacles, E'\n');
    END IF;
END;
$$;
