-- What explains holes from one sequence to another.
SELECT sequence, room_id::text AS room_id, envelope, redacted_by
FROM roomlog_audit.redactions
WHERE partition = $1 AND sequence BETWEEN $2 AND $3;
