-- depends: 0001-bookkeeping
-- Functions that the later files use: for updated_at, for what a rollback takes away, for constraints and indexes of
-- large tables.
SET LOCAL lock_timeout = '1s';

-- Keeps updated_at true without any code in the application; the triggers come last.
-- A back-fill is no change that a user made, so the migrations switch it off in their own transaction:
-- SET LOCAL timetracker.keep_updated_at = 'on'.
CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('timetracker.keep_updated_at', true) IS DISTINCT FROM 'on' THEN
        NEW.updated_at := timezone('utc', now());
    END IF;
    RETURN NEW;
END;
$$;

-- Looks at the rows of a foreign key or a check that is NOT VALID, if it is there. One that rows break stays as it is:
-- it holds for new rows, and a warning tells the others.
CREATE OR REPLACE FUNCTION validate_constraint(relation REGCLASS, constraint_name NAME) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    unproven RECORD;
    breaking TEXT;
    row_count BIGINT;
    first_ids TEXT;
BEGIN
    SELECT pg_get_expr(conbin, conrelid) AS condition, quote_ident(attname) AS column_name, confrelid::regclass AS target
    INTO unproven
    FROM pg_constraint
    LEFT JOIN pg_attribute ON attrelid = conrelid AND ARRAY[attnum] = conkey
    WHERE conrelid = relation AND conname = constraint_name AND pg_get_constraintdef(pg_constraint.oid) LIKE '% NOT VALID';
    IF FOUND THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', relation, constraint_name);
    END IF;
EXCEPTION
    WHEN foreign_key_violation OR check_violation THEN
        breaking := CASE
            WHEN unproven.condition IS NOT NULL THEN pg_catalog.format('FROM %s WHERE NOT (%s)', relation, unproven.condition)
            ELSE pg_catalog.format(
                'FROM %1$s WHERE %1$s.%2$s IS NOT NULL AND NOT EXISTS (SELECT FROM %3$s WHERE %3$s.id = %1$s.%2$s)',
                relation, unproven.column_name, unproven.target
            )
        END;
        EXECUTE pg_catalog.format('SELECT count(*), array_to_string((array_agg(id ORDER BY id))[:5], '', '') %s', breaking)
        INTO row_count, first_ids;
        RAISE WARNING '% stays NOT VALID: % rows of % break it, the first with id %; all of them: SELECT * %',
            quote_ident(constraint_name), row_count, relation, first_ids, breaking;
END;
$$;

-- Finds a table in the archive, which is the schema public_archive for public: what a rollback takes away is kept there
-- until the migration is applied again. A schema of that name without the comment is somebody else's.
CREATE OR REPLACE FUNCTION in_archive(table_name TEXT) RETURNS OID LANGUAGE sql STABLE AS $$
    SELECT pg_class.oid
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = pg_catalog.concat(current_schema(), '_archive')
        AND relname = table_name
        AND obj_description(pg_namespace.oid, 'pg_namespace') = 'What rollbacks of TimeTracker took away';
$$;

-- Makes sure that there is an archive for a table, and that it belongs to the table's owner and nobody else; gives its name.
CREATE OR REPLACE FUNCTION archive_for(relation REGCLASS) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    archive TEXT := pg_catalog.concat(current_schema(), '_archive');
    archive_owner NAME := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = archive);
    table_owner NAME := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = relation);
