-- Messages that were found, with their reactions; in `marked` the beginning of what they say, with
-- marks round words that share a stem with one in $2.
SELECT
-- part: message_columns
    r.reactions,
    CASE
        WHEN $2::text <> '' THEN ts_headline(
            'pg_catalog.english'::regconfig,
            "left"(m.content, 10000),
            websearch_to_tsquery('pg_catalog.english'::regconfig, $2::text),
            E'StartSel="\x02", StopSel="\x03", HighlightAll=true'
        )
    END AS marked
FROM messages AS m
-- part: reactions
WHERE m.message_id = ANY($1::uuid[]) AND m.deleted_at IS NULL;
