-- Put all trees back to the beginning of the log.
UPDATE roomlog_audit.tree_checkpoint
SET sequence = 0, event_hash = NULL, current_at = to_timestamp(0), unexplained = 0, halted = NULL;
