-- Where the live projection of each partition stands.
SELECT partition, epoch, sequence, event_id, event_hash
FROM roomlog.projection_checkpoint
ORDER BY partition;
