-- Add leaves of rooms.
INSERT INTO roomlog_audit.leaf_runs (room_id, first, first_sequence, sequences, hashes, root)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[]);
