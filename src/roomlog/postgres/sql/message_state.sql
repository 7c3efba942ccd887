-- A message with all its reactions, as the fold sees it, and the checkpoint that it stands for.
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
    ) AS reactions,
    c.sequence AS checkpoint
FROM (SELECT $1::uuid AS message_id) AS asked
LEFT JOIN messages AS m USING (message_id)
LEFT JOIN incident_rooms AS room ON room.room_id = m.room_id
LEFT JOIN LATERAL (
    -- An unknown message is unknown at the least checkpoint of all.
    SELECT min(sequence) AS sequence
    FROM projection_checkpoint
    WHERE room.partition IS NULL OR partition = room.partition
) AS c ON true;
