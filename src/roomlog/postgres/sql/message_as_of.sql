-- One message as it stood right after sequence $2 of its room, with its reactions of then.
SELECT
-- part: message_columns_as_of
    r.reactions
FROM messages AS m
LEFT JOIN LATERAL (
    SELECT edit_id, original_content, original_metadata, original_version, original_edited_at
    FROM message_edit_history
    WHERE message_id = m.message_id AND sequence > $2
    ORDER BY sequence
    LIMIT 1
) AS h ON true
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
        FROM (
            SELECT reaction_id, emoji, user_id
            FROM message_reactions
            WHERE message_id = m.message_id AND added_sequence <= $2
            UNION ALL
            SELECT reaction_id, emoji, user_id
            FROM message_reaction_spans
            WHERE message_id = m.message_id AND added_sequence <= $2 AND ended_sequence > $2
        ) AS stood
        GROUP BY emoji
    ) AS g
) AS r ON true
WHERE m.message_id = $1 AND m.sequence_number <= $2;
