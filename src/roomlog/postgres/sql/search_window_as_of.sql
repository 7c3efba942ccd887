-- Matches among a room's messages between two sequences as they stood right after a moment, gone
-- through in order. What is in braces is put in for each query.
SELECT m.message_id::text AS message_id, m.sequence_number, {rank} AS rank
FROM (
    SELECT
        s.message_id,
        s.sequence_number,
        s.sender_id,
        s.message_type,
        CASE WHEN h.edit_id IS NULL THEN s.content ELSE h.original_content END AS content,
        CASE WHEN h.edit_id IS NULL THEN s.search ELSE h.search END AS search,
        s.created_at,
        CASE WHEN h.edit_id IS NULL THEN s.deleted_at END AS deleted_at
    FROM messages AS s
    LEFT JOIN message_edit_history AS h
        ON
            h.message_id = s.message_id
            AND s.version > {as_of}
            AND h.sequence > {as_of}
            AND h.original_version <= {as_of}
    WHERE s.room_id = $1 AND s.sequence_number < $2 AND s.sequence_number > $3
    ORDER BY s.sequence_number DESC
    OFFSET 0
) AS m
WHERE
-- part: search_filters
ORDER BY m.sequence_number DESC
LIMIT $7;
