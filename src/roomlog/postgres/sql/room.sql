-- One room as one user sees it, with the count of messages unread above sequence $3 (and, where
-- $4 is given, as it was right after that sequence: what was deleted later was still there).
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
            AND m.sequence_number <= coalesce($4, 9223372036854775807)
            AND (m.deleted_at IS NULL OR m.version > $4)
            AND m.message_type <> 'system'
    ) AS unread
FROM incident_rooms AS r
LEFT JOIN room_members AS me ON me.room_id = r.room_id AND me.user_id = $1
WHERE r.room_id = $2;
