"""Words as they were said, told apart in `search` from their English forms, by a weight: so that a
phrase is found in the index's own words, and never where their end meets the English beginning."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

_VECTOR = """
CREATE OR REPLACE FUNCTION public.roomlog_search_vector(content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    words text := public.roomlog_search_text("left"(content, 65536));
BEGIN
    RETURN {simple} || to_tsvector('pg_catalog.english', words);
END
$$
"""
_SIMPLE = "to_tsvector('pg_catalog.simple', words)"

# Words in this order, as they were said: lexemes of letters and digits only, each with the weight A
# (chr(58) is the colon, which would begin a parameter's name here).
_PHRASE = r"""
CREATE FUNCTION public.roomlog_phrase(phrase text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(
    phraseto_tsquery(
        'pg_catalog.simple'::regconfig, public.roomlog_search_text(phrase)
    )::text,
    '''( |$)', '''' || chr(58) || 'A\1', 'g'
)::tsquery
"""


def upgrade() -> None:
    """Make the words of all messages anew."""
    op.execute(_VECTOR.format(simple=f"setweight({_SIMPLE}, 'A')"))
    op.execute(_PHRASE)
    _replace_search()


def downgrade() -> None:
    """Without weights again."""
    op.execute("DROP FUNCTION public.roomlog_phrase(text)")
    op.execute(_VECTOR.format(simple=_SIMPLE))
    _replace_search()


def _replace_search() -> None:
    op.drop_index("ix_messages_search", table_name="messages", schema="roomlog")
    op.drop_column("messages", "search", schema="roomlog")
    op.add_column(
        "messages",
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("public.roomlog_search_vector(content)", persisted=True),
            nullable=True,
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
