-- depends: 0019-updated-at-triggers
-- The end of an adoption: triggers of others are on again, what is left to decide is reported, and the functions of
-- 0003-adoption-functions go.
-- squawk-ignore-file ban-drop-function
-- They are of no use to anybody else.
SET LOCAL lock_timeout = '1s';
SET LOCAL quote_all_identifiers = off;
SET LOCAL standard_conforming_strings = on;

DO $$
DECLARE
    unproven RECORD;
    orphans RECORD;
    condition TEXT;
    changed_key RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM startup_marks WHERE name = 'adoption' AND value = 'begun') THEN
        RETURN;
    END IF;
    EXECUTE COALESCE((SELECT value FROM startup_marks WHERE name = 'adoption triggers'), 'SELECT');

    FOR changed_key IN
        WITH before AS (
            SELECT unnest(string_to_array(value, E'\n')) AS definition FROM startup_marks WHERE name = 'adoption keys'
        ),
        after AS (
            SELECT pg_catalog.format('%s %s', relname, pg_get_constraintdef(pg_constraint.oid)) AS definition
            FROM pg_constraint
            JOIN pg_class ON pg_class.oid = conrelid
            WHERE contype IN ('f', 'u') AND conrelid IN (SELECT DISTINCT adoption_table(table_name) FROM adoption_target())
        )
        SELECT definition, 'taken away, for one that says ON DELETE as it should' AS what FROM before WHERE definition NOT IN (SELECT definition FROM after)
        UNION ALL
        SELECT definition, 'made' FROM after WHERE definition NOT IN (SELECT definition FROM before)
        ORDER BY 1
    LOOP
        PERFORM adoption_note('done', pg_catalog.concat('key of ', changed_key.definition), NULL, changed_key.what);
    END LOOP;
    DELETE FROM startup_marks WHERE name IN ('adoption triggers', 'adoption keys', 'adoption utc');

    FOR unproven IN
        SELECT relname AS table_name, attname AS column_name, confrelid::regclass AS target, conrelid::regclass AS relation
        FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND ARRAY[attnum] = conkey
        JOIN pg_class ON pg_class.oid = conrelid
        WHERE contype = 'f' AND NOT convalidated AND conrelid IN (SELECT DISTINCT adoption_table(table_name) FROM adoption_target())
        ORDER BY 1, 2
    LOOP
        condition := pg_catalog.format(
            '%1$I IS NOT NULL AND NOT EXISTS (SELECT FROM %2$s AS target WHERE target.id = %1$I)', unproven.column_name, unproven.target
        );
        SELECT * INTO orphans FROM adoption_rows(unproven.table_name, condition);
        PERFORM adoption_note(
            'to decide', pg_catalog.format('foreign key %s.%s', unproven.table_name, unproven.column_name), orphans.row_count, pg_catalog.format(
                'what these rows refer to is not in %s (%s). They were left alone; new rows are checked. To see them: SELECT * FROM %s WHERE %s.'
                ' Once they are mended python runner.py migrate sees to it that the key holds for all',
                unproven.target, orphans.shown, unproven.relation, condition
            )
        );
    END LOOP;

    SELECT * INTO orphans FROM adoption_rows('settings', pg_catalog.format('id > (SELECT min(id) FROM %s)', adoption_table('settings')));
    IF orphans.row_count > 0 THEN
        PERFORM adoption_note('to decide', 'table settings', orphans.row_count, pg_catalog.format(
            'TimeTracker uses the row with the lowest id and never looks at the others (%s). Delete them if nobody needs them', orphans.shown
        ));
    END IF;
    SELECT * INTO orphans FROM adoption_rows('projects', pg_catalog.format(
        'name = ''General'' AND id > (SELECT min(id) FROM %1$s WHERE name = ''General'')', adoption_table('projects')
    ));
    IF orphans.row_count > 0 THEN
        PERFORM adoption_note('to decide', 'table projects', orphans.row_count, pg_catalog.format(
            'there are several projects called General, one more of each start of the predecessor (%s). Delete those without entries if nobody needs them',
            orphans.shown
        ));
    END IF;
    UPDATE startup_marks SET value = 'done' WHERE name = 'adoption';
END;
$$;

DROP FUNCTION IF EXISTS
    adoption_convert_types(),
    adoption_refused(REGCLASS, SMALLINT, TEXT, TEXT, TEXT, TEXT, TEXT),
    adoption_unfit(RECORD, TEXT, TEXT[], BOOLEAN),
    adoption_choice(RECORD),
    adoption_shortcut(TEXT, TEXT, TEXT, TEXT, BOOLEAN),
    adoption_dependents(REGCLASS, SMALLINT),
    adoption_candidates(TEXT, TEXT, TEXT, TEXT, BOOLEAN),
    adoption_differing(),
    adoption_fill(TEXT, TEXT, TEXT, TEXT, TEXT),
    adoption_archive(REGCLASS, TEXT),
    adoption_obstacle(TEXT, TEXT, TEXT, TEXT, TEXT),
    adoption_rows(TEXT, TEXT),
    adoption_note(TEXT, TEXT, BIGINT, TEXT),
    adoption_has(TEXT, TEXT),
    adoption_table(TEXT),
    adoption_references(),
    adoption_target();
