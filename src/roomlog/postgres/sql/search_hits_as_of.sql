-- Messages that were found, as they stood right after sequence $8, with their reactions of then;
-- `marked` as in search_hits.
WITH page AS MATERIALIZED (
    SELECT m.*
    FROM messages AS m
    WHERE m.message_id = ANY($1::uuid[]) AND m.sequence_number <= $8
),

-- part: reactions_as_of

SELECT
-- part: message_columns_as_of
    r.reactions,
    CASE
        WHEN $2::text <> '' THEN ts_headline(
            'pg_catalog.english'::regconfig,
            "left"(CASE WHEN h.edit_id IS NULL THEN m.content ELSE h.original_content END, 10000),
            websearch_to_tsquery('pg_catalog.english'::regconfig, $2::text),
            E'StartSel="\x02", StopSel="\x03", HighlightAll=true'
        )
    END AS marked
FROM page AS m
LEFT JOIN LATERAL (
    SELECT edit_id, original_content, original_metadata, original_version, original_edited_at
    FROM message_edit_history
    WHERE message_id = m.message_id AND sequence > $8
    ORDER BY sequence
    LIMIT 1
) AS h ON true
LEFT JOIN reacted AS r ON r.message_id = m.message_id
WHERE h.edit_id IS NOT NULL OR m.deleted_at IS NULL;
