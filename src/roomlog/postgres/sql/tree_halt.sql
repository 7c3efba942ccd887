-- Keep why a partition's trees don't grow, or that they do again.
UPDATE roomlog_audit.tree_checkpoint
SET halted = $2
WHERE partition = $1 AND halted IS DISTINCT FROM $2;
