-- What a new installation starts with. The administrator and the project come
-- once (the mark says so), and only where nobody was at work before, so that
-- nothing comes back that an operator renamed or deleted, be it before an
-- adoption.
-- The settings row and the secret key come whenever there is none. No sequence
-- value is burned.
INSERT INTO projects (name, client, description)
SELECT 'General', 'Default Client', 'Default project for general tasks'
WHERE NOT EXISTS (SELECT FROM startup_marks WHERE name = 'defaults')
    AND NOT EXISTS (SELECT FROM users)
    AND NOT EXISTS (SELECT FROM projects)
ON CONFLICT DO NOTHING;

-- No ON CONFLICT, which a deferrable key forbids: there is no row to conflict with.
INSERT INTO users (username, role)
SELECT %(admin_username)s, 'admin'
WHERE NOT EXISTS (SELECT FROM startup_marks WHERE name = 'defaults')
    AND NOT EXISTS (SELECT FROM users);

-- The columns' own defaults first, then what the environment says.
INSERT INTO settings (id)
SELECT nextval(pg_get_serial_sequence('settings', 'id'))
WHERE NOT EXISTS (SELECT FROM settings)
ON CONFLICT DO NOTHING;

UPDATE settings
SET timezone = COALESCE(%(timezone)s, timezone),
    currency = COALESCE(%(currency)s, currency),
    rounding_minutes = COALESCE(%(rounding_minutes)s, rounding_minutes),
    single_active_timer = COALESCE(%(single_active_timer)s, single_active_timer),
    allow_self_register = COALESCE(%(allow_self_register)s, allow_self_register),
    idle_timeout_minutes = COALESCE(%(idle_timeout_minutes)s, idle_timeout_minutes)
WHERE xmin = pg_current_xact_id()::xid;

INSERT INTO app_secrets (name, value)
VALUES ('secret_key', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
ON CONFLICT DO NOTHING;

INSERT INTO startup_marks (name, value)
VALUES ('defaults', 'inserted')
ON CONFLICT DO NOTHING;

-- What this transaction inserted.
SELECT 'user ' || username FROM users WHERE xmin = pg_current_xact_id()::xid
UNION ALL
SELECT 'project ' || name FROM projects WHERE xmin = pg_current_xact_id()::xid
UNION ALL
SELECT 'settings' FROM settings WHERE xmin = pg_current_xact_id()::xid
UNION ALL
SELECT 'secret key' FROM app_secrets WHERE xmin = pg_current_xact_id()::xid;
