"""A log in memory of which events can be taken away and changed, and its trees by definition."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec

from roomlog.ports import LogEvent, PartitionState
from tests.core import naive_tree
from tests.integration.projector.memory_log import MemoryLog, fact_bytes

ROOMS = [f"0192f0c1-2b3c-7d4e-8f50-61728394000{n}" for n in range(1, 6)]
_BODY = b',"body":{'


def event_id(number: int) -> str:
    return str(UUID(int=number))


class HoledLog(MemoryLog):
    """What audit uses of EventLog. What was appended is remembered, whatever becomes of it."""

    def __init__(self, *, partitions: int = 1, epoch: str = "epoch 1") -> None:
        super().__init__(partitions=partitions, epoch=epoch)
        self.appended: dict[str, list[tuple[int, bytes]]] = {}
        self.ends = [0] * partitions

    def say(self, room_id: str, content: str) -> int:
        """Append a message; return its sequence."""
        number = sum(len(several) for several in self.appended.values()) + 1
        data = fact_bytes(
            room_id,
            event_id(number),
            "message.sent",
            content=content,
            message_type="text",
            metadata={},
            reply_to=None,
        )
        return self.append_bytes(room_id, data)

    def append_bytes(self, room_id: str, data: bytes) -> int:
        partition = self.partition_of(room_id)
        sequence = self.ends[partition] + 1
        self.ends[partition] = sequence
        self.events[partition].append(
            LogEvent(sequence, 0, room_id, data, 1_700_000_000_000_000_000 + sequence)
        )
        self.appended.setdefault(room_id, []).append((sequence, data))
        return sequence

    def explain(self, room_id: str, sequence: int, envelope: bytes | None = None) -> int:
        """Append the redaction of the event at `sequence`; the event is still there."""
        data = dict(self.appended[room_id])[sequence]
        said = msgspec.json.decode(data)
        redaction = fact_bytes(
            room_id,
            event_id(10_000 + self.ends[self.partition_of(room_id)]),
            "message.redacted",
            about=said["id"],
            redacted_sequence=sequence,
            redacted_envelope=(envelope or envelope_of(data)).decode(),
            reason=None,
        )
        return self.append_bytes(room_id, redaction)

    def erase(self, room_id: str, sequence: int) -> None:
        partition = self.partition_of(room_id)
        self.events[partition] = [e for e in self.events[partition] if e.sequence != sequence]

    def change(self, room_id: str, sequence: int, data: bytes) -> None:
        partition = self.partition_of(room_id)
        self.events[partition] = [
            LogEvent(sequence, 0, room_id, data, e.appended_ns) if e.sequence == sequence else e
            for e in self.events[partition]
        ]

    def leaves(self, room_id: str) -> list[bytes]:
        """The leaves of the room as it was appended."""
        return [
            sequence.to_bytes(8, "big") + envelope_of(data)
            for sequence, data in self.appended[room_id]
        ]

    def root(self, room_id: str) -> bytes:
        return naive_tree.root(self.leaves(room_id))

    async def partition_state(self, partition: int) -> PartitionState:
        state = await super().partition_state(partition)
        return msgspec.structs.replace(state, last_sequence=self.ends[partition])

    async def last_sequence(self, room_id: str) -> int:
        events = self.events[self.partition_of(room_id)]
        return max((e.sequence for e in events if e.room_id == room_id), default=0)

    async def read(self, room_id: str, *, after: int) -> AsyncIterator[Sequence[LogEvent]]:
        async for batch in self.read_partition(self.partition_of(room_id), after=after):
            yield [event for event in batch if event.room_id == room_id]


def envelope_of(data: bytes) -> bytes:
    """By hand: in an envelope's strings no quote stands without its backslash."""
    return data[: data.index(_BODY)] + b"}"