BEGIN
    IF NOT pg_has_role(table_owner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE = pg_catalog.format(
            '%s belongs to %s, and only that role can roll it back: use its login', relation, table_owner
        );
    ELSIF octet_length(archive) > 63 THEN
        RAISE EXCEPTION 'A rollback keeps the rows in a schema %, which is too long for a name: ALTER SCHEMA % RENAME TO a shorter one',
            archive, quote_ident(current_schema());
    ELSIF archive_owner IS NULL AND NOT has_database_privilege(current_database(), 'CREATE') THEN
        RAISE insufficient_privilege USING MESSAGE = pg_catalog.format(
            'A rollback keeps the rows in the schema %s, which %s may not create: GRANT CREATE ON DATABASE %I TO %I',
            archive, current_user, current_database(), current_user
        );
    ELSIF archive_owner <> table_owner THEN
        RAISE EXCEPTION 'A rollback keeps the rows in the schema %, but that belongs to %, not to %: ALTER SCHEMA % OWNER TO %',
            archive, archive_owner, table_owner, quote_ident(archive), quote_ident(table_owner);
    ELSIF EXISTS (
        SELECT
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = archive AND in_archive(relname) IS NULL
    ) THEN
        RAISE EXCEPTION 'A rollback keeps the rows in a schema %, but in that are tables of somebody else: ALTER SCHEMA % RENAME TO another name',
            archive, quote_ident(archive);
    ELSIF archive_owner IS NULL THEN
        EXECUTE pg_catalog.format('CREATE SCHEMA %I AUTHORIZATION %I', archive, table_owner);
    END IF;
    EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', archive);
    EXECUTE pg_catalog.format('COMMENT ON SCHEMA %I IS %L', archive, 'What rollbacks of TimeTracker took away');
    RETURN archive;
END;
$$;

-- Moves a table into the archive, with its rows, indexes, keys, triggers, grants and sequences; says what it did.
CREATE OR REPLACE FUNCTION archive_table(table_name TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    relation REGCLASS := to_regclass(pg_catalog.format('%I.%I', current_schema(), table_name));
    archive TEXT;
    row_count BIGINT;
BEGIN
    IF relation IS NULL THEN
        RETURN pg_catalog.format('%s is not there: nothing to archive', table_name);
    END IF;
    archive := archive_for(relation);
    IF in_archive(table_name) IS NOT NULL THEN
        RAISE EXCEPTION 'There is a % in % already, which is not overwritten: rename it, or drop it if nobody needs it',
            table_name, archive;
    END IF;
    EXECUTE pg_catalog.format('ALTER TABLE %s SET SCHEMA %I', relation, archive);
    EXECUTE pg_catalog.format('SELECT count(*) FROM %I.%I', archive, table_name) INTO row_count;
    RETURN pg_catalog.format('moved %s to %s, %s rows', table_name, archive, row_count);
END;
$$;

-- Brings a table back from the archive if it is there.
CREATE OR REPLACE FUNCTION unarchive_table(table_name TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    archive TEXT := pg_catalog.concat(current_schema(), '_archive');
    table_owner NAME := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = in_archive(table_name));
    row_count BIGINT;
BEGIN
    IF table_owner IS NULL THEN
        RETURN;
    ELSIF to_regclass(pg_catalog.format('%I.%I', current_schema(), table_name)) IS NOT NULL THEN
        RAISE EXCEPTION '% is in the schema % and, from a rollback, in %: see which holds the right rows, and rename or drop the other',
            table_name, current_schema(), archive;
    ELSIF NOT pg_has_role(table_owner, 'USAGE') THEN
        RAISE EXCEPTION '% is in %, where a rollback moved it, and belongs to %: apply as that role', table_name, archive, table_owner;
    END IF;
    EXECUTE pg_catalog.format('ALTER TABLE %I.%I SET SCHEMA %I', archive, table_name, current_schema());
    EXECUTE pg_catalog.format('SELECT count(*) FROM %I.%I', current_schema(), table_name) INTO row_count;
    RAISE NOTICE 'brought back % from %, % rows', table_name, archive, row_count;
END;
$$;

-- Moves a column into a table of the archive, users.phone into "users.phone": each value with the primary key of its
-- row, the column's type, default and NOT NULL, and as a comment the SQL of the keys, checks and indexes that go with it.
CREATE OR REPLACE FUNCTION archive_column(table_name TEXT, column_name TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    relation REGCLASS := to_regclass(pg_catalog.format('%I.%I', current_schema(), table_name));
    kept_as TEXT := pg_catalog.concat(table_name, '.', column_name);
    archive TEXT;
    kept TEXT;
    attribute RECORD;
    key_columns TEXT;
    goes_with_it TEXT;
    row_count BIGINT;
BEGIN
    SELECT attnum, attnotnull, pg_catalog.concat(attidentity, attgenerated) AS computed, pg_get_expr(adbin, adrelid) AS value INTO attribute
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = relation AND attname = column_name AND NOT attisdropped;
    IF NOT FOUND THEN
        RETURN pg_catalog.format('%s is not there: nothing to archive', kept_as);
    END IF;
    SELECT string_agg(quote_ident(attname), ', ') INTO key_columns
    FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indrelid = relation AND indisprimary
    HAVING bool_and(attname <> column_name);
    IF key_columns IS NULL OR attribute.computed <> '' OR pg_get_serial_sequence(relation::text, column_name) IS NOT NULL THEN
        RAISE EXCEPTION 'The column % cannot be archived: expected a table with a primary key, and a plain column that is no part of it', kept_as;
    ELSIF row_security_active(relation) THEN
        RAISE EXCEPTION 'The column % cannot be archived: row security hides rows of % from %', kept_as, relation, current_user;
    END IF;
    archive := archive_for(relation);
    kept := pg_catalog.format('%I.%I', archive, kept_as);
    IF octet_length(kept_as) > 63 OR in_archive(kept_as) IS NOT NULL THEN
        RAISE EXCEPTION 'The column cannot be archived as %: that is there already and is not overwritten, or too long for a name', kept;
    END IF;
    EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', relation);
    SELECT string_agg(statement, '; ') INTO goes_with_it
    FROM (
        SELECT pg_catalog.format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s%s', relation, conname,
            regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', ''), CASE WHEN contype IN ('c', 'f') THEN ' NOT VALID' END
        ) AS statement
        FROM pg_constraint
        WHERE conrelid = relation AND attribute.attnum = ANY (conkey) AND contype IN ('c', 'f', 'u')
        UNION ALL
        SELECT pg_get_indexdef(indexrelid)
        FROM pg_index
        WHERE indrelid = relation AND attribute.attnum = ANY (indkey)
            AND indexrelid NOT IN (SELECT conindid FROM pg_constraint WHERE conrelid = relation)
    ) AS definitions;
    EXECUTE pg_catalog.format('CREATE TABLE %s AS SELECT %s, %I FROM %s', kept, key_columns, column_name, relation);
    GET DIAGNOSTICS row_count = ROW_COUNT;
    EXECUTE pg_catalog.format('ALTER TABLE %s ADD PRIMARY KEY (%s)', kept, key_columns);
    IF attribute.value IS NOT NULL THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER %I SET DEFAULT %s', kept, column_name, attribute.value);
    END IF;
    IF attribute.attnotnull THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER %I SET NOT NULL', kept, column_name);
    END IF;
    EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS %L', kept, goes_with_it);
    EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO %I', kept, (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = relation));
    EXECUTE pg_catalog.format('ALTER TABLE %s DROP COLUMN %I', relation, column_name);
    RETURN pg_catalog.format('moved %s to %s, %s rows', kept_as, archive, row_count);
END;
$$;

-- Brings a column back from the archive if it is there; to be called before the file's own ADD COLUMN, which then finds it.
-- Rows that came after the rollback get the default.
CREATE OR REPLACE FUNCTION unarchive_column(table_name TEXT, column_name TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    archive TEXT := pg_catalog.concat(current_schema(), '_archive');
    relation TEXT := pg_catalog.format('%I.%I', current_schema(), table_name);
    kept_as TEXT := pg_catalog.concat(table_name, '.', column_name);
    kept TEXT := pg_catalog.format('%I.%I', archive, kept_as);
    attribute RECORD;
    same_row TEXT;
    row_count BIGINT;
    nobody_lacks_it BOOLEAN;
BEGIN
    SELECT attrelid, attnotnull, pg_get_userbyid(relowner) AS table_owner,
        pg_catalog.concat_ws(' ', format_type(atttypid, atttypmod), 'COLLATE ' || collation_name, 'DEFAULT ' || pg_get_expr(adbin, adrelid)) AS definition
    INTO attribute
    FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    CROSS JOIN LATERAL (SELECT NULLIF(attcollation, 0)::regcollation::text AS collation_name) AS named
    WHERE pg_class.oid = in_archive(kept_as) AND attname = column_name;
    IF NOT FOUND THEN
        RETURN;
    ELSIF EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation::regclass AND attname = column_name AND NOT attisdropped) THEN
        RAISE EXCEPTION '% has a column % and, from a rollback, there is %: see which holds the right values, and rename or drop the other',
            table_name, column_name, kept;
    ELSIF NOT pg_has_role(attribute.table_owner, 'USAGE') THEN
        RAISE EXCEPTION '% is where a rollback moved the column, and belongs to %: apply as that role', kept, attribute.table_owner;
    END IF;
    SELECT string_agg(pg_catalog.format('%I.%I = kept.%I', table_name, attname, attname), ' AND ') INTO same_row
    FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indrelid = attribute.attrelid AND indisprimary;
    PERFORM set_config('timetracker.keep_updated_at', 'on', true);
    EXECUTE pg_catalog.format('ALTER TABLE %s ADD COLUMN %I %s', relation, column_name, attribute.definition);
    EXECUTE pg_catalog.format('UPDATE %s SET %I = kept.%I FROM %s AS kept WHERE %s', relation, column_name, column_name, kept, same_row);
    GET DIAGNOSTICS row_count = ROW_COUNT;
    EXECUTE pg_catalog.format('SELECT NOT EXISTS (SELECT FROM %s WHERE %I IS NULL)', relation, column_name) INTO nobody_lacks_it;
    IF attribute.attnotnull AND nobody_lacks_it THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER %I SET NOT NULL', relation, column_name);
    END IF;
    EXECUTE COALESCE(obj_description(attribute.attrelid, 'pg_class'), 'SELECT');
    PERFORM validate_constraint(conrelid, conname)
    FROM pg_constraint
    JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
    WHERE conrelid = relation::regclass AND attname = column_name;
    EXECUTE pg_catalog.format('DROP TABLE %s', kept);
    RAISE NOTICE 'brought back % from %, % rows', kept_as, archive, row_count;
END;
$$;

-- Drops an index that a failed CREATE INDEX CONCURRENTLY left invalid, which IF NOT EXISTS would take for a good one.
-- A timeout would end the build that comes next half-way and leave another one.
CREATE OR REPLACE FUNCTION drop_invalid_index(index_name TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = current_schema() AND relname = index_name AND NOT indisvalid
    ) THEN
        PERFORM set_config('lock_timeout', '1s', true);
        EXECUTE pg_catalog.format('DROP INDEX %I.%I', current_schema(), index_name);
    END IF;
    PERFORM set_config('lock_timeout', '0', false);
END;
$$;
