-- A partition's checkpoint, and the table it stands in: after a rebuild it is another one.
SELECT epoch, sequence, event_id, event_hash, tableoid
FROM projection_checkpoint
WHERE partition = $1;
