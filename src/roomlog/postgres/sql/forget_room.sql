-- Take all rows of a room ($1) out of the tables of partition $2; foreign keys are checked at the end.
WITH forgotten AS (DELETE FROM messages WHERE room_id = $1 RETURNING message_id),
reactions AS (
    DELETE FROM message_reactions WHERE message_id IN (SELECT message_id FROM forgotten)
),
spans AS (
    DELETE FROM message_reaction_spans WHERE message_id IN (SELECT message_id FROM forgotten)
),
counts AS (DELETE FROM message_counts WHERE room_id = $1),
edits AS (DELETE FROM message_edit_history WHERE room_id = $1),
processed AS (DELETE FROM processed_events WHERE room_id = $1),
members AS (DELETE FROM room_members WHERE room_id = $1),
dead AS (DELETE FROM dead_events WHERE partition = $2 AND room_id = $1::text)
DELETE FROM incident_rooms WHERE room_id = $1;
