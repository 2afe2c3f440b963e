-- The password of the first administrator, as long as no active administrator has one: of the one who is called so,
-- else of the one that came first. Two starts at once wait for each other.
SET LOCAL lock_timeout = '5s';

SELECT FROM users WHERE role = 'admin' ORDER BY id FOR NO KEY UPDATE;

INSERT INTO sign_in_credentials (user_id, password_hash, changed_at)
SELECT id, %(hash)s, %(now)s
FROM users
WHERE role = 'admin'
    AND is_active
    AND NOT EXISTS (
        SELECT
        FROM sign_in_credentials
        JOIN users AS others ON others.id = sign_in_credentials.user_id
        WHERE others.role = 'admin' AND others.is_active
    )
ORDER BY username = %(name)s DESC, id
LIMIT 1
RETURNING (SELECT username FROM users WHERE users.id = sign_in_credentials.user_id);
