-- The rooms in which at least $1 events changed the room or its members.
SELECT room_id
FROM processed_events
WHERE message_id IS NULL AND outcome = 'applied'
GROUP BY room_id
HAVING count(*) >= $1;
