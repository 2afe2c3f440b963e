-- depends: 0004-adopt-names
-- How columns of a database of the predecessor get the types of today, where every value survives. 0006-adopt-values lets
-- adoption_convert_types() do it, so that all that stands in the way is told at once, by hand too.
-- What a column takes already, it goes on taking: bigint, text and longer or finer types stay as they are.
SET LOCAL lock_timeout = '1s';
-- After an adoption the functions that these use are gone; these are made all the same, and never called.
SET LOCAL check_function_bodies = off;

-- The columns of another type than today's, which is neither the same nor wider. `base_type` is the type below a domain,
-- which never stays: its rules are not ours. `kind` is what there is to read: number, text, boolean, date, timestamp,
-- timestamptz, or other.
CREATE OR REPLACE FUNCTION adoption_differing()
RETURNS TABLE (
    table_name TEXT, column_name TEXT, relation REGCLASS, attnum SMALLINT, declared TEXT, base_type TEXT, kind TEXT, wanted TEXT,
    is_enough BOOLEAN
) LANGUAGE sql STABLE AS $$
    SELECT target.table_name, target.column_name, relation, attnum, format_type(atttypid, atttypmod), base_type,
        CASE
            WHEN base IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN 'number'
            WHEN base IN ('numeric'::regtype, 'real'::regtype, 'double precision'::regtype) THEN 'number'
            WHEN base_category = 'S' OR base_kind = 'e' OR base IN ('uuid'::regtype, '"char"'::regtype) THEN 'text'
            WHEN base IN ('boolean'::regtype, 'date'::regtype) THEN base::regtype::text
            WHEN base = 'timestamp without time zone'::regtype THEN 'timestamp'
            WHEN base = 'timestamp with time zone'::regtype THEN 'timestamptz'
            ELSE 'other'
        END,
        target.type, is_enough
    FROM adoption_target() AS target
    CROSS JOIN LATERAL adoption_table(target.table_name) AS relation
    JOIN pg_attribute ON attrelid = relation AND attname = target.column_name AND attnum > 0 AND NOT attisdropped
    CROSS JOIN LATERAL (
        WITH RECURSIVE below (type, modifier) AS (
            SELECT atttypid, atttypmod
            UNION ALL
            SELECT typbasetype, typtypmod FROM below JOIN pg_type ON oid = type WHERE typtype = 'd'
        )
        SELECT oid AS base, typcategory AS base_category, typtype AS base_kind, format_type(type, modifier) AS base_type
        FROM below
        JOIN pg_type ON oid = type
        WHERE typtype <> 'd'
    ) AS without_domain
    CROSS JOIN LATERAL regexp_match(target.type, '\((\d+)(?:,(\d+))?') AS bounds
    CROSS JOIN LATERAL regexp_match(base_type, '\((\d+)(?:,(-?\d+))?') AS bounds_there
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN target.type = 'integer' THEN base IN ('integer'::regtype, 'bigint'::regtype)
            WHEN target.type LIKE 'numeric%' THEN base = 'numeric'::regtype AND (
                bounds_there IS NULL
                OR bounds_there[1]::int - bounds_there[2]::int >= bounds[1]::int - bounds[2]::int
                AND bounds_there[2]::int >= bounds[2]::int
            )
            WHEN target.type = 'text' THEN base_type IN ('text', 'character varying')
            WHEN target.type LIKE 'character varying%' THEN base_type IN ('text', 'character varying')
                OR base = 'character varying'::regtype AND bounds_there[1]::int >= bounds[1]::int
            ELSE base_type = target.type
        END AS is_enough
    ) AS compared
    WHERE NOT is_enough OR base <> atttypid;
$$;

