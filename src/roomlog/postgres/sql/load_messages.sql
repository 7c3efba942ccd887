-- Messages with all their reactions, as the fold sees them.
SELECT
    m.message_id::text AS message_id,
    m.room_id::text AS room_id,
    m.sequence_number,
    m.sender_id,
    m.message_type::text AS message_type,
    m.content,
    m.metadata,
    m.reply_to::text AS reply_to,
    m.created_at,
    m.edited_at,
    m.deleted_at,
    m.version,
    (
        SELECT array_agg((emoji, user_id, added_sequence, created_at) ORDER BY reaction_id)
        FROM message_reactions
        WHERE message_id = m.message_id
    ) AS reactions
FROM messages AS m
WHERE m.message_id = ANY($1::uuid[]);
