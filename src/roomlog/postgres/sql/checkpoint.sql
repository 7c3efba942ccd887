-- How far a partition is projected.
SELECT partition, epoch, sequence, event_hash, current_at, dead
FROM projection_checkpoint
WHERE partition = $1;
