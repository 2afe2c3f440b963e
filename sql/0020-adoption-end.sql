-- depends: 0019-updated-at-triggers
-- The end of an adoption: what is left to decide is reported, and the functions of 0003-adoption-functions go.
SET LOCAL lock_timeout = '1s';

UPDATE startup_marks SET value = 'done' WHERE name = 'adoption' AND value = 'begun';

DROP FUNCTION
    adoption_convert_types(),
    adoption_refused(REGCLASS, SMALLINT, TEXT, TEXT, TEXT, TEXT, TEXT),
    adoption_unfit(RECORD, TEXT, TEXT[], BOOLEAN),
    adoption_choice(RECORD),
    adoption_shortcut(TEXT, TEXT, TEXT, TEXT, BOOLEAN),
    adoption_dependents(REGCLASS, SMALLINT),
    adoption_candidates(TEXT, TEXT, TEXT, TEXT, BOOLEAN),
    adoption_differing(),
    adoption_fill(TEXT, TEXT, TEXT, TEXT, TEXT),
    adoption_obstacle(TEXT, TEXT, TEXT, TEXT, TEXT),
    adoption_rows(TEXT, TEXT),
    adoption_note(TEXT, TEXT, BIGINT, TEXT),
    adoption_has(TEXT, TEXT),
    adoption_table(TEXT),
    adoption_is_due(),
    adoption_target();
