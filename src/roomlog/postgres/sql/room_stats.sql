-- How many messages of a room stand, by type and by user, and what was edited, deleted, reacted to.
WITH standing AS (
    SELECT sender_id, message_type, count(*) AS messages
    FROM messages
    WHERE room_id = $1 AND deleted_at IS NULL
    GROUP BY sender_id, message_type
),

senders AS (
    SELECT sender_id, sum(messages)::bigint AS messages
    FROM standing
    GROUP BY sender_id
    ORDER BY sum(messages) DESC, sender_id
    LIMIT $2
)

SELECT
    (SELECT coalesce(sum(messages), 0)::bigint FROM standing) AS messages,
    ARRAY(
        SELECT (message_type::text, sum(messages)::bigint)
        FROM standing
        GROUP BY message_type
        ORDER BY message_type
    ) AS by_type,
    ARRAY(SELECT (sender_id, messages) FROM senders) AS by_user,
    (SELECT count(DISTINCT sender_id) FROM standing) AS users,
    (SELECT count(*) FROM message_edit_history WHERE room_id = $1 AND change = 'edit') AS edits,
    (SELECT count(*) FROM messages WHERE room_id = $1 AND deleted_at IS NOT NULL) AS deletions,
    (
        SELECT count(*)
        FROM messages AS m
        INNER JOIN message_reactions AS r ON r.message_id = m.message_id
        WHERE m.room_id = $1 AND m.deleted_at IS NULL
    ) AS reactions;