-- The types that a column could have, the best first: `fits` is a condition that every value but NULL has to meet, NULL
-- if all of them do; `reading` is the value as it will be, NULL where PostgreSQL's own conversion is it.
-- `fits` casts nothing that does not match, so that it never fails, and stands in the advice too.
CREATE OR REPLACE FUNCTION adoption_candidates(column_name TEXT, base_type TEXT, kind TEXT, wanted TEXT, is_enough BOOLEAN)
RETURNS TABLE (type TEXT, fits TEXT, reading TEXT, is_utc BOOLEAN) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    own TEXT := quote_ident(column_name);
    -- In "C" no letter or digit but those of ASCII matches, and no collation of the column's own gets in between.
    own_text TEXT := pg_catalog.format('%I::text COLLATE "C"', column_name);
    bounds INTEGER[] := regexp_match(wanted, '\((\d+)(?:,(\d+))?');
    bounds_there INTEGER[] := regexp_match(base_type, '\((\d+)(?:,(-?\d+))?');
    -- Of a length that numeric holds whatever the exponent.
    number_pattern TEXT := '^\s*([-+]?(\d+\.?\d*|\.\d+)(e[-+]?0*\d{1,4})?|nan|[-+]?inf(inity)?)\s*$';
    boolean_pattern TEXT := '^\s*(t|tr|tru|true|y|ye|yes|on|1|f|fa|fal|fals|false|n|no|of|off|0)\s*$';
    -- A day that the calendar has, from the year 1; a minute that the clock has.
    date_pattern TEXT := '(((\d{3}[1-9]|\d\d[1-9]\d|\d[1-9]\d\d|[1-9]\d{3})-'
        '((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8])))'
        '|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][48]|[13579][26]|[2468]0)00)-02-29)';
    time_pattern TEXT := '[t ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6}0*)?)?';
    zone_pattern TEXT := ' ?(z|[-+](0\d|1[0-4])(:?[0-5]\d)?)';
    local_pattern TEXT := pg_catalog.format('^\s*%s(%s)?\s*$', date_pattern, time_pattern);
    zoned_pattern TEXT := pg_catalog.format('^\s*%s%s%s\s*$', date_pattern, time_pattern, zone_pattern);
    -- The shortest text of a floating-point number is the number that somebody wrote.
    cast_number TEXT := pg_catalog.format(
        CASE WHEN kind = 'text' OR base_type IN ('real', 'double precision') THEN '%I::text::numeric' ELSE '%I::numeric' END, column_name
    );
    number TEXT;
    moments TEXT[];
    cast_moments TEXT[];
    digits INTEGER;
    scale INTEGER;
BEGIN
    IF is_enough THEN
        RETURN QUERY VALUES (base_type, NULL, NULL, false);
        RETURN;
    END IF;

    number := CASE kind
        WHEN 'number' THEN cast_number
        WHEN 'text' THEN pg_catalog.format(
            '(CASE WHEN length(%s) < 4000 AND %s ~* %L THEN %s END)', own_text, own_text, number_pattern, cast_number
        )
    END;
    cast_moments := CASE kind
        WHEN 'timestamp' THEN ARRAY[own]
        WHEN 'timestamptz' THEN ARRAY[pg_catalog.format('(%s AT TIME ZONE ''UTC'')', own)]
        WHEN 'text' THEN ARRAY[
            pg_catalog.format('(%s::text::timestamp)', own), pg_catalog.format('(%s::text::timestamptz AT TIME ZONE ''UTC'')', own)
        ]
    END;
    moments := CASE kind
        WHEN 'text' THEN ARRAY[
            pg_catalog.format('(CASE WHEN %s ~* %L THEN %s END)', own_text, local_pattern, cast_moments[1]),
            pg_catalog.format('(CASE WHEN %s ~* %L THEN %s END)', own_text, zoned_pattern, cast_moments[2])
        ]
        ELSE cast_moments
    END;

    IF wanted = 'integer' AND base_type = 'smallint' THEN
        RETURN QUERY VALUES (wanted, NULL, NULL, false);
    ELSIF wanted = 'integer' AND number IS NOT NULL THEN
        RETURN QUERY
        SELECT integers.type, pg_catalog.format('%1$s BETWEEN %2$s AND %3$s AND %1$s = trunc(%1$s)', number, -highest - 1, highest),
            pg_catalog.format('%s::%s', cast_number, integers.type), false
        FROM (VALUES ('integer', 2147483647::numeric), ('bigint', 9223372036854775807)) AS integers (type, highest);
    ELSIF wanted LIKE 'numeric%' AND base_type LIKE 'numeric(%' THEN
        scale := GREATEST(bounds[2], bounds_there[2]);
        digits := GREATEST(bounds[1] - bounds[2], bounds_there[1] - bounds_there[2]) + scale;
        RETURN QUERY VALUES (pg_catalog.format('numeric(%s,%s)', digits, scale), NULL, NULL, false);
    ELSIF wanted LIKE 'numeric%' AND number IS NOT NULL THEN
        RETURN QUERY VALUES
            (
                wanted,
                pg_catalog.format(
                    '(%1$s = ''NaN'' OR abs(%1$s) < 1%2$s AND %1$s = round(%1$s, %3$s))', number, repeat('0', bounds[1] - bounds[2]), bounds[2]
                ),
                cast_number, false
            ),
            ('numeric', pg_catalog.format('%s IS NOT NULL', number), cast_number, false);
    ELSIF wanted = 'text' AND kind <> 'other' THEN
        RETURN QUERY VALUES (wanted, NULL, pg_catalog.format('%s::text', own), false);
    ELSIF wanted LIKE 'character varying%' AND base_type LIKE 'character%' THEN
        RETURN QUERY VALUES (pg_catalog.format('character varying(%s)', GREATEST(bounds[1], bounds_there[1])), NULL, NULL, false);
    ELSIF wanted LIKE 'character varying%' AND kind <> 'other' THEN
        RETURN QUERY VALUES
            (wanted, pg_catalog.format('char_length(%s::text) <= %s', own, bounds[1]), pg_catalog.format('%s::text', own), false),
            ('text', NULL, pg_catalog.format('%s::text', own), false);
    ELSIF wanted = 'boolean' AND kind = 'number' THEN
        RETURN QUERY VALUES (wanted, pg_catalog.format('%s IN (0, 1)', own), pg_catalog.format('%s = 1', own), false);
    ELSIF wanted = 'boolean' AND kind = 'text' THEN
        RETURN QUERY VALUES (wanted, pg_catalog.format('%s ~* %L', own_text, boolean_pattern), pg_catalog.format('%s::text::boolean', own), false);
    ELSIF wanted = 'date' AND moments IS NOT NULL THEN
        RETURN QUERY
        SELECT wanted, pg_catalog.format('%1$s = date_trunc(''day'', %1$s)', moment), pg_catalog.format('%s::date', cast_moment),
            kind = 'timestamptz' OR position = 2
        FROM unnest(moments, cast_moments) WITH ORDINALITY AS readings (moment, cast_moment, position);
    ELSIF wanted = 'timestamp without time zone' AND kind IN ('timestamp', 'timestamptz') THEN
        RETURN QUERY VALUES (wanted, NULL, NULL, kind = 'timestamptz');  -- the session is in UTC, and the rows stay as they are
    ELSIF wanted = 'timestamp without time zone' AND kind = 'date' THEN
        RETURN QUERY VALUES (wanted, pg_catalog.format('(%1$s <= ''294276-12-31'' OR %1$s = ''infinity'')', own), own, false);
    ELSIF wanted = 'timestamp without time zone' AND moments IS NOT NULL THEN
        RETURN QUERY
        SELECT wanted, pg_catalog.format('%s IS NOT NULL', moment), cast_moment, position = 2
        FROM unnest(moments, cast_moments) WITH ORDINALITY AS readings (moment, cast_moment, position);
    ELSE
        RETURN QUERY VALUES (wanted, 'false', pg_catalog.format('NULL::%s', wanted), false);
    END IF;
