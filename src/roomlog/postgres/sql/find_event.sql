-- What became of an event, by its id: recorded, or sent as a message, or set aside.
SELECT event_id::text AS event_id, room_id::text AS room_id, sequence, outcome
FROM (
    SELECT event_id, room_id::text AS room_id, sequence, outcome, 1 AS place
    FROM processed_events
    WHERE event_id = $1
    UNION ALL
    SELECT message_id, room_id::text, sequence_number, 'applied', 2
    FROM messages
    WHERE message_id = $1
    UNION ALL
    SELECT event_id, room_id, sequence, 'dead', 3
    FROM dead_events
    WHERE event_id = $1
) AS found
ORDER BY place, sequence
LIMIT 1;
