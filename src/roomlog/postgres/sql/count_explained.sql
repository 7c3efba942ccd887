-- How many events may be gone: those redacted, and those found missing.
SELECT (SELECT count(*) FROM roomlog_audit.redactions WHERE partition = $1)
    + (SELECT unexplained FROM roomlog_audit.tree_checkpoint WHERE partition = $1) AS explained;
