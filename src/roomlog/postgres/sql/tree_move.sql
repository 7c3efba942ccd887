-- Move a partition's trees on, if they are where their keeper believes: the fence.
UPDATE roomlog_audit.tree_checkpoint
SET sequence = $4, event_hash = $5, current_at = $6, unexplained = unexplained + $7
WHERE partition = $1 AND epoch = $2 AND sequence = $3;
