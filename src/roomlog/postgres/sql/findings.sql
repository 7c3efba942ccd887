-- What is wrong with a partition's log.
SELECT sequence, last, kind, detail
FROM roomlog_audit.findings
WHERE partition = $1
ORDER BY sequence, kind;
