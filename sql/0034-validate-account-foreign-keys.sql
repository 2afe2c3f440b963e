-- depends: 0033-account-keys-and-indexes
-- validates: constraints
-- Looks at the rows of those keys that are NOT VALID, which is no work on tables that were just made.
SET LOCAL lock_timeout = '1s';

DO $$
BEGIN
    PERFORM validate_constraint(conrelid, conname)
    FROM pg_constraint
    WHERE contype = 'f'
        AND conrelid = ANY (
            '{sign_in_credentials, sign_in_invitations, sign_in_sessions, display_preferences, submitted_forms}'::regclass[]
        )
        AND confrelid = 'users'::regclass;
END;
$$;
