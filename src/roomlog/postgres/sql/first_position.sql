-- Begin a partition's checkpoint before the first event of epoch $2; one that holds nothing yet
-- takes on another epoch.
INSERT INTO projection_checkpoint (partition, epoch, sequence, current_at, dead)
VALUES ($1, $2, 0, to_timestamp(0), 0)
ON CONFLICT (partition) DO UPDATE SET epoch = excluded.epoch
WHERE projection_checkpoint.sequence = 0 AND projection_checkpoint.epoch <> excluded.epoch;