END;
$$;

-- What depends on a column and can forbid another type, as SQL that takes it away and SQL that makes it anew. `reason`:
-- PostgreSQL carries checks and indexes over where the new type has the same operators, foreign keys where both types
-- can be compared, and nothing else.
CREATE OR REPLACE FUNCTION adoption_dependents(relation REGCLASS, attnum SMALLINT)
RETURNS TABLE (take_away TEXT, make_anew TEXT, reason TEXT) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE viewed AS (
        SELECT ev_class, ev_type, rulename, pg_rewrite.oid AS rule, 1 AS depth
        FROM pg_depend
        JOIN pg_rewrite ON pg_rewrite.oid = objid
        WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = relation AND refobjsubid = attnum
        UNION
        SELECT above.ev_class, above.ev_type, above.rulename, above.oid, depth + 1
        FROM viewed
        JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = viewed.ev_class AND classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite AS above ON above.oid = objid AND above.ev_class <> viewed.ev_class
        WHERE viewed.rulename = '_RETURN'
    ),
    dependent (take_away, make_anew, reason, position) AS (
        SELECT pg_catalog.format('DROP %s %s', what, ev_class::regclass),
            pg_catalog.format('CREATE %s %s AS %s', what, ev_class::regclass, btrim(pg_get_viewdef(ev_class), E' \n;')), 'use', -max(depth)
        FROM viewed
        JOIN pg_class ON oid = ev_class
        CROSS JOIN LATERAL (SELECT CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END) AS kinds (what)
        WHERE rulename = '_RETURN'
        GROUP BY ev_class, what
        UNION ALL
        SELECT DISTINCT pg_catalog.format('DROP RULE %I ON %s', rulename, ev_class::regclass), btrim(pg_get_ruledef(rule), E' \n;'), 'use', 1
        FROM viewed
        WHERE rulename <> '_RETURN'
        UNION ALL
        SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', relation, conname),
            pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', relation, conname, pg_get_constraintdef(oid)), 'operators', 1
        FROM pg_constraint
        WHERE conrelid = relation AND contype IN ('c', 'x') AND attnum = ANY (conkey)
        UNION ALL
        SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
            pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)), 'comparison', 1
        FROM pg_constraint
        WHERE contype = 'f' AND (conrelid = relation AND attnum = ANY (conkey) OR confrelid = relation AND attnum = ANY (confkey))
        UNION ALL
        SELECT DISTINCT pg_catalog.format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid), 'operators', 1
        FROM pg_depend
        JOIN pg_index ON indexrelid = objid AND (indpred IS NOT NULL OR indexprs IS NOT NULL)
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = relation AND refobjsubid = attnum
        UNION ALL
        SELECT DISTINCT pg_catalog.format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass), pg_get_triggerdef(pg_trigger.oid), 'use', 1
        FROM pg_depend
        JOIN pg_trigger ON pg_trigger.oid = objid
        WHERE classid = 'pg_trigger'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = relation AND refobjsubid = attnum
        UNION ALL
        SELECT DISTINCT pg_catalog.format('DROP POLICY %I ON %s', polname, polrelid::regclass),
            pg_catalog.format(
                'CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, polrelid::regclass,
                CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ') FROM unnest(polroles) AS role),
                ' USING (' || pg_get_expr(polqual, polrelid) || ')', ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')'
            ), 'use', 1
        FROM pg_depend
        JOIN pg_policy ON pg_policy.oid = objid
        WHERE classid = 'pg_policy'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = relation AND refobjsubid = attnum
        UNION ALL
        SELECT DISTINCT pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I DROP EXPRESSION', relation, attname),
            pg_catalog.format('%I %s GENERATED ALWAYS AS (%s) STORED', attname, format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid)),
            'use', 1
        FROM pg_depend
        JOIN pg_attrdef ON pg_attrdef.oid = objid
        JOIN pg_attribute ON attrelid = adrelid AND pg_attribute.attnum = adnum AND attgenerated <> ''
        WHERE classid = 'pg_attrdef'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = relation
            AND refobjsubid = adoption_dependents.attnum
        UNION ALL
        SELECT DISTINCT pg_catalog.format('DROP ROUTINE %s', objid::regprocedure), pg_get_functiondef(objid), 'use', 1
        FROM pg_depend
        WHERE classid = 'pg_proc'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = relation AND refobjsubid = attnum
    )
    SELECT take_away, regexp_replace(make_anew, '\s*\n\s*', ' ', 'g'), reason
    FROM dependent
    ORDER BY position, take_away;
