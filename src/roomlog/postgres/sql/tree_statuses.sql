-- How far all partitions' trees are, and what was found wrong.
SELECT c.partition, c.epoch, c.sequence, c.current_at, c.unexplained, c.halted,
    (SELECT count(*) FROM roomlog_audit.findings AS f WHERE f.partition = c.partition) AS findings,
    (SELECT count(*) FROM roomlog_audit.redactions AS r WHERE r.partition = c.partition)
        AS redactions
FROM roomlog_audit.tree_checkpoint AS c
ORDER BY c.partition;
