-- Keep an event that was set aside.
INSERT INTO dead_events (partition, sequence, room_id, event_id, error, data, at)
VALUES ($1, $2, $3, $4, $5, $6, now())
ON CONFLICT (partition, sequence) DO NOTHING;
