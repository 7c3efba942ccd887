"""Try events that were set aside once more, after what was wrong has been put right.

What came after such an event was judged without it: an edit of a message that nobody knew had no
effect. So its whole room is made anew from the log, up to where the tables are.
"""

from collections.abc import AsyncIterator, Sequence
from typing import cast

import msgspec

from roomlog.core.room_state import encode_snapshot
from roomlog.memory_ports import RoomSnapshot, SnapshotStore
from roomlog.ports import EventLog, LogEvent, PartitionState
from roomlog.projection_ports import ProjectionTables, RetryTables, SetAside
from roomlog.projector.decoding import decode, is_canonical_id
from roomlog.projector.partition import Committed, PartitionProjector

BATCH_EVENTS_MAX = 1000


class Retried(msgspec.Struct, frozen=True):
    """An event that was tried once more. `error`: why it is still set aside; None where it is not."""

    partition: int
    sequence: int
    room_id: str
    event_id: str | None
    error: str | None


async def retry(
    log: EventLog, tables: ProjectionTables, snapshots: SnapshotStore
) -> Sequence[Retried]:
    """Try all events that are set aside once more; what became of each.

    The live projection of a partition pauses while its rooms are made anew; reads go on. Either
    all of a partition becomes true or nothing. Raises ProjectorHaltedError, TablesMissingError,
    DatabaseUnavailableError, LogUnavailableError.
    """
    found: list[Retried] = []
    for partition in range(log.partitions):
        made: list[tuple[str, RoomSnapshot]] = []
        async with tables.retrying(partition) as held:
            if held is None:
                continue
            before = await held.dead()
            for room_id in await _worth_a_try(log, before):
                snapshot = await _make_anew(log, held, room_id)
                if snapshot is not None:
                    made.append((room_id, snapshot))
            after = {one.sequence: one.error for one in await held.dead()}
        found += [
            Retried(partition, one.sequence, one.room_id, one.event_id, after.get(one.sequence))
            for one in before
        ]
        for room_id, snapshot in made:
            await snapshots.put(room_id, snapshot)
    return found


async def _worth_a_try(log: EventLog, dead: Sequence[SetAside]) -> Sequence[str]:
    """The rooms with an event that can be read by now, or that was erased meanwhile."""
    rooms: dict[str, None] = {}
    for one in dead:
        if one.room_id in rooms or not is_canonical_id(one.room_id):
            continue
        logged = await log.event_at(one.room_id, one.sequence)
        if logged is None or not isinstance(decode(logged), SetAside):
            rooms[one.room_id] = None
    return list(rooms)


async def _make_anew(log: EventLog, held: RetryTables, room_id: str) -> RoomSnapshot | None:
    """Make a room's rows anew; its state for workers that start cold."""
    last: Committed | None = None

    async def note(committed: Committed) -> None:
        nonlocal last
        last = committed

    room_only = cast("EventLog", _OneRoom(log, room_id))
    projector = PartitionProjector(
        room_only, held, batch_events_max=BATCH_EVENTS_MAX, on_committed=note
    )
    await projector.begin()
    await held.forget(room_id)
    await projector.catch_up(held.reached.sequence)
    if last is None or room_id not in last.projected.rooms:
        return None
    state = encode_snapshot(last.projected.rooms[room_id])
    return RoomSnapshot(held.reached.epoch, last.position.sequence, state)


class _OneRoom:
    """A log's partition as if one room were all that it held."""

    def __init__(self, log: EventLog, room_id: str) -> None:
        self._log = log
        self._room_id = room_id

    async def partition_state(self, partition: int) -> PartitionState:
        """As the whole partition's."""
        return await self._log.partition_state(partition)

    def read_partition(
        self, partition: int, *, after: int, up_to: int | None = None
    ) -> AsyncIterator[Sequence[LogEvent]]:
        """The room's events."""
        del partition
        return self._log.read(self._room_id, after=after, up_to=up_to)
