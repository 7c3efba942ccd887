-- Rooms as the fold sees them, with their members.
SELECT
    r.room_id::text AS room_id,
    r.name,
    r.title,
    r.severity,
    r.status,
    r.created_by,
    r.created_at,
    r.created_sequence,
    ARRAY(
        SELECT (user_id, role, since, name)
        FROM room_members
        WHERE room_id = r.room_id
        ORDER BY since, user_id
    ) AS members
FROM incident_rooms AS r
WHERE r.room_id = ANY($1::uuid[]);
