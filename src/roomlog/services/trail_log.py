"""The audit trail in the shape of a log's partition, so that the same trees and the same proofs
are made of it as of rooms: one tree, whose leaves are its records."""

from collections.abc import AsyncIterator, Sequence

from roomlog.ports import EventLog, LogEvent, PartitionState
from roomlog.trail_ports import TRAIL_PARTITION, AuditTrail, RecordFilter

_EVERYTHING = RecordFilter()


class TrailLog:
    """The port LeafLog. The trail has one partition, TRAIL_PARTITION, and one "room", TRAIL_ID."""

    def __init__(self, log: EventLog, trail: AuditTrail) -> None:
        self._log = log
        self._trail = trail

    @property
    def epoch(self) -> str:
        """That of the log: both begin a new one together."""
        return self._log.epoch

    @property
    def partitions(self) -> int:
        """See LeafLog."""
        return 1

    def partition_of(self, room_id: str) -> int:  # noqa: ARG002 - it holds no other
        """See LeafLog."""
        return TRAIL_PARTITION

    async def last_sequence(self, room_id: str) -> int:  # noqa: ARG002 - it holds no other
        """See LeafLog."""
        return (await self._trail.state()).last_sequence

    async def partition_state(self, partition: int) -> PartitionState:  # noqa: ARG002 - same
        """See LeafLog."""
        return await self._trail.state()

    def read(self, room_id: str, *, after: int) -> AsyncIterator[Sequence[LogEvent]]:  # noqa: ARG002
        """See LeafLog."""
        return self._trail.read(_EVERYTHING, after=after)

    def read_partition(
        self,
        partition: int,  # noqa: ARG002 - it has one
        *,
        after: int,
        up_to: int | None = None,
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """See LeafLog."""
        return self._trail.read(_EVERYTHING, after=after, up_to=up_to)
