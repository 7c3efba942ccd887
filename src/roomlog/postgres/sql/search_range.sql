-- Matches among a room's messages between two sequences, newest first. What is in braces is put
-- in for each query.
SELECT m.message_id::text AS message_id, m.sequence_number, {rank} AS rank
FROM messages AS m
WHERE
    m.room_id = $1
    AND m.sequence_number < $2
    AND m.sequence_number > $3
    AND
-- part: search_filters
ORDER BY m.sequence_number DESC
LIMIT $7;