$$;

-- A condition that proves of most texts what `fits` asks of them, ten times as fast: a pattern costs more than a cast,
-- but a cast may fail. What comes back as it was written is what it looks like. NULL: there is none.
CREATE OR REPLACE FUNCTION adoption_shortcut(column_name TEXT, base_type TEXT, kind TEXT, wanted TEXT, is_utc BOOLEAN)
RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN base_type IN ('real', 'double precision') AND wanted = 'integer' THEN pg_catalog.format(
            '%1$I = trunc(%1$I) AND abs(%1$I) <= 2147483647', column_name
        )
        WHEN kind <> 'text' THEN NULL
        WHEN wanted LIKE 'timestamp%' THEN pg_catalog.format(
            CASE
                WHEN is_utc THEN 'length(%1$I::text) >= 20 AND %1$I::text::timestamptz IS NOT NULL AND ('
                    'substr(%1$I::text, 20) = ''Z'' OR substr(%1$I::text, 21, 2) <= ''14'' COLLATE "C"'
                    ' AND translate(substr(%1$I::text, 20), ''123456789-'', ''000000000+'') IN (''+00'', ''+0000'', ''+00:00'')'
                    ' OR substr(%1$I::text, 20) COLLATE "C" ~ ''^(\.\d{1,6})?(Z|[-+](0\d|1[0-4])(:?[0-5]\d)?)$'')'
                ELSE 'length(%1$I::text) = 19'
            END || ' AND replace(left(%1$I::text, 19), ''T'', '' '') = left(%1$I::text, 19)::timestamp::text', column_name
        )
        WHEN wanted = 'date' AND NOT is_utc THEN pg_catalog.format('length(%1$I::text) = 10 AND %1$I::text = %1$I::text::date::text', column_name)
        WHEN wanted = 'boolean' THEN pg_catalog.format(
            '%I::text IN (''t'', ''f'', ''true'', ''false'', ''True'', ''False'', ''0'', ''1'')', column_name
        )
        WHEN wanted IN ('integer', 'bigint') THEN pg_catalog.format('%1$I::text = %1$I::text::%2$s::text', column_name, wanted)
        WHEN wanted LIKE 'numeric(%' THEN pg_catalog.format('%1$I::text = %1$I::text::%2$s::text', column_name, wanted)
    END;
$$;

