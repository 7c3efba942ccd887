"""A room's last event in the tables is found by the room, also where it is about a message or was
set aside."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_INDEX = "ix_processed_events_room_id_sequence_of_messages"
_DEAD_INDEX = "ix_dead_events_room_id_sequence"


def upgrade() -> None:
    """Index them, beside those that changed rooms and members."""
    op.create_index(
        _INDEX,
        "processed_events",
        ["room_id", "sequence"],
        unique=False,
        schema="roomlog",
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index(
        _DEAD_INDEX, "dead_events", ["room_id", "sequence"], unique=False, schema="roomlog"
    )


def downgrade() -> None:
    """Find them no more."""
    op.drop_index(_DEAD_INDEX, table_name="dead_events", schema="roomlog")
    op.drop_index(_INDEX, table_name="processed_events", schema="roomlog")
