-- A user's rooms (all rooms where $2), in order of creation, with the count of unread messages.
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
            AND m.sequence_number > coalesce(marker.sequence, 0)
            AND m.sender_id <> $1
            AND m.deleted_at IS NULL
            AND m.message_type <> 'system'
    ) AS unread
FROM incident_rooms AS r
LEFT JOIN room_members AS me ON me.room_id = r.room_id AND me.user_id = $1
LEFT JOIN unnest($3::uuid[], $4::bigint[]) AS marker (room_id, sequence)
    ON marker.room_id = r.room_id
WHERE ($2 OR me.user_id IS NOT NULL) AND (r.created_sequence, r.room_id) > ($5::bigint, $6::uuid)
ORDER BY r.created_sequence, r.room_id
LIMIT $7;
