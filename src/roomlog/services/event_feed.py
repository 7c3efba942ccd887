"""One reader's live feed of a room: everything after a sequence, then what comes.

Memory is bounded whatever the reader does: up to WAITING_EVENTS_MAX live events wait for it, and
where it was more, they are read from the log instead, a batch at a time as they are taken.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence

import msgspec

from roomlog.core import policy
from roomlog.core.policy import Act, Actor
from roomlog.services.event_service import EventParts, EventService
from roomlog.services.room_cache import LiveRoom
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.events import RoomEvent

WAITING_EVENTS_MAX = 256
FEEDS_MAX = 2000
READINGS_MAX = 400
_RETRY_AFTER_S = 5.0


class OpenStreams:
    """How many streams of one kind this worker serves: `most` at once, half of them to one caller.
    Who serves one counts it."""

    def __init__(self, most: int, name: str) -> None:
        """`name` is what they are called, where there are too many."""
        self._most = most
        self._name = name
        self._of: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there are."""
        return self._of.total()

    def require_room_for_one(self, actor: Actor) -> None:
        """Raise RefusedError `rate_limited` where there is none for this caller."""
        if self.count >= self._most or self._of[actor.user_id] >= self._most // 2:
            raise RefusedError(
                ErrorCode.RATE_LIMITED, f"too many {self._name}", retry_after_s=_RETRY_AFTER_S
            )

    @contextlib.contextmanager
    def one(self, actor: Actor) -> Generator[None]:
        """Count one of the caller's for the block."""
        self._of[actor.user_id] += 1
        try:
            yield
        finally:
            self._of[actor.user_id] -= 1
            if not self._of[actor.user_id]:
                del self._of[actor.user_id]


class EventFeed:
    """A room as one reader follows it, from `after` (a sequence) on. Used on the event loop."""

    def __init__(self, events: EventService, actor: Actor, room: LiveRoom, after: int) -> None:
        self._events = events
        self._actor = actor
        self._room = room
        self._position = self._linked = after
        self._waiting: list[RoomEvent] = []
        self._parts: EventParts | None = None
        self._floor = 0
        self._came = asyncio.Event()

    async def batches(self, tick_s: float) -> AsyncGenerator[Sequence[RoomEvent], None]:
        """Events in order, each once, without a gap, as often as there are any; and nothing,
        an empty batch, every `tick_s` seconds in which there are none.

        Ends when the room is not followed any more (the log is another one now). Raises
        RefusedError once the reader may not read the room, LogUnavailableError.
        """
        self._floor = self._room.position
        self._room.listeners.append(self._on_events)
        try:
            while await self._may_go_on():
                # Not by a name, under which it would be held for as long as nobody takes it.
                if self._position < self._floor:
                    yield await self._from_log()
                else:
                    yield await self._from_live(tick_s)
        finally:
            if self._on_events in self._room.listeners:
                self._room.listeners.remove(self._on_events)

    def _on_events(self, events: Sequence[RoomEvent]) -> None:
        self._waiting.extend(events)
        if len(self._waiting) > WAITING_EVENTS_MAX:
            self._floor = self._waiting[-1].sequence
            self._waiting.clear()
        self._came.set()

    async def _may_go_on(self) -> bool:
        room = await self._events.open_room(self._actor, self._room.room_id)
        return room is self._room

    def _require(self) -> None:
        policy.require(Act.READ, self._actor, self._room.state)

    async def _from_log(self) -> Sequence[RoomEvent]:
        if self._parts is None:
            self._parts = self._events.parts(
                self._actor,
                self._room.room_id,
                after=self._position,
                up_to=self._floor,
                refusable=False,
            )
        parts = self._parts
        followed = self._followed(await parts.next())
        if parts.at_end:
            # What is left up to there can't be read, or was erased.
            self._position = max(self._position, parts.position)
            self._parts = None
        return followed

    async def _from_live(self, tick_s: float) -> Sequence[RoomEvent]:
        if not self._waiting:
            self._came.clear()
            try:
                async with asyncio.timeout(tick_s):
                    await self._came.wait()
            except TimeoutError:
                return ()
        self._require()
        if self._position < self._floor:
            return ()
        waiting, self._waiting = self._waiting, []
        return self._followed([event for event in waiting if event.sequence > self._position])

    def _followed(self, batch: list[RoomEvent]) -> Sequence[RoomEvent]:
        """The batch, linked to what was given before it."""
        if batch:
            if self._linked < batch[0].prev_sequence:
                # What lies between can't be read: linked over, as within one read.
                batch[0] = msgspec.structs.replace(batch[0], prev_sequence=self._linked)
            self._position = self._linked = batch[-1].sequence
        return batch
