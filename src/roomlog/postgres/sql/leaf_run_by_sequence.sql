-- The run of leaves in which an event's leaf is, if there is one.
SELECT first, sequences, hashes
FROM roomlog_audit.leaf_runs
WHERE room_id = $1::uuid AND first_sequence <= $2
ORDER BY first_sequence DESC
LIMIT 1;
