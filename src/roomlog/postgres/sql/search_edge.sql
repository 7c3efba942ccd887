-- The sequence of a room's message after the newest $4 between two sequences, where there is one.
SELECT sequence_number
FROM messages
WHERE room_id = $1 AND sequence_number < $2 AND sequence_number > $3
ORDER BY sequence_number DESC
LIMIT 1 OFFSET $4;
