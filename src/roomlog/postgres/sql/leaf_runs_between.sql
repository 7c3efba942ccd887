-- The runs with leaves from one place in the tree up to another.
SELECT first, sequences, hashes
FROM roomlog_audit.leaf_runs
WHERE room_id = $1::uuid AND first < $3 AND first >= COALESCE(
    (SELECT max(first) FROM roomlog_audit.leaf_runs WHERE room_id = $1::uuid AND first <= $2), 0)
ORDER BY first;
