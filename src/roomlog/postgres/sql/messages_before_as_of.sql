-- A page of a room's messages as they stood right after sequence $8, newest first, with their
-- reactions of then. (Reactions of all messages at once: however a plan reads them, it is once.)
WITH page AS MATERIALIZED (
    SELECT m.*
    FROM messages AS m
    WHERE
        m.room_id = $1
        AND m.sequence_number < $2
        AND m.sequence_number > $3
        AND m.sequence_number <= $8
        AND ($4::timestamptz IS NULL OR m.created_at < $4)
        AND ($5::text IS NULL OR m.message_type = $5::public.message_type)
        AND ($6::text IS NULL OR m.sender_id = $6)
    ORDER BY m.sequence_number DESC
    LIMIT $7
),

-- part: reactions_as_of

SELECT
-- part: message_columns_as_of
    r.reactions
FROM page AS m
LEFT JOIN LATERAL (
    SELECT edit_id, original_content, original_metadata, original_version, original_edited_at
    FROM message_edit_history
    WHERE message_id = m.message_id AND sequence > $8
    ORDER BY sequence
    LIMIT 1
) AS h ON true
LEFT JOIN reacted AS r ON r.message_id = m.message_id
ORDER BY m.sequence_number DESC;
