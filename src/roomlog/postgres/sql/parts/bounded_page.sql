-- Of a page of messages, those that fit into so many bytes, and one at least; `followed` tells of each
-- whether there are more.
SELECT *
FROM (
    SELECT
        p.*,
        lead(true, 1, false) OVER so_far AS followed,
        sum(p.size_bytes) OVER so_far - p.size_bytes AS bytes_before
    FROM (
        SELECT
            q.*,
            octet_length(q.content)
            + coalesce(octet_length(q.content_html), octet_length(q.content))
            + octet_length(q.metadata::text)
            + coalesce(octet_length(q.reactions), 0) AS size_bytes
        FROM ({page}) AS q
    ) AS p
    WINDOW so_far AS (ORDER BY p.{order})
) AS bounded
WHERE bytes_before < {bytes_max}
ORDER BY {order};
