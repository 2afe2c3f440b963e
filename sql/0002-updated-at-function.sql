-- Keeps updated_at true without any code in the application; the triggers come last.
-- A back-fill is no change that a user made, so the migrations switch it off in their own transaction:
-- SET LOCAL timetracker.keep_updated_at = 'on'.
SET LOCAL lock_timeout = '5s';

CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('timetracker.keep_updated_at', true) IS DISTINCT FROM 'on' THEN
        NEW.updated_at := timezone('utc', now());
    END IF;
    RETURN NEW;
END;
$$;