-- The SQL of a change, with a line of the report; or what is in the way, noted by adoption_obstacle().
CREATE OR REPLACE FUNCTION adoption_choice(
    differing RECORD, OUT action TEXT, OUT row_count BIGINT, OUT detail TEXT, OUT new_type TEXT, OUT is_utc BOOLEAN
) LANGUAGE plpgsql AS $$
DECLARE
    object TEXT := pg_catalog.format('column %s.%s', differing.table_name, differing.column_name);
    own TEXT := quote_ident(differing.column_name);
    candidate RECORD;
    attribute RECORD;
    superfluous RECORD;
    every_one_fits BOOLEAN;
    shortcut TEXT;
    unfit TEXT;
    unfit_all TEXT[];
    holds BOOLEAN;
    sequence_default TEXT;
BEGIN
    SELECT attnotnull, attcollation, attgenerated, typcollation, pg_get_expr(adbin, adrelid) AS value INTO attribute
    FROM pg_attribute
    JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = pg_attribute.attnum
    WHERE attrelid = differing.relation AND pg_attribute.attnum = differing.attnum;

    FOR candidate IN
        SELECT *
        FROM adoption_candidates(differing.column_name, differing.base_type, differing.kind, differing.wanted, differing.is_enough)
    LOOP
        unfit := pg_catalog.format('%s IS NOT NULL AND (%s) IS NOT TRUE', own, candidate.fits);
        every_one_fits := candidate.fits IS NULL;
        shortcut := adoption_shortcut(differing.column_name, differing.base_type, differing.kind, candidate.type, candidate.is_utc);
        IF NOT every_one_fits AND shortcut IS NOT NULL THEN
            BEGIN
                EXECUTE pg_catalog.format(
                    'SELECT NOT EXISTS (SELECT FROM %s WHERE %s IS NOT NULL AND (%s) IS NOT TRUE)', differing.relation, own, shortcut
                ) INTO every_one_fits;
            EXCEPTION
                WHEN data_exception THEN
                    every_one_fits := false;
            END;
        END IF;
        IF NOT every_one_fits THEN
            EXECUTE pg_catalog.format('SELECT NOT EXISTS (SELECT FROM %s WHERE %s)', differing.relation, unfit) INTO every_one_fits;
        END IF;
        IF every_one_fits THEN
            new_type := candidate.type;
            is_utc := candidate.is_utc;
            EXIT;
        END IF;
        unfit_all := unfit_all || unfit;
    END LOOP;

    IF new_type IS NULL THEN
        PERFORM adoption_unfit(differing, object, unfit_all, attribute.attnotnull);
        RETURN;
    END IF;

    EXECUTE pg_catalog.format('SELECT count(%s) FROM %s', own, differing.relation) INTO row_count;
    action := pg_catalog.format('ALTER COLUMN %s TYPE %s', own, new_type);
    detail := pg_catalog.format('%s became %s', differing.declared, new_type);
    IF is_utc THEN
        detail := detail || ', in UTC';
    END IF;
    IF new_type <> differing.wanted AND unfit_all IS NOT NULL THEN
        detail := pg_catalog.format(
            '%s, not %s, which cannot hold %s', detail, differing.wanted, CASE
                WHEN adoption_has(differing.table_name, 'id')
                    THEN pg_catalog.format('the values of %s', (adoption_rows(differing.table_name, unfit_all[1])).shown)
                ELSE 'some of its values'
            END
        );
    ELSIF new_type <> differing.wanted THEN
        detail := pg_catalog.format('%s, which is wider than %s', detail, differing.wanted);
    END IF;
    IF attribute.attcollation NOT IN (0, attribute.typcollation) AND differing.kind = 'text' AND new_type ~ '^(text|char)' THEN
        action := pg_catalog.format('%s COLLATE %s', action, attribute.attcollation::regcollation);
    END IF;
    IF candidate.reading IS NOT NULL THEN
        action := pg_catalog.format('%s USING %s', action, candidate.reading);
    END IF;

    -- An old default is of the old type; that of today is set by the table's own file. A sequence goes on.
    IF attribute.value IS NOT NULL AND attribute.attgenerated = '' AND (candidate.reading IS NOT NULL OR is_utc) THEN
        action := pg_catalog.format('ALTER COLUMN %s DROP DEFAULT, %s', own, action);
        sequence_default := substring(attribute.value FROM 'nextval\(''(?:[^'']|'''')*''::regclass\)');
        IF sequence_default IS NOT NULL AND new_type IN ('integer', 'bigint') THEN
            action := pg_catalog.format('%s, ALTER COLUMN %s SET DEFAULT %s', action, own, sequence_default);
        ELSIF differing.column_name NOT IN ('created_at', 'updated_at') AND EXISTS (
            SELECT
            FROM adoption_target() AS target
            WHERE (target.table_name, target.column_name) = (differing.table_name, differing.column_name) AND nulls <> 'default'
        ) THEN
            detail := pg_catalog.format('%s; its default %s was dropped', detail, attribute.value);
        END IF;
    END IF;

    -- CHECK (is_active IN (0, 1)) says what boolean says already.
    FOR superfluous IN
        SELECT conname, pg_get_expr(conbin, conrelid) AS condition, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE new_type = 'boolean' AND differing.kind = 'number'
            AND conrelid = differing.relation AND contype = 'c' AND conkey = ARRAY[differing.attnum]
    LOOP
        EXECUTE pg_catalog.format(
            'SELECT bool_and((%s) IS NOT FALSE) FROM (VALUES (0::%s), (1)) AS %I (%s)',
            superfluous.condition, differing.base_type, differing.table_name, own
        ) INTO holds;
        IF holds THEN
            action := pg_catalog.format('DROP CONSTRAINT %I, %s', superfluous.conname, action);
            detail := pg_catalog.format('%s; the %s says nothing more and was dropped', detail, superfluous.definition);
        END IF;
    END LOOP;
END;
$$;

-- Notes the values that no type of today holds as they are, with SQL that keeps them aside or asks for the right ones.
CREATE OR REPLACE FUNCTION adoption_unfit(differing RECORD, object TEXT, unfit TEXT[], is_required BOOLEAN) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    own TEXT := quote_ident(differing.column_name);
    kept TEXT := quote_ident(pg_catalog.concat(left(differing.column_name, 50), '_before'));
    nobody_reads TEXT := array_to_string(unfit, ' AND ');
    condition TEXT := nobody_reads;
    breaking RECORD;
    has_id BOOLEAN := adoption_has(differing.table_name, 'id');
    nulls TEXT := (
        SELECT target.nulls
        FROM adoption_target() AS target
        WHERE (target.table_name, target.column_name) = (differing.table_name, differing.column_name)
    );
    meant TEXT := CASE
        WHEN differing.wanted = 'boolean' THEN CASE differing.kind WHEN 'text' THEN 'false' ELSE '0' END
        WHEN differing.wanted = 'date' THEN '2025-08-18'
        WHEN differing.wanted LIKE 'timestamp%' THEN '2025-08-18 08:00:00'
        ELSE '0'
    END;
    what TEXT := CASE
        WHEN differing.kind = 'other' OR differing.kind = 'number' AND differing.wanted NOT IN ('integer', 'boolean')
            THEN 'values whose meaning nobody can know'
        WHEN differing.wanted = 'integer' THEN 'values that are no whole numbers of up to 19 digits'
        WHEN differing.wanted LIKE 'numeric%' THEN 'values that are no numbers such as 12.50'
        WHEN differing.wanted = 'boolean' THEN 'values that are neither 0 nor 1, true nor false'
        WHEN differing.wanted = 'date' AND differing.kind <> 'text' THEN 'values that are not at midnight'
        WHEN differing.wanted = 'date' THEN 'values that are no days such as 2025-08-18'
        ELSE 'values that are no times such as 2025-08-18 08:00:00'
    END;
    mend TEXT;
BEGIN
    EXECUTE pg_catalog.format('SELECT count(*) AS row_count FROM %s WHERE %s', differing.relation, nobody_reads) INTO breaking;
    IF breaking.row_count = 0 THEN  -- some read as local times, the others with their zone
        condition := unfit[2];
        what := 'values without a time zone beside others with one';
    END IF;
    mend := CASE
        WHEN differing.kind = 'other' AND (is_required OR nulls = 'refused') THEN pg_catalog.format(
            'ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s -- with an expression in place of the last word that says what the values mean',
            differing.relation, own, differing.wanted,
            CASE WHEN differing.base_type LIKE 'interval%' THEN pg_catalog.format('extract(epoch FROM %s)', own) ELSE own END
        )
        WHEN breaking.row_count = 0 THEN pg_catalog.format(
            'UPDATE %s SET %s = concat(left(btrim(%s), 10), '' '', COALESCE(NULLIF(substr(btrim(%s), 12), ''''), ''00:00''), ''+00'') WHERE %s'
            ' -- if they are in UTC too',
            differing.relation, own, own, own, '%s'
        )
        WHEN is_required OR nulls = 'refused' THEN pg_catalog.format(
            'UPDATE %s SET %s = %L WHERE %s -- with what is meant in each row', differing.relation, own, meant, '%s'
        )
        ELSE pg_catalog.format(
            'ALTER TABLE %s ADD COLUMN %s %s; UPDATE %s SET %s = %s, %s = NULL WHERE %s -- they are kept beside it, or write what is meant',
            differing.relation, kept, differing.declared, differing.relation, kept, own, own, '%s'
        )
    END;
    what := pg_catalog.format('%s cannot become %s, for there are %s', differing.declared, differing.wanted, what);
    IF has_id THEN
        SELECT * INTO breaking FROM adoption_rows(differing.table_name, condition);
        IF breaking.row_count <= 100 AND breaking.shown ~ '^id [0-9, ]+$' THEN
            condition := pg_catalog.format('id IN (%s)', substr(breaking.shown, 4));
        END IF;
        PERFORM adoption_obstacle(differing.table_name, object, condition, what, replace(mend, '%s', condition));
    ELSE
        PERFORM adoption_note('in the way', object, breaking.row_count, pg_catalog.format(
            '%s. To see them: SELECT * FROM %s WHERE %s. To mend them: %s', what, differing.relation, condition, replace(mend, '%s', condition)
        ));
    END IF;
