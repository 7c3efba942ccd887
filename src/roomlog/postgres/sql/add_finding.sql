-- Keep what is wrong with the log.
INSERT INTO roomlog_audit.findings (partition, sequence, kind, last, detail, found_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (partition, sequence, kind) DO NOTHING;
