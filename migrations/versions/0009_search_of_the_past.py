"""What messages said before they were changed is searched as what they say now is: by words, and by
parts of words."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

_TABLE = "message_edit_history"


def upgrade() -> None:
    """Find the words of what was said, and index them and their parts."""
    op.add_column(
        _TABLE,
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("public.roomlog_search_vector(original_content)", persisted=True),
            nullable=True,
        ),
        schema="roomlog",
    )
    op.create_index(
        f"ix_{_TABLE}_search",
        _TABLE,
        ["search"],
        unique=False,
        schema="roomlog",
        postgresql_using="gin",
    )
    op.create_index(
        f"ix_{_TABLE}_content_trigrams",
        _TABLE,
        ["original_content"],
        unique=False,
        schema="roomlog",
        postgresql_using="gin",
        postgresql_ops={"original_content": "gin_trgm_ops"},
    )


def downgrade() -> None:
    """Find only what messages say now."""
    op.drop_index(f"ix_{_TABLE}_content_trigrams", table_name=_TABLE, schema="roomlog")
    op.drop_index(f"ix_{_TABLE}_search", table_name=_TABLE, schema="roomlog")
    op.drop_column(_TABLE, "search", schema="roomlog")
