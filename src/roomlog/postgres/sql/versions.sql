-- What a message said, oldest first: the versions above sequence $2.
SELECT version, content, edited_by, edited_at, reason
FROM (
    SELECT
        v.version,
        coalesce(
            lead(v.replaced) OVER (ORDER BY v.version),
            m.content
        ) AS content,
        v.edited_by,
        v.edited_at,
        v.reason
    FROM messages AS m
    CROSS JOIN LATERAL (
        SELECT
            m.sequence_number AS version,
            NULL::text AS replaced,
            m.sender_id AS edited_by,
            m.created_at AS edited_at,
            NULL::text AS reason
        UNION ALL
        SELECT sequence, original_content, edited_by, edited_at, reason
        FROM message_edit_history
        WHERE message_id = m.message_id
    ) AS v
    WHERE m.message_id = $1
) AS versions
WHERE version > $2
ORDER BY version
LIMIT $3;
