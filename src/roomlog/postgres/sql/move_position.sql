-- Move the checkpoint, if it is where and what its projector believes: the fence.
UPDATE projection_checkpoint
SET sequence = $5, event_id = $6, event_hash = $7, current_at = $8
WHERE partition = $1 AND epoch = $2 AND sequence = $3 AND tableoid = $4::oid;
