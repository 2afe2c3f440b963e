-- Some names to choose from, administrators first.
SELECT username
FROM users
WHERE is_active
ORDER BY role = 'admin' DESC, id
LIMIT 11;
