"""The tables: the schema's truth for Alembic, and for rebuilds, which make them anew.

They stand in a schema of their own, which a rebuild swaps as a whole. The enum type stays
outside of it, so that its identity survives the swap.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ENUM, JSONB, TSVECTOR
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from roomlog_contract.types import MessageType

SCHEMA = "roomlog"

# `COLLATE "C"` orders as bytes do, whatever the locale of the database.
_user = Text(collation="C")
_uuid = PG_UUID(as_uuid=True)
_time = DateTime(timezone=True)
_message_type = ENUM(*(kind.value for kind in MessageType), name="message_type", schema="public")

# The function is made by a migration, outside of the schema that rebuilds swap. It takes the first
# 65,536 characters: a tsvector holds 1 MB at most, and more would be refused.
_SEARCH = "public.roomlog_search_vector(content)"
_SEARCH_ORIGINAL = "public.roomlog_search_vector(original_content)"


class Base(DeclarativeBase):
    """All tables of the schema."""

    metadata = MetaData(schema=SCHEMA)


class IncidentRoom(Base):
    """A room as it stands. `partition` tells which checkpoint its rows stand for."""

    __tablename__ = "incident_rooms"
    __table_args__ = (Index("ix_incident_rooms_created_sequence", "created_sequence"),)

    room_id: Mapped[UUID] = mapped_column(_uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    severity: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_time)
    created_sequence: Mapped[int] = mapped_column(BigInteger)
    partition: Mapped[int] = mapped_column(SmallInteger)


class RoomMember(Base):
    """A membership as it stands."""

    __tablename__ = "room_members"
    __table_args__ = (Index("ix_room_members_user_id", "user_id"),)

    room_id: Mapped[UUID] = mapped_column(
        _uuid, ForeignKey(IncidentRoom.room_id, name="fk_room_members_room_id"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(_user, primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(_time)
    name: Mapped[str | None] = mapped_column(Text)


class Message(Base):
    """A message as it stands; a deleted one is a tombstone. `version` as in the contract."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_room_id_sequence_number", "room_id", "sequence_number", unique=True),
        Index("ix_messages_room_id_created_at", "room_id", text("created_at DESC")),
        Index("ix_messages_search", "search", postgresql_using="gin"),
        # Parts of words and identifiers, by their trigrams.
        Index(
            "ix_messages_content_trigrams",
            "content",
            postgresql_using="gin",
            postgresql_ops={"content": "gin_trgm_ops"},
        ),
    )

    message_id: Mapped[UUID] = mapped_column(_uuid, primary_key=True)
    room_id: Mapped[UUID] = mapped_column(
        _uuid, ForeignKey(IncidentRoom.room_id, name="fk_messages_room_id")
    )
    sequence_number: Mapped[int] = mapped_column(BigInteger)
    sender_id: Mapped[str] = mapped_column(_user)
    message_type: Mapped[str] = mapped_column(_message_type)
    content: Mapped[str] = mapped_column(Text)
    content_html: Mapped[str] = mapped_column(Text)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    reply_to: Mapped[UUID | None] = mapped_column(_uuid)
    created_at: Mapped[datetime] = mapped_column(_time)
    edited_at: Mapped[datetime | None] = mapped_column(_time)
    deleted_at: Mapped[datetime | None] = mapped_column(_time)
    version: Mapped[int] = mapped_column(BigInteger)
    search: Mapped[str | None] = mapped_column(TSVECTOR, Computed(_SEARCH, persisted=True))


class MessageCount(Base):
    """How many messages stand whose sequence, divided by 8192, is `block`: those of one sender, or
    where `sender_id` is empty those of everybody."""

    __tablename__ = "message_counts"

    room_id: Mapped[UUID] = mapped_column(_uuid, primary_key=True)
    sender_id: Mapped[str] = mapped_column(_user, primary_key=True)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    messages: Mapped[int] = mapped_column(BigInteger)


class MessageReaction(Base):
    """A reaction as it stands; `reaction_id` is made of `added_sequence` and the partition."""

    __tablename__ = "message_reactions"
    __table_args__ = (
        Index(
            "uq_message_reactions_message_id_user_id_emoji",
            "message_id",
            "user_id",
            "emoji",
            unique=True,
        ),
        # Rebuilds look reactions up while they go on.
        Index("ix_message_reactions_message_id", "message_id", info={"from_the_start": True}),
    )

    reaction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    message_id: Mapped[UUID] = mapped_column(_uuid)
    user_id: Mapped[str] = mapped_column(_user)
    emoji: Mapped[str] = mapped_column(_user)
    added_sequence: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(_time)


