"""What the projector needs of the tables, as Protocols; `roomlog.postgres` implements them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from projections.batch import Touched, Wanted
from projections.row_changes import RowChange


class Position(msgspec.Struct, frozen=True):
    """How far a partition is projected, and which event stands there in the log.

    `event_hash` is the SHA-256 of the event's stored bytes. Both are None before the first.
    """

    epoch: str
    sequence: int
    event_id: str | None = None
    event_hash: bytes | None = None


class SetAside(msgspec.Struct, frozen=True):
    """An event that could not be projected, and why."""

    sequence: int
    room_id: str
    event_id: str | None
    error: str
    data: bytes


class Difference(msgspec.Struct, frozen=True):
    """How one table differs from a fresh fold of the log.

    `missing` rows the log demands and the table lacks, `surplus` rows the other way round; a
    wrong row counts in both. `examples` are a few of them, as text.
    """

    table: str
    missing: int
    surplus: int
    examples: Sequence[str]


class RowsRefusedError(Exception):
    """The tables refuse rows of this batch for what is in them: one of its events is poison."""


class FenceLostError(Exception):
    """The checkpoint is not where this projector left it, or the tables are others by now:
    somebody else projects, or a rebuild was swapped in. Nothing was written."""


class TablesMissingError(Exception):
    """The database holds no tables yet."""


class Batch(Protocol):
    """One transaction: it becomes true as a whole when its `with` block ends without error."""

    async def load(self, wanted: Wanted) -> Touched:
        """What the tables hold of that."""
        ...

    async def write(self, changes: Sequence[RowChange], dead: Sequence[SetAside]) -> None:
        """Apply changes, and keep the events that were set aside. Raises RowsRefusedError."""
        ...


class PartitionTables(Protocol):
    """The tables as one partition's projector sees them. Every method raises
    DatabaseUnavailableError; the caller then closes it and begins anew."""

    @property
    def partition(self) -> int:
        """Which partition."""
        ...

    async def position(self, epoch: str) -> Position:
        """The checkpoint as it stands; one at sequence 0 of `epoch` is made where there is none."""
        ...

    def batch(
        self, old: Position, new: Position, current_at: datetime
    ) -> AbstractAsyncContextManager[Batch]:
        """Begin a transaction that moves the checkpoint. Raises FenceLostError."""
        ...

    async def mark_current(self, position: Position, at: datetime) -> None:
        """Note that at that moment there was nothing beyond `position`. Raises FenceLostError."""
        ...

    async def measure(self) -> None:
        """Have the database count anew what its plans for reading go by."""
        ...

    async def halt(self, reason: str | None) -> None:
        """Keep the reason why the projector refuses to go on where status shows it, or clear it."""
        ...

    async def close(self) -> None:
        """Give the partition back."""
        ...


class RetryTables(PartitionTables, Protocol):
    """A partition of the live tables that is held still, for rooms in it to be made anew. Reads
    go on; all that is done becomes true together."""

    @property
    def reached(self) -> Position:
        """Where the live projection stands, and what is made anew must end."""
        ...

    async def dead(self) -> Sequence[SetAside]:
        """The events that are set aside, in order."""
        ...

    async def forget(self, room_id: str) -> None:
        """Take out all that the tables hold of a room, events that are set aside too."""
        ...


class ShadowTables(Protocol):
    """A second set of the tables, filled from the log beside the live one."""

    async def partition(self, partition: int) -> PartitionTables:
        """The shadow's tables for one partition."""
        ...

    async def complete(self) -> None:
        """Add the indexes and constraints that were left out to fill it faster."""
        ...

    async def live(self) -> Sequence["LivePosition"]:
        """Where the live projection stands; it may move on at once."""
        ...

    def held(self) -> AbstractAsyncContextManager[Sequence["LivePosition"]]:
        """Keep the live projection from moving (reads go on), and say where it stands.

        Inside, `snapshot` and `swap` act on exactly that state.
        """
        ...

    async def snapshot(self) -> None:
        """Hold on to both sets of tables as they stand now, for `differences`."""
        ...

    async def differences(self, examples_max: int) -> Sequence[Difference]:
        """How the live tables differ from these, at the snapshot, which is given up then."""
        ...

    async def swap(self) -> None:
        """Put these tables in the live ones' place, in one transaction; call inside `held`."""
        ...

    async def drop(self) -> None:
        """Remove them (after a swap: what was live before)."""
        ...


class LivePosition(msgspec.Struct, frozen=True):
    """Where the live projection of one partition stands."""

    partition: int
    position: Position


class ProjectionTables(Protocol):
    """The tables, for whoever fills them."""

    async def claim(self, partition: int) -> PartitionTables:
        """Wait until this is the only projector of the partition, and get its tables.

        Raises DatabaseUnavailableError, TablesMissingError.
        """
        ...

    def retrying(self, partition: int) -> AbstractAsyncContextManager[RetryTables | None]:
        """Hold a partition still for as long as the block takes; None where it has not begun. Then
        its projector begins anew from what has become true.

        Raises DatabaseUnavailableError, TablesMissingError.
        """
        ...

    async def shadow(self, name: str, *, durable: bool) -> ShadowTables:
        """New, empty tables beside the live ones; what an earlier run left of them is removed.

        Raises DatabaseUnavailableError, and BusyError where another one is being filled.
        """
        ...


class BusyError(Exception):
    """A rebuild or a verification is under way already."""
