-- One more invitation of a user, which voids those before. Two at once wait for each other: one link remains.
SET LOCAL lock_timeout = '5s';

SELECT FROM users WHERE id = %(user)s FOR NO KEY UPDATE;

DELETE FROM sign_in_invitations WHERE user_id = %(user)s;

INSERT INTO sign_in_invitations (token_sha256, user_id, created_at, expires_at)
VALUES (%(hash)s, %(user)s, %(now)s, %(until)s);
