-- Which of these event ids the tables know already, and where those events stand.
SELECT event_id::text AS event_id, room_id::text AS room_id, sequence
FROM processed_events
WHERE event_id = ANY($1::uuid[])
UNION ALL
SELECT message_id::text, room_id::text, sequence_number
FROM messages
WHERE message_id = ANY($1::uuid[]);
