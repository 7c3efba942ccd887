-- Put trees in the place of what they were.
INSERT INTO roomlog_audit.trees (room_id, partition, size, edge, root, last_sequence)
SELECT t.room_id, $1, t.size, t.edge, t.root, t.last_sequence
FROM unnest($2::uuid[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[])
    AS t (room_id, size, edge, root, last_sequence)
ON CONFLICT (room_id) DO UPDATE
SET size = excluded.size, edge = excluded.edge, root = excluded.root,
    last_sequence = excluded.last_sequence;
