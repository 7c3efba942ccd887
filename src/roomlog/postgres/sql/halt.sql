-- Keep, or clear, the reason why the projector refuses to go on.
UPDATE projection_checkpoint
SET halted = $2
WHERE partition = $1 AND halted IS DISTINCT FROM $2;
