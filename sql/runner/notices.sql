-- One message of each kind beside warnings, so that the runner knows the server's words for
-- them, whatever its language: the two kinds, and what IF [NOT] EXISTS says when it passes over.
DO $$
BEGIN
    PERFORM set_config('client_min_messages', 'notice', false);
    RAISE INFO 'example';
    RAISE NOTICE 'example';
    BEGIN
        DROP TABLE IF EXISTS pg_temp.timetracker_example;
    EXCEPTION WHEN OTHERS THEN
        NULL; -- an event trigger forbids it; then all that is passed over is shown
    END;
END;
$$
