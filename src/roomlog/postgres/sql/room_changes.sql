-- Where the events stand that changed a room or its members, up to sequence $2 (and redactions).
SELECT sequence
FROM processed_events
WHERE room_id = $1 AND message_id IS NULL AND outcome = 'applied' AND sequence <= $2
ORDER BY sequence;
