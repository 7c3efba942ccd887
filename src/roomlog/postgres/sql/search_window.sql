-- The same, gone through in order and only as far as needed: for a window of few messages, where
-- asking the indexes of words takes longer. (OFFSET 0 keeps the planner from it.)
SELECT m.message_id::text AS message_id, m.sequence_number, {rank} AS rank
FROM (
    SELECT
        message_id,
        sequence_number,
        version,
        sender_id,
        message_type,
        content,
        search,
        created_at,
        deleted_at
    FROM messages
    WHERE room_id = $1 AND sequence_number < $2 AND sequence_number > $3
    ORDER BY sequence_number DESC
    OFFSET 0
) AS m
WHERE
-- part: search_filters
ORDER BY m.sequence_number DESC
LIMIT $7;
