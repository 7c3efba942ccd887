-- The reactions of the messages of `page` that stood right after sequence $8.
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
