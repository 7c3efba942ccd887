"""The tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# Outside of the schema that rebuilds swap, so that its identity survives.
_message_type = postgresql.ENUM(
    "text",
    "image_ref",
    "file_ref",
    "incident_data",
    "system",
    name="message_type",
    schema="public",
    create_type=False,
)


def upgrade() -> None:
    """Make the schema and all of it."""
    op.execute("CREATE SCHEMA roomlog")
    _message_type.create(op.get_bind(), checkfirst=False)
    op.create_table(
        "dead_events",
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partition", "sequence"),
        schema="roomlog",
    )
    op.create_index(
        "ix_dead_events_event_id", "dead_events", ["event_id"], unique=False, schema="roomlog"
    )
    op.create_table(
        "incident_rooms",
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_sequence", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room_id"),
        schema="roomlog",
    )
    op.create_index(
        "ix_incident_rooms_created_sequence",
        "incident_rooms",
        ["created_sequence"],
        unique=False,
        schema="roomlog",
    )
    op.create_table(
        "message_edit_history",
        sa.Column("edit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("original_content", sa.Text(), nullable=False),
        sa.Column("original_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("original_version", sa.BigInteger(), nullable=False),
        sa.Column("original_edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edited_by", sa.Text(collation="C"), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("edit_id"),
        schema="roomlog",
    )
    op.create_index(
        "ix_message_edit_history_message_id",
        "message_edit_history",
        ["message_id", "sequence"],
        unique=False,
        schema="roomlog",
    )
    op.create_table(
        "message_reaction_spans",
        sa.Column("reaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("emoji", sa.Text(collation="C"), nullable=False),
        sa.Column("added_sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_sequence", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reaction_id"),
        schema="roomlog",
    )
    op.create_index(
        "ix_message_reaction_spans_message_id",
        "message_reaction_spans",
        ["message_id"],
        unique=False,
        schema="roomlog",
    )
    op.create_table(
        "message_reactions",
        sa.Column("reaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("emoji", sa.Text(collation="C"), nullable=False),
        sa.Column("added_sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reaction_id"),
        schema="roomlog",
    )
    op.create_index(
        "ix_message_reactions_message_id",
        "message_reactions",
        ["message_id"],
        unique=False,
        schema="roomlog",
    )
    op.create_index(
        "uq_message_reactions_message_id_user_id_emoji",
        "message_reactions",
        ["message_id", "user_id", "emoji"],
        unique=True,
        schema="roomlog",
    )
    op.create_table(
        "processed_events",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("event_id"),
        schema="roomlog",
    )
    op.create_index(
        "ix_processed_events_message_id",
        "processed_events",
        ["message_id"],
        unique=False,
        schema="roomlog",
    )
    op.create_table(
        "projection_checkpoint",
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("event_hash", sa.LargeBinary(), nullable=True),
        sa.Column("current_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dead", sa.BigInteger(), nullable=False),
        sa.Column("halted", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("partition"),
        schema="roomlog",
    )
    op.create_table(
        "messages",
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("sender_id", sa.Text(collation="C"), nullable=False),
        sa.Column("message_type", _message_type, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_html", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reply_to", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "(to_tsvector('simple'::regconfig, \"left\"(content, 65536)) || to_tsvector('english'::regconfig, \"left\"(content, 65536)))",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["room_id"], ["roomlog.incident_rooms.room_id"], name="fk_messages_room_id"
        ),
        sa.PrimaryKeyConstraint("message_id"),
        schema="roomlog",
    )
    op.create_index(
        "ix_messages_room_id_created_at",
        "messages",
        ["room_id", sa.literal_column("created_at DESC")],
        unique=False,
        schema="roomlog",
    )
    op.create_index(
        "ix_messages_room_id_sequence_number",
        "messages",
        ["room_id", "sequence_number"],
        unique=True,
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
    op.create_table(
        "room_members",
        sa.Column("room_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["room_id"], ["roomlog.incident_rooms.room_id"], name="fk_room_members_room_id"
        ),
        sa.PrimaryKeyConstraint("room_id", "user_id"),
        schema="roomlog",
    )
    op.create_index(
        "ix_room_members_user_id", "room_members", ["user_id"], unique=False, schema="roomlog"
    )


def downgrade() -> None:
    """Take back: nothing is lost that the log does not hold."""
    op.execute("DROP SCHEMA roomlog CASCADE")
    _message_type.drop(op.get_bind(), checkfirst=False)
