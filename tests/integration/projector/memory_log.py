"""A log in memory, for tests that need to do with it what no real log allows."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from zlib import crc32

from roomlog.core.decide import Fact, Stamp, stamp
from roomlog.memory_ports import RoomSnapshot
from roomlog.ports import LogEvent, LogUnavailableError, PartitionState
from roomlog_contract import events as ev
from roomlog_contract import stored as st
from tests.projections.event_streams import Step, stream

_APPENDED_NS = 1_700_000_000_000_000_000
_READ_BATCH = 7


class MemoryLog:
    """What the projector, and reads of past rooms, use of EventLog; `away` makes it unavailable."""

    def __init__(self, *, partitions: int = 1, epoch: str = "epoch 1") -> None:
        self.epoch = epoch
        self.partitions = partitions
        self.away = False
        self.events: list[list[LogEvent]] = [[] for _ in range(partitions)]
        self._resets: list[Callable[[], None]] = []

    def partition_of(self, room_id: str) -> int:
        return crc32(room_id.encode()) % self.partitions

    def put(self, room_id: str, data: bytes) -> int:
        """Append bytes; return their sequence."""
        events = self.events[self.partition_of(room_id)]
        sequence = events[-1].sequence + 1 if events else 1
        events.append(LogEvent(sequence, 0, room_id, data, _APPENDED_NS + sequence * 1_000_000))
        return sequence

    def reset(self, epoch: str) -> None:
        """Become another log."""
        self.epoch = epoch
        for listener in self._resets:
            listener()

    async def event_at(self, room_id: str, sequence: int) -> LogEvent | None:
        of_partition = self.events[self.partition_of(room_id)]
        found = (one for one in of_partition if one.sequence == sequence)
        return next((one for one in found if one.room_id == room_id), None)

    async def bytes_at(self, room_id: str, sequence: int) -> bytes | None:
        event = await self.event_at(room_id, sequence)
        return None if event is None else event.data

    async def partition_state(self, partition: int) -> PartitionState:
        self._check()
        events = self.events[partition]
        return PartitionState(
            partition=partition,
            stream=f"MEMORY_{partition}",
            epoch=self.epoch,
            first_sequence=events[0].sequence if events else 0,
            last_sequence=events[-1].sequence if events else 0,
            messages=len(events),
            bytes=0,
            deleted=0,
            created=datetime.now(UTC),
        )

    async def read_partition(
        self, partition: int, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        while True:
            self._check()
            batch = [
                event
                for event in self.events[partition]
                if event.sequence > after and (up_to is None or event.sequence <= up_to)
            ][:_READ_BATCH]
            if not batch:
                return
            yield batch
            after = batch[-1].sequence

    async def read(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        partition = self.partition_of(room_id)
        async for batch in self.read_partition(partition, after=after, up_to=up_to):
            yield [event for event in batch if event.room_id == room_id]

    def on_reset(self, listener: Callable[[], None]) -> None:
        self._resets.append(listener)

    def _check(self) -> None:
        if self.away:
            raise LogUnavailableError("the log is away")


class MemorySignals:
    """Signals within this process; `projected` keeps what was announced."""

    def __init__(self) -> None:
        self.projected: list[tuple[int, int]] = []
        self.wanted_listeners: list[Callable[[int], None]] = []

    async def on_appended(self, partition: int, listener: Callable[[int], None]) -> None:
        pass

    async def announce_projected(self, partition: int, sequence: int) -> None:
        self.projected.append((partition, sequence))

    async def on_projected(self, partition: int, listener: Callable[[int], None]) -> None:
        pass

    async def on_wanted(self, partition: int, listener: Callable[[int], None]) -> None:
        self.wanted_listeners.append(listener)


class MemorySnapshots:
    """Snapshots by room."""

    def __init__(self) -> None:
        self.kept: dict[str, RoomSnapshot] = {}

    async def get(self, key: str) -> RoomSnapshot | None:
        return self.kept.get(key)

    async def put(self, key: str, snapshot: RoomSnapshot) -> None:
        self.kept[key] = snapshot


_FIELDS = {
    "room.created": ("name", "title", "severity", "status"),
    "room.updated": ("title", "severity", "status"),
    "member.added": ("user_id", "role", "name"),
    "member.role_changed": ("user_id", "role"),
    "member.removed": ("user_id", "role"),
    "message.sent": ("content", "message_type", "metadata", "reply_to"),
    "message.edited": ("content", "metadata", "reason"),
    "message.deleted": ("reason",),
    "message.redacted": ("redacted_sequence", "redacted_envelope", "reason"),
    "reaction.added": ("emoji",),
    "reaction.removed": ("emoji",),
}


def stored(event: ev.RoomEvent) -> bytes:
    """The bytes of an event of the streams."""
    kind = event.event.__struct_config__.tag
    fields = {name: getattr(event.event, name) for name in _FIELDS[kind]}
    return st.encode_stored(
        type=kind,
        id=event.event.id,
        room_id=event.room_id,
        actor=event.event.actor,
        at=event.at,
        body=st.BODY_TYPES[kind](**fields, salt="00"),
        message_id=getattr(event.event, "message_id", None),
        expected_version=getattr(event.event, "expected_version", None),
    )


def log_of(taken: Sequence[Step], **settings: int) -> MemoryLog:
    """A log with the events of these steps, at the streams' own sequences."""
    log = MemoryLog(**settings)
    for event in stream(taken):
        partition = log.partition_of(event.room_id)
        appended_ns = _APPENDED_NS + event.sequence * 1_000_000
        log.events[partition].append(
            LogEvent(event.sequence, 0, event.room_id, stored(event), appended_ns)
        )
    return log


def fact_bytes(room_id: str, event_id: str, kind: str, actor: str = "ada@example.org", **body):
    """Stored bytes of one event; `about` is its message_id."""
    about = body.pop("about", None)
    return stamp(
        Fact(kind, body, about), room_id, actor, "2026-01-31T09:15:00.000Z", Stamp(event_id, "00")
    )
