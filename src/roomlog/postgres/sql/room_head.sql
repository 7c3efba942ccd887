-- The sequence of a room's last event that the tables have, where they are those of epoch $2.
SELECT greatest(
    (SELECT max(sequence_number) FROM messages WHERE room_id = $1),
    (SELECT max(sequence) FROM processed_events WHERE room_id = $1 AND message_id IS NULL),
    (SELECT max(sequence) FROM processed_events WHERE room_id = $1 AND message_id IS NOT NULL),
    (SELECT max(sequence) FROM dead_events WHERE room_id = $1::uuid::text)
) AS head
FROM incident_rooms AS r
INNER JOIN projection_checkpoint AS c ON c.partition = r.partition
WHERE r.room_id = $1 AND c.epoch = $2;
