-- Up to where a room's events are in the tables.
SELECT c.sequence
FROM incident_rooms AS r
INNER JOIN projection_checkpoint AS c ON c.partition = r.partition
WHERE r.room_id = $1;
