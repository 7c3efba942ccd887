"""Search: words of any language, and parts of them; and the edits of a room, to be counted.

pg_trgm is a trusted extension: whoever may create in the database may create it. It stands in
`public`, as the functions do, so that a rebuild's swap of schemas leaves them alone.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

# Scripts that put no spaces between words, or bind endings to them: each character is a word of
# its own, so that a phrase finds any part. Thai and Lao, Burmese, Khmer, kana, Han, Hangul.
_UNSPACED = (
    r"([\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3040-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf"
    r"\\u4e00-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff\\U00020000-\\U0003ffff])"
)

# Letters and digits with single spaces between them, without accents. Plain ASCII, which most
# messages are, takes the short way.
_SEARCH_TEXT = rf"""
CREATE FUNCTION public.roomlog_search_text(content text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
    WHEN octet_length(content) = length(content)
    THEN regexp_replace(content, '[^[:alnum:]]+', ' ', 'g')
    ELSE regexp_replace(
        regexp_replace(
            normalize(
                regexp_replace(normalize(content, NFKC), E'{_UNSPACED}', E' \\1 ', 'g'), NFD
            ),
            E'[\\u0300-\\u036f]+', '', 'g'
        ),
        '[^[:alnum:]]+', ' ', 'g'
    )
END
"""

# PL/pgSQL, because it computes the text once: as an expression this is half as fast.
_SEARCH_VECTOR = """
CREATE FUNCTION public.roomlog_search_vector(content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    words text := public.roomlog_search_text("left"(content, 65536));
BEGIN
    RETURN to_tsvector('pg_catalog.simple', words) || to_tsvector('pg_catalog.english', words);
END
$$
"""

_SEARCH_BEFORE = (
    "(to_tsvector('simple'::regconfig, \"left\"(content, 65536)) || "
    "to_tsvector('english'::regconfig, \"left\"(content, 65536)))"
)


def upgrade() -> None:
    """Make messages anew with words that are searched in all languages, and index parts of words."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")
    op.execute(_SEARCH_TEXT)
    op.execute(_SEARCH_VECTOR)
    _replace_search("public.roomlog_search_vector(content)")
    op.create_index(
        "ix_messages_content_trigrams",
        "messages",
        ["content"],
        unique=False,
        schema="roomlog",
        postgresql_using="gin",
        postgresql_ops={"content": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_message_edit_history_room_id",
        "message_edit_history",
        ["room_id"],
        unique=False,
        schema="roomlog",
    )


def downgrade() -> None:
    """Search as before. The extension stays: others may use it."""
    op.drop_index(
        "ix_message_edit_history_room_id", table_name="message_edit_history", schema="roomlog"
    )
    op.drop_index("ix_messages_content_trigrams", table_name="messages", schema="roomlog")
    _replace_search(_SEARCH_BEFORE)
    op.execute("DROP FUNCTION public.roomlog_search_vector(text)")
    op.execute("DROP FUNCTION public.roomlog_search_text(text)")


def _replace_search(expression: str) -> None:
    op.drop_index("ix_messages_search", table_name="messages", schema="roomlog")
    op.drop_column("messages", "search", schema="roomlog")
    op.add_column(
        "messages",
        sa.Column(
            "search", postgresql.TSVECTOR(), sa.Computed(expression, persisted=True), nullable=True
        ),
        schema="roomlog",
    )
    op.create_index(
        "ix_messages_search",
        "messages",
        ["search"],
        unique=False,
        schema="roomlog",
        postgresql_using="gin",
    )
