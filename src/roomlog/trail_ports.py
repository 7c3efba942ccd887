"""The audit trail as services need it, as a Protocol; `roomlog.jetstream.trail` implements it. And
what trees are grown from, which the log is, and the trail.

To put something on the trail, call `services.trail.Trail`, which `main.py` wires: it makes the
record (id, time, limits) and appends it here.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from roomlog.ports import Appended, LogEvent, PartitionState
from roomlog_contract.trail import RecordKind
from roomlog_contract.types import GlobalRole

TRAIL_PARTITION = -1
"""The trail's number where the trees number partitions."""


class NewRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A record about to be appended: `AuditRecord` without its place.

    Encoded as JSON it is what the trail stores, and, behind its sequence, its leaf in the trail's
    tree. `v` is the version of that form.
    """

    v: int
    id: str
    kind: RecordKind
    actor: str
    roles: tuple[GlobalRole, ...] = ()
    at: str
    until: str | None = None
    room_id: str | None = None
    message_id: str | None = None
    past: bool = False
    detail: str | None = None


class RecordFilter(msgspec.Struct, frozen=True):
    """Which records: all where everything is None. `since` and `until` (both inclusive) are times
    of the append, by the log's clock."""

    room_id: str | None = None
    actor: str | None = None
    kind: RecordKind | None = None
    since: datetime | None = None
    until: datetime | None = None


class LeafLog(Protocol):
    """What trees are grown from, and proofs are made for: a part of EventLog, which see."""

    @property
    def epoch(self) -> str:
        """The identity of the log."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions the epoch has."""
        ...

    def partition_of(self, room_id: str) -> int:
        """Which partition a room is in."""
        ...

    def read(self, room_id: str, *, after: int) -> AsyncIterator[Sequence[LogEvent]]:
        """A room's events after a sequence."""
        ...

    def read_partition(
        self, partition: int, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """All events of a partition after a sequence."""
        ...

    async def last_sequence(self, room_id: str) -> int:
        """The sequence of a room's newest event, 0 where there is none."""
        ...

    async def partition_state(self, partition: int) -> PartitionState:
        """What the stream says of itself now."""
        ...


class AuditTrail(Protocol):
    """The trail: appended to, read, never changed. Its stream denies deletion and purging.

    Every method raises LogUnavailableError when it is away.
    """

    async def append(self, record: NewRecord) -> Appended:
        """Append a record; return when it is fsynced.

        The same id within the stream's duplicate window (120 s) is appended once. Where this
        raises, what was to be recorded must not be done.
        """
        ...

    def read(
        self, asked: RecordFilter, *, after: int = 0, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """Records after a sequence of the trail (up to another), oldest first, in batches, to its
        end; each as its stored bytes, under `TRAIL_ID` for a room."""
        ...

    async def last(self, asked: RecordFilter) -> LogEvent | None:
        """The newest record of exactly that room (None: of none), actor and kind, which both must
        be given; None where there is none."""
        ...

    async def state(self) -> PartitionState:
        """What the stream says of itself now."""
        ...
