-- One room as one user sees it, with the count of messages unread above sequence $3.
SELECT
    r.room_id::text AS room_id,
    r.name,
    r.title,
    r.severity,
    r.status,
    r.created_by,
    r.created_at,
    r.created_sequence,
    me.role,
    (
        SELECT count(*)
        FROM messages AS m
        WHERE
            m.room_id = r.room_id
            AND m.sequence_number > $3
            AND m.sender_id <> $1
            AND m.deleted_at IS NULL
            AND m.message_type <> 'system'
    ) AS unread
FROM incident_rooms AS r
LEFT JOIN room_members AS me ON me.room_id = r.room_id AND me.user_id = $1
WHERE r.room_id = $2;
