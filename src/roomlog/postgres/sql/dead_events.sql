-- A partition's events that were set aside.
SELECT sequence, room_id, event_id::text AS event_id, error, data
FROM dead_events
WHERE partition = $1
ORDER BY sequence;
