-- One room as one user sees it, with the count of messages unread above sequence $3, as in `rooms`.
-- Where $4 is given, as it was right after that sequence (what was deleted later was still there):
-- then they are counted one by one.
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
    CASE
        WHEN $4::bigint IS NULL THEN (
            SELECT coalesce(sum(CASE c.sender_id WHEN '' THEN c.messages ELSE -c.messages END), 0)
            FROM message_counts AS c
            WHERE
                c.room_id = r.room_id
                AND c.sender_id IN ('', $1)
                AND c.block > $3::bigint / 8192
        )::bigint + (
            SELECT count(*)
            FROM messages AS m
            WHERE
                m.room_id = r.room_id
                AND m.sequence_number > $3
                AND m.sequence_number < ($3::bigint / 8192 + 1) * 8192
                AND m.sender_id <> $1
                AND m.deleted_at IS NULL
                AND m.message_type <> 'system'
        )
        ELSE (
            SELECT count(*)
            FROM messages AS m
            WHERE
                m.room_id = r.room_id
                AND m.sequence_number > $3
                AND m.sender_id <> $1
                AND m.sequence_number <= $4
                AND (m.deleted_at IS NULL OR m.version > $4)
                AND m.message_type <> 'system'
        )
    END AS unread
FROM incident_rooms AS r
LEFT JOIN room_members AS me ON me.room_id = r.room_id AND me.user_id = $1
WHERE r.room_id = $2;
