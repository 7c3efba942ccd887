"""What growing and reading the trees needs of the outside, as Protocols; `roomlog.postgres`
implements them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from roomlog.core.room_tree import RoomHead, Span, TileNode


class TreePosition(msgspec.Struct, frozen=True):
    """How far a partition's trees have come, and the SHA-256 of the stored bytes there; None
    before the first event, and where nothing stands any more."""

    epoch: str
    sequence: int
    event_hash: bytes | None = None


class TreeRow(msgspec.Struct, frozen=True):
    """A room's tree as it stands: what is needed to go on (`RoomTree`), and its root.

    `last_sequence` is that of its last leaf.
    """

    room_id: str
    size: int
    edge: bytes
    root: bytes
    last_sequence: int


class LeafRun(msgspec.Struct, frozen=True):
    """Leaves of a room that follow each other, from leaf `first` on: their sequences and their
    hashes, and the root of the tree that ends with them."""

    room_id: str
    first: int
    sequences: Sequence[int]
    hashes: Sequence[bytes]
    root: bytes


class RoomNode(msgspec.Struct, frozen=True):
    """A node of a room's tree that is stored."""

    room_id: str
    found: TileNode


class Redaction(msgspec.Struct, frozen=True):
    """What explains a hole: the envelope of the event that was erased at `sequence`, as the event
    at `redacted_by` keeps it."""

    sequence: int
    room_id: str
    envelope: bytes
    redacted_by: int


class FindingKind(StrEnum):
    """What is wrong with a log."""

    HOLE = "hole"
    """Events are gone that no redaction explains."""
    COMMIT = "commit"
    """What an event says is not what its envelope vouches for."""
    REDACTION = "redaction"
    """A redaction tells of another envelope than the tree was made of, or of no event."""
    FOREIGN = "foreign"
    """An event stands under no room."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong from `sequence` to `last`."""

    sequence: int
    last: int
    kind: FindingKind
    detail: str


class Growth(msgspec.Struct, frozen=True):
    """What a batch of events did to the trees. `missing` counts the events that are gone
    unexplained."""

    trees: Sequence[TreeRow] = ()
    runs: Sequence[LeafRun] = ()
    nodes: Sequence[RoomNode] = ()
    redactions: Sequence[Redaction] = ()
    findings: Sequence[Finding] = ()
    missing: int = 0


class PartitionTrees(Protocol):
    """One partition's trees, for whoever grows them. Every method raises
    DatabaseUnavailableError; the caller then closes it and begins anew."""

    @property
    def partition(self) -> int:
        """Which partition."""
        ...

    async def position(self, epoch: str) -> TreePosition:
        """Where they stand; at sequence 0 of `epoch` where there are none yet."""
        ...

    async def begin_anew(self, epoch: str) -> TreePosition:
        """Remove what there is, and stand at sequence 0 of `epoch`."""
        ...

    async def trees(self, room_ids: Sequence[str]) -> Mapping[str, TreeRow]:
        """The trees of rooms, of those that have one."""
        ...

    async def redactions(self, first: int, last: int) -> Mapping[int, Redaction]:
        """Known redactions of events from `first` to `last`, by sequence."""
        ...

    async def leaf(self, room_id: str, sequence: int) -> bytes | None:
        """The leaf hash of a room's event; None where there is no such leaf."""
        ...

    async def explained(self) -> int:
        """How many events may be gone: those redacted, and those already found missing."""
        ...

    async def findings(self) -> Sequence[Finding]:
        """All that was found wrong so far."""
        ...

    async def commit(
        self, old: TreePosition, new: TreePosition, growth: Growth, current_at: datetime
    ) -> None:
        """Write what a batch did, and move from `old` to `new`, all or nothing. Raises
        FenceLostError where the trees are not at `old` any more."""
        ...

    async def halt(self, reason: str | None) -> None:
        """Keep the reason why the trees don't grow where status shows it, or clear it."""
        ...

    async def close(self) -> None:
        """Give the partition back."""
        ...


class TreeTables(Protocol):
    """The trees, for whoever grows them."""

    async def claim(self, partition: int) -> PartitionTrees:
        """Wait until nobody else grows the partition's trees, and get them.

        Raises DatabaseUnavailableError, TablesMissingError.
        """
        ...


class TreeStatus(msgspec.Struct, frozen=True):
    """One partition's trees. `unexplained` counts events that are gone without a redaction,
    `findings` everything else that is wrong too; `halted` is why they don't grow; `redactions`
    counts the events that may be gone."""

    partition: int
    epoch: str
    sequence: int
    current_at: datetime
    unexplained: int
    findings: int
    halted: str | None
    redactions: int = 0


class Heads(msgspec.Struct, frozen=True):
    """The heads of all rooms, and the sequence of each partition that they stand for."""

    epoch: str
    sequences: Sequence[int]
    heads: Sequence[RoomHead]


class LeafPlace(msgspec.Struct, frozen=True):
    """Where a leaf stands in its tree, and its hash."""

    index: int
    hashed: bytes


class TreeReader(Protocol):
    """The trees, read only. Every method raises DatabaseUnavailableError within a few seconds."""

    async def statuses(self) -> Sequence[TreeStatus]:
        """Every partition's trees, in order."""
        ...

    async def tree(self, room_id: str) -> TreeRow | None:
        """A room's tree as it stands; None where it has none yet."""
        ...

    async def place_of(self, room_id: str, sequence: int) -> LeafPlace | None:
        """The leaf of the room's event at `sequence`; None where there is none."""
        ...

    async def sequence_of(self, room_id: str, index: int) -> int | None:
        """The sequence of a room's leaf; None where there is none."""
        ...

    async def size_at(self, room_id: str, sequence: int) -> int:
        """How many of the room's leaves are of events at or below `sequence`."""
        ...

    async def hashes(self, room_id: str, span: Span) -> Sequence[bytes]:
        """Stored hashes of one level, in order; fewer where there are fewer."""
        ...

    async def heads(self, sequences: Sequence[int] | None) -> Heads | None:
        """All rooms' heads: as they stand, or as they stood at these sequences, one for each
        partition. None where the trees are not that far, or where there are none."""
        ...
