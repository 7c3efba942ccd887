"""The tables of the trees: the schema's truth for Alembic.

They stand in a schema of their own, since a rebuild of the projection leaves them alone.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, LargeBinary, MetaData, SmallInteger, Text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

AUDIT_SCHEMA = "roomlog_audit"

_uuid = PG_UUID(as_uuid=True)
_time = DateTime(timezone=True)


class AuditBase(DeclarativeBase):
    """All tables of the schema."""

    metadata = MetaData(schema=AUDIT_SCHEMA)


class TreeCheckpoint(AuditBase):
    """How far a partition's trees have come in the log called `epoch`.

    `event_hash` (SHA-256 of the stored bytes) tells whether the log still holds the event there.
    `unexplained` counts events that are gone and that no redaction explains. `halted` says why
    the trees don't grow.
    """

    __tablename__ = "tree_checkpoint"

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int] = mapped_column(BigInteger)
    event_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    current_at: Mapped[datetime] = mapped_column(_time)
    unexplained: Mapped[int] = mapped_column(BigInteger)
    halted: Mapped[str | None] = mapped_column(Text)


class Tree(AuditBase):
    """A room's tree as it stands. `edge` is what growing it needs; see `core.room_tree`."""

    __tablename__ = "trees"

    room_id: Mapped[UUID] = mapped_column(_uuid, primary_key=True)
    partition: Mapped[int] = mapped_column(SmallInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    edge: Mapped[bytes] = mapped_column(LargeBinary)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    last_sequence: Mapped[int] = mapped_column(BigInteger)


class LeafRuns(AuditBase):
    """Leaves of one room that were added together, from leaf `first` on: their sequences (8
    bytes each, big-endian) and their hashes, each one after the other. `root` is that of the tree
    that ends with them."""

    __tablename__ = "leaf_runs"
    __table_args__ = (Index("ix_leaf_runs_first_sequence", "room_id", "first_sequence"),)

    room_id: Mapped[UUID] = mapped_column(_uuid, primary_key=True)
    first: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first_sequence: Mapped[int] = mapped_column(BigInteger)
    sequences: Mapped[bytes] = mapped_column(LargeBinary)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)
    root: Mapped[bytes] = mapped_column(LargeBinary)


class TreeNode(AuditBase):
    """The root of a perfect subtree whose level is a multiple of 8 and above 0."""

    __tablename__ = "tree_nodes"

    room_id: Mapped[UUID] = mapped_column(_uuid, primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Redaction(AuditBase):
    """What explains a hole in the log: the envelope of the event that was erased there."""

    __tablename__ = "redactions"

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    room_id: Mapped[UUID] = mapped_column(_uuid)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    redacted_by: Mapped[int] = mapped_column(BigInteger)


class Finding(AuditBase):
    """Something that is wrong with the log from `sequence` to `last`."""

    __tablename__ = "findings"

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
    detail: Mapped[str] = mapped_column(Text)
    found_at: Mapped[datetime] = mapped_column(_time)
