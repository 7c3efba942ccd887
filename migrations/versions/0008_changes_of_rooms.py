"""The events that changed a room or its members are found by the room: what it was at a moment of
the past is read from them, and from none of its messages."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_INDEX = "ix_processed_events_room_id_sequence"


def upgrade() -> None:
    """Index them."""
    op.create_index(
        _INDEX,
        "processed_events",
        ["room_id", "sequence"],
        unique=False,
        schema="roomlog",
        postgresql_where=sa.text("message_id IS NULL"),
    )


def downgrade() -> None:
    """Find them no more."""
    op.drop_index(_INDEX, table_name="processed_events", schema="roomlog")
