-- Stored nodes of one level from one place up to another.
SELECT place, hash
FROM roomlog_audit.tree_nodes
WHERE room_id = $1::uuid AND level = $2 AND place >= $3 AND place < $4
ORDER BY place;
