-- Of a room's messages `m`, those that a search may find: by its filters and its words.
    m.deleted_at IS NULL
    AND ($4::timestamptz IS NULL OR m.created_at < $4)
    AND ($5::text IS NULL OR m.message_type = $5::public.message_type)
    AND ($6::text IS NULL OR m.sender_id = $6)
    AND ({matches})
