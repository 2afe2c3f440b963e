-- What somebody may do by hand to what is there, one statement a row.
WITH ours AS (
    SELECT oid, oid::regclass AS name, relname
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
        AND relkind = 'r'
        AND relname NOT LIKE '%yoyo%'
),
index AS (
    SELECT indexrelid, indexrelid::regclass AS name
    FROM pg_index
    JOIN ours ON indrelid = ours.oid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
),
key AS (
    SELECT conname, conrelid::regclass AS name, contype, convalidated, pg_get_constraintdef(pg_constraint.oid) AS definition
    FROM pg_constraint
    JOIN ours ON conrelid = ours.oid
    WHERE contype IN ('f', 'u', 'c')
),
trigger AS (
    SELECT tgname, tgrelid::regclass AS name
    FROM pg_trigger
    JOIN ours ON tgrelid = ours.oid
    WHERE NOT tgisinternal
),
attribute AS (
    SELECT attname, name, attnotnull, atthasdef
    FROM pg_attribute
    JOIN ours ON attrelid = ours.oid
    WHERE attnum > 0
        AND NOT attisdropped
        -- A primary key keeps its NOT NULL.
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY (indkey))
)

SELECT format('DROP INDEX %s', name) AS statement FROM index
UNION ALL
SELECT format('UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s', indexrelid) FROM index
UNION ALL
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', name, conname) FROM key
UNION ALL
SELECT format('ALTER TABLE %1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I %3$s NOT VALID', name, conname, definition)
FROM key
WHERE contype <> 'u'
    AND convalidated
UNION ALL
SELECT format('DROP TRIGGER %I ON %s', tgname, name) FROM trigger
UNION ALL
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', name, tgname) FROM trigger
UNION ALL
SELECT format('ALTER TABLE %s ALTER %I DROP NOT NULL', name, attname) FROM attribute WHERE attnotnull
UNION ALL
SELECT format('ALTER TABLE %s ALTER %I DROP DEFAULT', name, attname) FROM attribute WHERE atthasdef
UNION ALL
SELECT format('ALTER TABLE %s DROP COLUMN %I', name, attname) FROM attribute WHERE attname IN ('tags', 'email', 'notes')
UNION ALL
SELECT format('DROP TABLE %s CASCADE', name)
FROM ours
WHERE relname IN ('analytics', 'invoice_items', 'startup_marks', 'migration_hashes')
ORDER BY statement
