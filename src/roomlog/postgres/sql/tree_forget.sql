-- Remove a partition's trees, and stand at the beginning of another log.
WITH rooms AS (
    DELETE FROM roomlog_audit.trees WHERE partition = $1 RETURNING room_id
), runs AS (
    DELETE FROM roomlog_audit.leaf_runs WHERE room_id IN (SELECT room_id FROM rooms)
), nodes AS (
    DELETE FROM roomlog_audit.tree_nodes WHERE room_id IN (SELECT room_id FROM rooms)
), explained AS (
    DELETE FROM roomlog_audit.redactions WHERE partition = $1
), found AS (
    DELETE FROM roomlog_audit.findings WHERE partition = $1
)
UPDATE roomlog_audit.tree_checkpoint
SET epoch = $2, sequence = 0, event_hash = NULL, current_at = to_timestamp(0), unexplained = 0,
    halted = NULL
WHERE partition = $1;
