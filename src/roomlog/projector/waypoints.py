"""Waypoints of rooms that changed often, left before anybody asks how they stood."""

import asyncio
import logging
from collections import Counter

from roomlog.memory_ports import SnapshotStore
from roomlog.ports import DatabaseUnavailableError, EventLog, LogUnavailableError, ReadModel
from roomlog.projector.partition import Committed
from roomlog.services.past import CHANGES_PER_WAYPOINT, leave_waypoints
from roomlog.together import end_task
from roomlog_contract import events as ev

ROOMS_COUNTED_MAX = 20_000
RETRY_S = 5.0
_ALL = 2**63 - 1
# What ReadModel.room_changes tells of.
_CHANGES = (
    ev.RoomCreated,
    ev.RoomUpdated,
    ev.MemberAdded,
    ev.MemberRoleChanged,
    ev.MemberRemoved,
    ev.MessageRedacted,
)

_log = logging.getLogger(__name__)


class WaypointKeeper:
    """Leaves the waypoints of rooms in which as much has changed as lies between two of them.

    It works a little behind the projection, a room at a time. When a partition begins to be
    projected, it goes through all its rooms that have changed so often: they may have none yet, or
    those of another log. Counts end with the process, so that up to twice as many changes may lie
    behind a room's last waypoint. Waypoints only save time: one that is not there is left by
    whoever needs it.
    """

    def __init__(self, log: EventLog, read_model: ReadModel, snapshots: SnapshotStore) -> None:
        self._log = log
        self._read_model = read_model
        self._snapshots = snapshots
        self._changes: Counter[str] = Counter()
        self._waiting: dict[str, str] = {}  # the epoch of the tables by room
        self._begun: dict[int, str] = {}  # the same by partition
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what still waits is left out."""
        if self._task is not None:
            await end_task(self._task)

    def begin(self, partition: int, epoch: str) -> None:
        """Note that the partition's tables are projected on, from the log of that epoch."""
        self._begun[partition] = epoch
        self._wake.set()

    def take(self, committed: Committed) -> None:
        """Note what a committed batch did to its rooms."""
        changed = Counter(
            event.room_id for event in committed.events if isinstance(event.event, _CHANGES)
        )
        self._changes.update(changed)
        for room_id in changed:
            if self._changes[room_id] >= CHANGES_PER_WAYPOINT:
                del self._changes[room_id]
                self._waiting[room_id] = committed.position.epoch
                self._wake.set()
        for counted in (self._changes, self._waiting):
            while len(counted) > ROOMS_COUNTED_MAX:
                del counted[next(iter(counted))]

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._work()
            except (DatabaseUnavailableError, LogUnavailableError) as error:
                _log.warning("waypoints of rooms that changed often are late: %s", error)
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def _work(self) -> None:
        if self._begun:
            often = await self._read_model.often_changed_rooms(CHANGES_PER_WAYPOINT)
            for room_id in often:
                epoch = self._begun.get(self._log.partition_of(room_id))
                if epoch is not None:
                    self._waiting[room_id] = epoch
            self._begun.clear()
        while self._waiting:
            room_id, epoch = next(iter(self._waiting.items()))
            if epoch == self._log.epoch:
                await leave_waypoints(self._log, self._read_model, self._snapshots, room_id, _ALL)
            # Not before it is done: what fails is tried again.
            self._waiting.pop(room_id, None)
