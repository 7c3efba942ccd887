"""Rooms as this node follows them: state and position in memory, kept by the log itself.

A room is loaded from a snapshot and what came after it in the log, without PostgreSQL, and then
kept by the live feed. Everyone on the node who needs the room shares this one feed.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from roomlog.core import policy
from roomlog.core.policy import Act, Actor
from roomlog.core.room_state import changes_room, decode_snapshot, evolve_stored
from roomlog.core.upcasters import UnreadableEventError, is_readable, room_event
from roomlog.memory_ports import SnapshotStore
from roomlog.ports import EventLog, Feed, LogEvent, LogUnavailableError
from roomlog.services.tail import Tail, Tails
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.events import MessageRedacted, RoomEvent
from roomlog_contract.fold import RoomState

ROOMS_MAX = 20_000

RoomListener = Callable[[Sequence[RoomEvent]], None]


class LiveRoom:
    """One room on this node. `state` and `position` (a sequence) move with the live feed.

    `changed_at`: no event above this sequence has changed the state. `tail` holds the newest
    events that can be read.
    """

    def __init__(self, room_id: str, tails: Tails) -> None:
        self.room_id = room_id
        self.position = 0
        self.changed_at = 0
        self.listeners: list[RoomListener] = []
        self.appended_ns = 0  # by the log's clock: of the newest event handed to the listeners
        self.tail = Tail(0, tails)
        self._tails = tails
        self._state: RoomState | None = None
        self._linked = 0
        self._feed: Feed | None = None
        self._loaded = False

    @property
    def state(self) -> RoomState:
        """The room as of `position`."""
        if self._state is None:
            raise RefusedError(ErrorCode.NOT_FOUND, "no such room")
        return self._state

    @property
    def feed(self) -> Feed:
        """The live feed. Only for a room that was opened."""
        assert self._feed is not None
        return self._feed

    async def refresh(self) -> None:
        """Have the state as the log has it now: the feed may be a little behind.

        Raises LogUnavailableError.
        """
        await self.feed.check()

    async def require(self, act: Act, actor: Actor) -> None:
        """Raise RefusedError `forbidden` unless the actor may do that, by the log as it is now.

        Raises LogUnavailableError where that can't be asked before a refusal.
        """
        if not policy.allows(act, actor, self.state):
            await self.refresh()
            policy.require(act, actor, self.state)

    async def load(self, log: EventLog, snapshots: SnapshotStore) -> None:
        """Follow the room and bring its state up to date. Raises RefusedError `not_found`."""
        if await log.last_sequence(self.room_id) == 0:
            raise RefusedError(ErrorCode.NOT_FOUND, "no such room")
        self._feed = await log.follow(self.room_id, self._on_events)
        try:
            snapshot = await snapshots.get(self.room_id)
            if (
                snapshot is not None
                and snapshot.epoch == log.epoch
                and snapshot.sequence <= self._feed.position
                and (state := decode_snapshot(snapshot.state)) is not None
            ):
                self._state, self.position = state, snapshot.sequence
                self.changed_at = snapshot.sequence
            await self._catch_up(log, self._feed)
            _ = self.state
        except BaseException:
            await self._feed.close()
            raise

    async def _catch_up(self, log: EventLog, feed: Feed) -> None:
        # The newest event is always read: live events must link to the last readable one. What
        # comes live meanwhile is left in the log, so that nothing has to be buffered here.
        state_at = self.position
        self.position = min(state_at, feed.position - 1)
        read = True
        while read and self.position < feed.position:
            read = False
            async for batch in log.read(self.room_id, after=self.position):
                read = True
                for event in batch:
                    if event.sequence > state_at:
                        self._evolve(event)
                last = batch[-1]
                self.position = last.sequence
                readable = is_readable(last.data)
                self._linked = last.sequence if readable else self._linked or last.prev_sequence
        self.position = max(self.position, feed.position)
        self.tail = Tail(self.position, self._tails)
        self._loaded = True

    def _evolve(self, event: LogEvent) -> None:
        if changes_room(event.data):
            self._state = evolve_stored(self._state, event.sequence, event.data)
            self.changed_at = event.sequence

    def _take(self, event: LogEvent) -> RoomEvent | None:
        self._evolve(event)
        self.position = event.sequence
        try:
            # Links over what cannot be read, so that nobody takes it for a gap.
            readable = room_event(event.sequence, self._linked or event.prev_sequence, event.data)
        except UnreadableEventError:
            self._linked = self._linked or event.prev_sequence
            return None
        self._linked = event.sequence
        self.tail.append(readable, len(event.data))
        if isinstance(readable.event, MessageRedacted):
            self.tail.forget()  # what was said is gone from here, too
        return readable

    def _on_events(self, events: Sequence[LogEvent]) -> None:
        if not self._loaded:
            return
        new = (event for event in events if event.sequence > self.position)
        readable = [r for event in new if (r := self._take(event)) is not None]
        if readable:
            self.appended_ns = events[-1].appended_ns
            for listener in tuple(self.listeners):
                listener(readable)

    async def close(self) -> None:
        """Stop following."""
        self.listeners.clear()
        self.tail.forget()
        if self._feed is not None:
            await self._feed.close()


class RoomCache:
    """The rooms that this node follows, least recently used first out when nobody listens."""

    def __init__(
        self, log: EventLog, snapshots: SnapshotStore, *, rooms_max: int = ROOMS_MAX
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._rooms_max = rooms_max
        self._tails = Tails()
        self._rooms: OrderedDict[str, LiveRoom] = OrderedDict()
        self._loading: dict[str, asyncio.Task[LiveRoom]] = {}
        self._cleared = 0

    def followed(self, room_id: str) -> LiveRoom | None:
        """The room, if this node follows it already."""
        return self._rooms.get(room_id)

    async def open(self, room_id: str) -> LiveRoom:
        """The room, followed and up to date with the log as of now or a little before.

        Raises RefusedError `not_found`, LogUnavailableError.
        """
        room = self._rooms.get(room_id)
        if room is not None:
            self._rooms.move_to_end(room_id)
            return room
        task = self._loading.get(room_id)
        if task is None:
            task = asyncio.create_task(self._load(room_id))
            self._loading[room_id] = task
            task.add_done_callback(lambda done: self._loaded(room_id, done))
        return await asyncio.shield(task)

    async def _load(self, room_id: str) -> LiveRoom:
        room, cleared = LiveRoom(room_id, self._tails), self._cleared
        await room.load(self._log, self._snapshots)
        if cleared != self._cleared:
            await room.close()
            raise LogUnavailableError("the log became another one while the room was read")
        self._rooms[room_id] = room
        await self._evict()
        return room

    def _loaded(self, room_id: str, done: asyncio.Task[LiveRoom]) -> None:
        self._loading.pop(room_id, None)
        if not done.cancelled():
            done.exception()  # whoever still waits gets it; nobody may be left

    async def _evict(self) -> None:
        excess = len(self._rooms) - self._rooms_max
        if excess <= 0:
            return
        idle = [r for r in self._rooms.values() if not r.listeners][:excess]
        for room in idle:
            # Somebody may have begun to listen while another one was closed.
            if not room.listeners and self._rooms.get(room.room_id) is room:
                del self._rooms[room.room_id]
                await room.close()

    async def clear(self) -> None:
        """Forget all rooms: the log is another one now."""
        self._cleared += 1
        rooms, self._rooms = list(self._rooms.values()), OrderedDict()
        for room in rooms:
            await room.close()