class MessageReactionSpan(Base):
    """A reaction that was taken back: it stood from `added_sequence` until `ended_sequence`."""

    __tablename__ = "message_reaction_spans"
    __table_args__ = (
        Index(
            "ix_message_reaction_spans_message_id",
            "message_id",
            "ended_sequence",
            "added_sequence",
        ),
    )

    reaction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    message_id: Mapped[UUID] = mapped_column(_uuid)
    user_id: Mapped[str] = mapped_column(_user)
    emoji: Mapped[str] = mapped_column(_user)
    added_sequence: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(_time)
    ended_sequence: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[datetime] = mapped_column(_time)


class MessageEditHistory(Base):
    """What a message said until the edit or deletion at `sequence`, from `original_version` on."""

    __tablename__ = "message_edit_history"
    __table_args__ = (
        Index("ix_message_edit_history_message_id", "message_id", "sequence"),
        Index("ix_message_edit_history_room_id", "room_id"),
        # Searches of the past: as those of messages.
        Index("ix_message_edit_history_search", "search", postgresql_using="gin"),
        Index(
            "ix_message_edit_history_content_trigrams",
            "original_content",
            postgresql_using="gin",
            postgresql_ops={"original_content": "gin_trgm_ops"},
        ),
    )

    edit_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    message_id: Mapped[UUID] = mapped_column(_uuid)
    room_id: Mapped[UUID] = mapped_column(_uuid)
    sequence: Mapped[int] = mapped_column(BigInteger)
    change: Mapped[str] = mapped_column(Text)
    original_content: Mapped[str] = mapped_column(Text)
    original_metadata: Mapped[dict[str, Any]] = mapped_column(JSONB)
    original_version: Mapped[int] = mapped_column(BigInteger)
    original_edited_at: Mapped[datetime | None] = mapped_column(_time)
    edited_by: Mapped[str] = mapped_column(_user)
    edited_at: Mapped[datetime] = mapped_column(_time)
    reason: Mapped[str | None] = mapped_column(Text)
    search: Mapped[str | None] = mapped_column(TSVECTOR, Computed(_SEARCH_ORIGINAL, persisted=True))


class ProcessedEvent(Base):
    """What became of an event, by its id; `message_id` is the message that it was about."""

    __tablename__ = "processed_events"
    __table_args__ = (
        Index(
            "ix_processed_events_message_id",
            "message_id",
        ),
        # What changed rooms and members; about messages are all the others.
        Index(
            "ix_processed_events_room_id_sequence",
            "room_id",
            "sequence",
            postgresql_where=text("message_id IS NULL"),
        ),
        Index(
            "ix_processed_events_room_id_sequence_of_messages",
            "room_id",
            "sequence",
            postgresql_where=text("message_id IS NOT NULL"),
        ),
    )

    event_id: Mapped[UUID] = mapped_column(_uuid, primary_key=True)
    room_id: Mapped[UUID] = mapped_column(_uuid)
    sequence: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(Text)
    message_id: Mapped[UUID | None] = mapped_column(_uuid)


class ProjectionCheckpoint(Base):
    """How far a partition is projected: `sequence` of the log called `epoch`.

    `event_id` and `event_hash` (SHA-256 of the stored bytes) tell whether the log still holds
    the event that was last projected. `halted` says why the projector refuses to go on.
    """

    __tablename__ = "projection_checkpoint"

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int] = mapped_column(BigInteger)
    event_id: Mapped[str | None] = mapped_column(Text)
    event_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    current_at: Mapped[datetime] = mapped_column(_time)
    dead: Mapped[int] = mapped_column(BigInteger)
    halted: Mapped[str | None] = mapped_column(Text)


class DeadEvent(Base):
    """An event that could not be read, folded or stored: set aside, as if it had never been."""

    __tablename__ = "dead_events"
    __table_args__ = (
        Index("ix_dead_events_event_id", "event_id"),
        Index("ix_dead_events_room_id_sequence", "room_id", "sequence"),
    )

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    room_id: Mapped[str] = mapped_column(Text)
    event_id: Mapped[UUID | None] = mapped_column(_uuid)
    error: Mapped[str] = mapped_column(Text)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(_time)