END;
$$;

-- Gives every column its type, or none: then the report says what is in the way of each.
-- What it does depends on no setting of the role or the database, and no row hides from it.
CREATE OR REPLACE FUNCTION adoption_convert_types() RETURNS VOID LANGUAGE plpgsql
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 SET row_security = off AS $$
DECLARE
    to_lock REGCLASS;
    plan JSONB;
    changed RECORD;
    part RECORD;
    foreign_keys JSONB;
    one JSONB;
    every_value_fits BOOLEAN;
    obstacles JSONB := '[]';
    message TEXT;
    message_detail TEXT;
BEGIN
    FOR to_lock IN SELECT DISTINCT relation FROM adoption_differing() ORDER BY relation LOOP
        EXECUTE pg_catalog.format('LOCK TABLE %s', to_lock);
    END LOOP;

    SELECT jsonb_agg(to_jsonb(choice) || pg_catalog.jsonb_build_object(
        'table_name', table_name, 'column_name', column_name, 'relation', relation, 'attnum', attnum
    ) ORDER BY relation, attnum) FILTER (WHERE action IS NOT NULL), bool_and(action IS NOT NULL)
    INTO plan, every_value_fits
    FROM adoption_differing() AS differing
    CROSS JOIN LATERAL adoption_choice(differing) AS choice;
    IF plan IS NULL THEN
        RETURN;
    END IF;

    -- Where both sides of a foreign key change, neither can be the first.
    SELECT COALESCE(jsonb_agg(pg_catalog.jsonb_build_object(
        'name', conname, 'table', conrelid::regclass,
        'definition', pg_get_constraintdef(pg_constraint.oid), 'comment', obj_description(pg_constraint.oid, 'pg_constraint')
    )), '[]') INTO foreign_keys
    FROM pg_constraint
    WHERE contype = 'f' AND conparentid = 0
        AND EXISTS (SELECT FROM adoption_differing() WHERE relation = conrelid AND attnum = ANY (conkey))
        AND EXISTS (SELECT FROM adoption_differing() WHERE relation = confrelid AND attnum = ANY (confkey));

    BEGIN
        FOR one IN SELECT jsonb_array_elements(foreign_keys) LOOP
            EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', one ->> 'table', one ->> 'name');
        END LOOP;

        -- All columns of a table at once write it once. Where that is refused, one by one tells which of them it is.
        FOR changed IN
            SELECT relation, string_agg(action, ', ' ORDER BY attnum) AS actions
            FROM jsonb_to_recordset(plan) AS choices (relation REGCLASS, attnum SMALLINT, action TEXT)
            GROUP BY relation
            ORDER BY relation
        LOOP
            BEGIN
                EXECUTE pg_catalog.format('ALTER TABLE %s %s', changed.relation, changed.actions);
            EXCEPTION
                WHEN OTHERS THEN
                    -- Only what will be so again: no timeout, no full disk.
                    IF left(SQLSTATE, 2) NOT IN ('0A', '22', '23', '2B', '42', '54') THEN
                        RAISE;
                    END IF;
                    FOR part IN
                        SELECT *
                        FROM jsonb_to_recordset(plan)
                            AS choices (table_name TEXT, column_name TEXT, relation REGCLASS, attnum SMALLINT, action TEXT, new_type TEXT)
                        WHERE relation = changed.relation
                        ORDER BY attnum
                    LOOP
                        BEGIN
                            EXECUTE pg_catalog.format('ALTER TABLE %s %s', part.relation, part.action);
                        EXCEPTION
                            WHEN OTHERS THEN
                                IF left(SQLSTATE, 2) NOT IN ('0A', '22', '23', '2B', '42', '54') THEN
                                    RAISE;
                                END IF;
                                GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, message_detail = PG_EXCEPTION_DETAIL;
                                obstacles := obstacles || adoption_refused(
                                    part.relation, part.attnum, pg_catalog.format('column %s.%s', part.table_name, part.column_name),
                                    part.new_type, message, message_detail,
                                    CASE
                                        WHEN SQLSTATE = '0A000' THEN 'use'
                                        WHEN SQLSTATE = '42804' AND message ~ 'foreign key' THEN 'comparison'
                                        ELSE 'operators'
                                    END
                                );
                        END;
                    END LOOP;
            END;
        END LOOP;

        IF obstacles <> '[]' OR NOT every_value_fits THEN
            RAISE SQLSTATE 'TT002';  -- nothing that was done so far stays
        END IF;

        -- A smaller sequence would end before its column does.
        FOR changed IN
            SELECT DISTINCT seqrelid::regclass AS sequence, new_type
            FROM jsonb_to_recordset(plan) AS choices (relation REGCLASS, attnum SMALLINT, new_type TEXT)
            JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = relation AND refobjsubid = attnum
                AND classid = 'pg_class'::regclass AND deptype = 'a'
            JOIN pg_sequence ON seqrelid = objid
            WHERE new_type = 'integer' AND seqtypid = 'smallint'::regtype OR new_type = 'bigint' AND seqtypid <> 'bigint'::regtype
        LOOP
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s AS %s', changed.sequence, changed.new_type);
        END LOOP;

        FOR one IN SELECT jsonb_array_elements(foreign_keys) LOOP
            BEGIN
                EXECUTE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', one ->> 'table', one ->> 'name', one ->> 'definition');
                IF one ->> 'comment' IS NOT NULL THEN
                    EXECUTE pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', one ->> 'name', one ->> 'table', one ->> 'comment');
                END IF;
            EXCEPTION
                WHEN datatype_mismatch OR undefined_function OR foreign_key_violation THEN
                    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, message_detail = PG_EXCEPTION_DETAIL;
                    obstacles := obstacles || pg_catalog.jsonb_build_object(
                        'object', pg_catalog.format('foreign key %s.%I', one ->> 'table', one ->> 'name'),
                        'detail', pg_catalog.format(
                            '%s: %s To mend it: ALTER TABLE %s DROP CONSTRAINT %I', message, message_detail, one ->> 'table', one ->> 'name'
                        )
                    );
            END;
        END LOOP;

        IF obstacles <> '[]' THEN
            RAISE SQLSTATE 'TT002';
        END IF;
    EXCEPTION
        WHEN SQLSTATE 'TT002' THEN
            PERFORM adoption_note('in the way', obstacle.object, NULL, obstacle.detail)
            FROM jsonb_to_recordset(obstacles) AS obstacle (object TEXT, detail TEXT);
            RETURN;
    END;

    PERFORM adoption_note('done', pg_catalog.format('column %s.%s', table_name, column_name), row_count, detail)
    FROM jsonb_to_recordset(plan) AS choices (table_name TEXT, column_name TEXT, row_count BIGINT, detail TEXT);
    PERFORM adoption_note(
        'done', pg_catalog.format('foreign key %s.%s', foreign_key ->> 'table', foreign_key ->> 'name'), NULL,
        pg_catalog.format('dropped and made anew, as both of its sides changed: %s', foreign_key ->> 'definition')
    )
    FROM jsonb_array_elements(foreign_keys) AS foreign_key;

    INSERT INTO startup_marks (name, value)
    SELECT 'adoption utc', string_agg(pg_catalog.format('%s.%s', table_name, column_name), ' ' ORDER BY attnum)
    FROM jsonb_to_recordset(plan) AS choices (table_name TEXT, column_name TEXT, attnum SMALLINT, is_utc BOOLEAN)
    WHERE is_utc AND table_name = 'time_entries' AND column_name IN ('start_time', 'end_time')
    HAVING count(*) > 0
    ON CONFLICT (name) DO UPDATE SET value = pg_catalog.concat(startup_marks.value, ' ', excluded.value);
END;
$$;

-- What PostgreSQL said of a column that it does not let change, and what to do.
CREATE OR REPLACE FUNCTION adoption_refused(
    relation REGCLASS, attnum SMALLINT, object TEXT, new_type TEXT, message TEXT, message_detail TEXT, reason TEXT
) RETURNS JSONB LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.jsonb_build_object('object', object, 'detail', pg_catalog.format(
        'cannot become %s: %s%s%s', new_type, message, 
        CASE WHEN message_detail <> '' THEN pg_catalog.format(' (%s)', replace(message_detail, E'\n', '; ')) END,
        CASE WHEN count(*) > 0 THEN pg_catalog.format(
            '. To mend it: %s -- then start again, and make anew what it was: %s',
            string_agg(take_away, '; ' ORDER BY position), string_agg(make_anew, '; ' ORDER BY position DESC)
        ) END
    ))
    FROM adoption_dependents(relation, attnum) WITH ORDINALITY AS dependents (take_away, make_anew, why, position)
    WHERE why = reason;
$$;
