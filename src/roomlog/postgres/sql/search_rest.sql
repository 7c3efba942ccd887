-- The same, found by the indexes of words and trigrams: for terms that are rare.
WITH found AS MATERIALIZED (
    SELECT m.message_id, m.sequence_number, m.version, m.search
    FROM messages AS m
    WHERE
        m.room_id = $1
        AND m.sequence_number < $2
        AND m.sequence_number > $3
        AND
-- part: search_filters
)
-- part: search_newest_found
