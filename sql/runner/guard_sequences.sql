-- Before the defaults go into tables that were there already: nextval() outlives a rollback, but not in a sequence that
-- the same transaction has written anew, as any ALTER SEQUENCE of its numbers does. It keeps its value.
DO $$
DECLARE
    guarded RECORD;
    is_empty BOOLEAN;
BEGIN
    FOR guarded IN
        SELECT pg_class.oid::regclass AS relation, seqrelid::regclass AS sequence, seqincrement
        FROM pg_class
        JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = pg_class.oid
        JOIN pg_sequence ON seqrelid = objid
        WHERE relnamespace = current_schema()::regnamespace
            AND relname IN ('users', 'projects', 'settings')
            AND relkind IN ('r', 'p')
            AND classid = 'pg_class'::regclass
            AND deptype IN ('a', 'i')
    LOOP
        EXECUTE pg_catalog.format('SELECT NOT EXISTS (SELECT FROM %s)', guarded.relation) INTO is_empty;
        IF is_empty THEN
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s INCREMENT %s', guarded.sequence, guarded.seqincrement);
        END IF;
    END LOOP;
END;
$$;
