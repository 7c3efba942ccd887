-- A room's members in order of user id, those above $2.
SELECT user_id, name, role, since
FROM room_members
WHERE room_id = $1 AND user_id > $2
ORDER BY user_id
LIMIT $3;
