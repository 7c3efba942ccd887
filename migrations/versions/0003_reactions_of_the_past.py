"""Reactions of the past by when they ended: a page's moment then reads those that stood, also of
a message that was reacted to a hundred thousand times."""

from alembic import op

revision = "0003"
down_revision = "0002"

_INDEX = "ix_message_reaction_spans_message_id"


def upgrade() -> None:
    """Make the index anew with the sequences in it."""
    _replace(["message_id", "ended_sequence", "added_sequence"])


def downgrade() -> None:
    """The message alone again."""
    _replace(["message_id"])


def _replace(columns: list[str]) -> None:
    op.drop_index(_INDEX, table_name="message_reaction_spans", schema="roomlog")
    op.create_index(_INDEX, "message_reaction_spans", columns, unique=False, schema="roomlog")
