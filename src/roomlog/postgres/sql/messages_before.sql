-- A page of a room's messages with their reactions, newest first, between two sequences.
SELECT
-- part: message_columns
    r.reactions
FROM (
    SELECT m.*
    FROM messages AS m
    WHERE
        m.room_id = $1
        AND m.sequence_number < $2
        AND m.sequence_number > $3
        AND ($4::timestamptz IS NULL OR m.created_at < $4)
        AND ($5::text IS NULL OR m.message_type = $5::public.message_type)
        AND ($6::text IS NULL OR m.sender_id = $6)
    ORDER BY m.sequence_number DESC
    LIMIT $7
) AS m
-- part: reactions
ORDER BY m.sequence_number DESC;
