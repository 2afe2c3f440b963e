-- What the session of a migration needs: names resolve to the schema in use,
-- nothing that the role sets for its other sessions ends a long step, and the
-- server notices within a second when the runner is gone.
SELECT
    set_config('search_path', quote_ident(%(schema)s), false),
    set_config('lock_timeout', '0', false),
    set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false),
    set_config('client_connection_check_interval', '1000', false)
