-- All rooms' heads with the checkpoints that they stand for: one snapshot.
SELECT c.partition, c.epoch, c.sequence, t.room_id::text AS room_id, t.size, t.root
FROM roomlog_audit.tree_checkpoint AS c
LEFT JOIN roomlog_audit.trees AS t ON t.partition = c.partition
WHERE c.partition >= 0  -- the audit trail is no room
ORDER BY c.partition, t.room_id;
