-- One message as it stands, with its reactions.
SELECT
-- part: message_columns
    r.reactions
FROM messages AS m
-- part: reactions
WHERE m.message_id = $1;
