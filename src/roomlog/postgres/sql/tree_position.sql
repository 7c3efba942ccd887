-- How far a partition's trees have come.
SELECT epoch, sequence, event_hash
FROM roomlog_audit.tree_checkpoint
WHERE partition = $1;
