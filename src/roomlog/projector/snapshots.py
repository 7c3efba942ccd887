"""Room snapshots for workers that start cold, kept a little behind the projection."""

import asyncio
import logging
from collections import OrderedDict

from roomlog.core.room_state import encode_snapshot
from roomlog.memory_ports import RoomSnapshot, SnapshotStore
from roomlog.ports import LogUnavailableError
from roomlog.projector.partition import Committed
from roomlog.together import end_task

EVENTS_PER_SNAPSHOT = 1000
ROOMS_COUNTED_MAX = 20_000

_log = logging.getLogger(__name__)


class SnapshotKeeper:
    """Puts the newest state of rooms that changed, or had many events since the last time.

    Snapshots only save time: one that can't be put is left out, and its room's next one comes.
    """

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self._waiting: dict[str, RoomSnapshot] = {}
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin putting in the background."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what still waits is left out."""
        if self._task is not None:
            await end_task(self._task)

    def take(self, committed: Committed) -> None:
        """Note what a committed batch did to its rooms."""
        last: dict[str, int] = {}
        for event in committed.events:
            last[event.room_id] = event.sequence
            self._counts[event.room_id] = self._counts.get(event.room_id, 0) + 1
        for room_id, sequence in last.items():
            room = committed.projected.rooms.get(room_id)
            changed = room_id in committed.projected.changed
            if room is None or not (changed or self._counts[room_id] >= EVENTS_PER_SNAPSHOT):
                self._counts.move_to_end(room_id)
                continue
            del self._counts[room_id]
            self._waiting[room_id] = RoomSnapshot(
                committed.position.epoch, sequence, encode_snapshot(room)
            )
        while len(self._counts) > ROOMS_COUNTED_MAX:
            self._counts.popitem(last=False)
        while len(self._waiting) > ROOMS_COUNTED_MAX:
            del self._waiting[next(iter(self._waiting))]
        if self._waiting:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                room_id = next(iter(self._waiting))
                snapshot = self._waiting.pop(room_id)
                try:
                    await self._store.put(room_id, snapshot)
                except LogUnavailableError as error:
                    _log.warning("a room's snapshot was not kept: %s", error)
                    await asyncio.sleep(1.0)
