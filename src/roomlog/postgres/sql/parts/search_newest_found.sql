-- The newest of what was `found`.
SELECT m.message_id::text AS message_id, m.sequence_number, {rank} AS rank
FROM (
    SELECT *
    FROM found
    ORDER BY sequence_number DESC
    LIMIT $7
) AS m
ORDER BY m.sequence_number DESC
