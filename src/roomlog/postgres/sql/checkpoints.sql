-- All partitions' checkpoints, with the reason where the projector refuses to go on.
SELECT partition, epoch, sequence, current_at, dead, halted
FROM projection_checkpoint
ORDER BY partition;
