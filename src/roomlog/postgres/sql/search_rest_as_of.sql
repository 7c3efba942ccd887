-- The same, found by the indexes of words and trigrams: among messages that nothing has changed
-- since the moment, and among what others said then, until they were changed.
WITH found AS MATERIALIZED (
    SELECT m.message_id, m.sequence_number, m.search
    FROM messages AS m
    WHERE
        m.room_id = $1
        AND m.sequence_number < $2
        AND m.sequence_number > $3
        AND m.version <= {as_of}
        AND
-- part: search_filters
    UNION ALL
    SELECT s.message_id, s.sequence_number, m.search
    FROM (
        SELECT message_id, room_id, sequence, original_version, original_content AS content, search
        FROM message_edit_history
    ) AS m
    INNER JOIN messages AS s ON s.message_id = m.message_id
    WHERE
        m.room_id = $1
        AND m.sequence > {as_of}
        AND m.original_version <= {as_of}
        AND s.sequence_number < $2
        AND s.sequence_number > $3
        AND ($4::timestamptz IS NULL OR s.created_at < $4)
        AND ($5::text IS NULL OR s.message_type = $5::public.message_type)
        AND ($6::text IS NULL OR s.sender_id = $6)
        AND ({matches})
)
-- part: search_newest_found
