-- Matches among a room's messages between two sequences, newest first. What is in braces is put
-- in for each query.
SELECT m.message_id::text AS message_id, m.sequence_number, {rank} AS rank
FROM messages AS m
WHERE
    m.room_id = $1
    AND m.sequence_number < $2
    AND m.sequence_number > $3
    AND m.deleted_at IS NULL
    AND ($4::timestamptz IS NULL OR m.created_at < $4)
    AND ($5::text IS NULL OR m.message_type = $5::public.message_type)
    AND ($6::text IS NULL OR m.sender_id = $6)
    AND ({matches})
ORDER BY m.sequence_number DESC
LIMIT $7;
