-- The last run of every room that begins at or below a sequence of its partition.
SELECT t.room_id::text AS room_id, at.sequence, r.first, r.sequences, r.root
FROM unnest($1::smallint[], $2::bigint[]) AS at (partition, sequence)
JOIN roomlog_audit.trees AS t ON t.partition = at.partition
CROSS JOIN LATERAL (
    SELECT run.first, run.sequences, run.root
    FROM roomlog_audit.leaf_runs AS run
    WHERE run.room_id = t.room_id AND run.first_sequence <= at.sequence
    ORDER BY run.first_sequence DESC
    LIMIT 1
) AS r
ORDER BY t.room_id;
