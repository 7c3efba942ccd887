-- Add nodes of trees.
INSERT INTO roomlog_audit.tree_nodes (room_id, level, place, hash)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bytea[]);
