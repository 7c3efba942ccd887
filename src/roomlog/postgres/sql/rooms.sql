-- A user's rooms (all rooms where $2), in order of creation, with the count of unread messages: all
-- less their own, in the blocks after the read marker, and one by one within the marker's own block.
-- (The array leads to the few rooms of a user by their index, whatever the planner thinks of users.)
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
        SELECT coalesce(sum(CASE c.sender_id WHEN '' THEN c.messages ELSE -c.messages END), 0)
        FROM message_counts AS c
        WHERE
            c.room_id = r.room_id
            AND c.sender_id IN ('', $1)
            AND c.block > coalesce(marker.sequence, 0) / 8192
    )::bigint + (
        SELECT count(*)
        FROM messages AS m
        WHERE
            m.room_id = r.room_id
            AND m.sequence_number > coalesce(marker.sequence, 0)
            AND m.sequence_number < (coalesce(marker.sequence, 0) / 8192 + 1) * 8192
            AND m.sender_id <> $1
            AND m.deleted_at IS NULL
            AND m.message_type <> 'system'
    ) AS unread
FROM incident_rooms AS r
LEFT JOIN room_members AS me ON me.room_id = r.room_id AND me.user_id = $1
LEFT JOIN unnest($3::uuid[], $4::bigint[]) AS marker (room_id, sequence)
    ON marker.room_id = r.room_id
WHERE
    ($2 OR r.room_id = ANY(ARRAY(SELECT own.room_id FROM room_members AS own WHERE own.user_id = $1)))
    AND (r.created_sequence, r.room_id) > ($5::bigint, $6::uuid)
ORDER BY r.created_sequence, r.room_id
LIMIT $7;
