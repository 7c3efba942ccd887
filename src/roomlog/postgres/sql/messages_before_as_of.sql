-- A page of a room's messages as they stood right after sequence $8, newest first, with their
-- reactions of then. (Reactions of all messages at once: however a plan reads them, it is once.)
WITH page AS MATERIALIZED (
    SELECT m.*
    FROM messages AS m
    WHERE
        m.room_id = $1
        AND m.sequence_number < $2
        AND m.sequence_number > $3
        AND m.sequence_number <= $8
        AND ($4::timestamptz IS NULL OR m.created_at < $4)
        AND ($5::text IS NULL OR m.message_type = $5::public.message_type)
        AND ($6::text IS NULL OR m.sender_id = $6)
    ORDER BY m.sequence_number DESC
    LIMIT $7
),

stood AS (
    SELECT r.message_id, r.reaction_id, r.emoji, r.user_id
    FROM page AS m
    JOIN message_reactions AS r ON r.message_id = m.message_id AND r.added_sequence <= $8
    UNION ALL
    SELECT s.message_id, s.reaction_id, s.emoji, s.user_id
    FROM page AS m
    JOIN message_reaction_spans AS s
        ON s.message_id = m.message_id AND s.added_sequence <= $8 AND s.ended_sequence > $8
),

reacted AS MATERIALIZED (
    SELECT
        message_id,
        json_agg(
            json_build_object('emoji', g.emoji, 'count', g.reactions, 'users', g.users[1:100])
            ORDER BY g.first
        )::text AS reactions
    FROM (
        SELECT
            message_id,
            emoji,
            count(*) AS reactions,
            min(reaction_id) AS first,
            array_agg(user_id ORDER BY reaction_id) AS users
        FROM stood
        GROUP BY message_id, emoji
    ) AS g
    GROUP BY message_id
)

SELECT
    m.message_id::text AS message_id,
    m.room_id::text AS room_id,
    m.sequence_number,
    m.sender_id,
    m.message_type::text AS message_type,
    CASE WHEN h.edit_id IS NULL THEN m.content ELSE h.original_content END AS content,
    CASE WHEN h.edit_id IS NULL THEN m.content_html END AS content_html,
    CASE WHEN h.edit_id IS NULL THEN m.metadata ELSE h.original_metadata END AS metadata,
    m.reply_to::text AS reply_to,
    m.created_at,
    CASE WHEN h.edit_id IS NULL THEN m.edited_at ELSE h.original_edited_at END AS edited_at,
    CASE WHEN h.edit_id IS NULL THEN m.deleted_at END AS deleted_at,
    CASE WHEN h.edit_id IS NULL THEN m.version ELSE h.original_version END AS version,
    r.reactions
FROM page AS m
LEFT JOIN LATERAL (
    SELECT edit_id, original_content, original_metadata, original_version, original_edited_at
    FROM message_edit_history
    WHERE message_id = m.message_id AND sequence > $8
    ORDER BY sequence
    LIMIT 1
) AS h ON true
LEFT JOIN reacted AS r ON r.message_id = m.message_id
ORDER BY m.sequence_number DESC;
