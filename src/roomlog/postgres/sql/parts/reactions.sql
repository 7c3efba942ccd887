-- The reactions `r` of a message `m`, by emoji, in the order in which each first came.
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
