-- A partition's trees at the beginning, where there are none yet.
INSERT INTO roomlog_audit.tree_checkpoint
    (partition, epoch, sequence, event_hash, current_at, unexplained, halted)
VALUES ($1, $2, 0, NULL, to_timestamp(0), 0, NULL)
ON CONFLICT (partition) DO NOTHING;
