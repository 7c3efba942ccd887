-- The trees of rooms as they stand.
SELECT room_id::text AS room_id, size, edge, root, last_sequence
FROM roomlog_audit.trees
WHERE room_id = ANY ($1::uuid[]);
