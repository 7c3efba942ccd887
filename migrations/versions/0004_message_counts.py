"""How many messages stand in each block of sequences, so that the unread need not be counted one by
one. Afterwards, as after any change of a projection, the projector has to be the new one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COUNT = """
INSERT INTO roomlog.message_counts (room_id, sender_id, block, messages)
SELECT m.room_id, s.sender_id, m.sequence_number / 8192, count(*)
FROM roomlog.messages AS m CROSS JOIN LATERAL (VALUES (''), (m.sender_id)) AS s (sender_id)
WHERE m.deleted_at IS NULL AND m.message_type <> 'system'
GROUP BY m.room_id, s.sender_id, m.sequence_number / 8192
"""


def upgrade() -> None:
    """Make the table, and count what is there."""
    op.create_table(
        "message_counts",
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("sender_id", sa.Text(collation="C"), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "sender_id", "block"),
        schema="roomlog",
    )
    op.execute(COUNT)


def downgrade() -> None:
    """Count one by one again."""
    op.drop_table("message_counts", schema="roomlog")
