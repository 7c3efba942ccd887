-- Keep what explains a hole; what was told first stands.
INSERT INTO roomlog_audit.redactions (partition, sequence, room_id, envelope, redacted_by)
VALUES ($1, $2, $3::uuid, $4, $5)
ON CONFLICT (partition, sequence) DO NOTHING;
