-- Messages that were found, with their reactions; in `marked` the beginning of what they say, with
-- marks round words that share a stem with one in $2.
SELECT
    m.message_id::text AS message_id,
    m.room_id::text AS room_id,
    m.sequence_number,
    m.sender_id,
    m.message_type::text AS message_type,
    m.content,
    m.content_html,
    m.metadata,
    m.reply_to::text AS reply_to,
    m.created_at,
    m.edited_at,
    m.deleted_at,
    m.version,
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
LEFT JOIN LATERAL (
    SELECT json_agg(
        json_build_object('emoji', g.emoji, 'count', g.reactions, 'users', g.users[1:100])
        ORDER BY g.first
    )::text AS reactions
    FROM (
        SELECT
            emoji,
            count(*) AS reactions,
            min(reaction_id) AS first,
            array_agg(user_id ORDER BY reaction_id) AS users
        FROM message_reactions
        WHERE message_id = m.message_id
        GROUP BY emoji
    ) AS g
) AS r ON true
WHERE m.message_id = ANY($1::uuid[]) AND m.deleted_at IS NULL;
