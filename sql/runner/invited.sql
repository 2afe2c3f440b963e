-- Who is meant by a name that was typed: the user called just so, else those called so but for case and blanks.
SELECT id, username, is_active
FROM users
WHERE username = %(name)s OR lower(btrim(username)) = lower(btrim(%(name)s))
ORDER BY username = %(name)s DESC, id
LIMIT 2;
