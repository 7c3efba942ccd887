"""The trees by which the log can be proved, in a schema that rebuilds leave alone."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"

SCHEMA = "roomlog_audit"


def upgrade() -> None:
    """Make the tables, empty: they are filled from the log."""
    op.execute(f"CREATE SCHEMA {SCHEMA}")
    op.create_table(
        "tree_checkpoint",
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_hash", sa.LargeBinary(), nullable=True),
        sa.Column("current_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unexplained", sa.BigInteger(), nullable=False),
        sa.Column("halted", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("partition"),
        schema=SCHEMA,
    )
    op.create_table(
        "trees",
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("edge", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room_id"),
        schema=SCHEMA,
    )
    op.create_table(
        "leaf_runs",
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("sequences", sa.LargeBinary(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "first"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_leaf_runs_first_sequence", "leaf_runs", ["room_id", "first_sequence"], schema=SCHEMA
    )
    # Hashes do not get smaller, and would be tried again and again.
    op.execute(f"ALTER TABLE {SCHEMA}.leaf_runs ALTER COLUMN hashes SET STORAGE EXTERNAL")
    op.create_table(
        "tree_nodes",
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "level", "place"),
        schema=SCHEMA,
    )
    op.create_table(
        "redactions",
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("redacted_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "sequence"),
        schema=SCHEMA,
    )
    op.create_table(
        "findings",
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partition", "sequence", "kind"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Forget the trees; the log still has what they were made of."""
    op.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
