"""A room's events as they are in the log, for readers."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import NamedTuple

from roomlog.core.admission import Patience
from roomlog.core.policy import Actor
from roomlog.core.upcasters import UnreadableEventError, room_event
from roomlog.ports import PAGE_BYTES_MAX, EventLog, LogEvent
from roomlog.services.byte_budget import ByteBudget
from roomlog.services.readers import Readers
from roomlog.services.room_cache import LiveRoom
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.events import RoomEvent
from roomlog_contract.trail import RecordKind

PART_BYTES_MIN = 64 * 1024
PART_BYTES_MAX = 1024 * 1024


class EventService:
    """Reads a room's events from the log. Raises RefusedError, LogUnavailableError."""

    def __init__(
        self, *, log: EventLog, readers: Readers, patience: Patience | None = None
    ) -> None:
        """`patience` says how long a reader of parts may wait before it has any."""
        self._log = log
        self.readers = readers
        self._made = ByteBudget(patience or Patience(0), ErrorCode.LOG_UNAVAILABLE)

    @property
    def epoch(self) -> str:
        """The log's identity."""
        return self._log.epoch

    async def open_room(
        self, actor: Actor, room_id: str, kind: RecordKind = RecordKind.FOLLOWED
    ) -> LiveRoom:
        """The room, if the actor may read it. `kind` is what a record of it says."""
        return await self.readers.open(actor, room_id, kind)

    async def head(self, room_id: str, min_sequence: int | None = None) -> int:
        """The room's head as the log says now. Raises `invalid` where `min_sequence` is above."""
        head = await self._log.last_sequence(room_id)
        if min_sequence is not None and min_sequence > head:
            raise RefusedError(
                ErrorCode.INVALID, "lies above the room's head", field="min_sequence"
            )
        return head

    async def events(
        self, room_id: str, *, after: int, up_to: int | None = None
    ) -> AsyncGenerator[list[RoomEvent], None]:
        """The room's events after a sequence, oldest first, in batches, to the log's end.

        What can't be read is left out and linked over: `prev_sequence` names the event before
        it that a reader has seen.
        """
        chain = _Chain()
        async for batch in self._log.read(room_id, after=after, up_to=up_to):
            readable = list(chain.readable(batch))
            if readable:
                yield readable

    async def page(
        self, actor: Actor, room_id: str, *, after: int, up_to: int, limit: int
    ) -> tuple[list[RoomEvent], bool]:
        """The first of the same, at most `limit`, fewer where they come to PAGE_BYTES_MAX; and
        whether there are more."""
        items: list[RoomEvent] = []
        position, size_bytes, chain = after, 0, _Chain()
        async with self._made.page(actor.user_id, limit):
            while position < up_to and len(items) <= limit:
                if items and size_bytes >= PAGE_BYTES_MAX:
                    break
                batch = await self._log.read_part(
                    room_id,
                    after=position,
                    up_to=up_to,
                    bytes_max=min(PART_BYTES_MAX, max(1, PAGE_BYTES_MAX - size_bytes)),
                    linked=position > after,
                )
                position = batch[-1].sequence if batch else up_to
                size_bytes += sum(len(logged.data) for logged in batch)
                items += chain.readable(batch)
        more = len(items) > limit or position < up_to
        del items[limit:]
        return items, more

    def parts(
        self, actor: Actor, room_id: str, *, after: int, up_to: int, refusable: bool = True
    ) -> "EventParts":
        """The same for a reader who may be slow: nothing is held for it, or read, before it asks.

        Parts of all readers share MADE_BYTES_MAX, and readers take turns at it. `refusable`: the
        first is refused where that takes too long.
        """
        first = Part(room_id, after, up_to, PART_BYTES_MIN)
        return EventParts(self._log, self._made, actor.user_id, first, refusable=refusable)


class Part(NamedTuple):
    """What is to be read next: events of a room after a sequence and up to another one."""

    room_id: str
    after: int
    up_to: int
    bytes_max: int


class EventParts:
    """A room's events, part by part: small ones first, and larger ones for who has taken those."""

    def __init__(
        self, log: EventLog, made: ByteBudget, caller: str, first: Part, *, refusable: bool
    ) -> None:
        self._log = log
        self._made = made
        self._caller = caller
        self._part = first
        self._refusable = refusable
        self._linked = False
        self._chain = _Chain()

    @property
    def position(self) -> int:
        """The sequence up to which everything has been given."""
        return self._part.after

    @property
    def at_end(self) -> bool:
        """Whether there is nothing more."""
        return self._part.after >= self._part.up_to

    async def next(self) -> list[RoomEvent]:
        """The next events; none where none of those can be read.

        To be encoded or dropped before anything else is waited for: from here on they are counted
        nowhere. Raises LogUnavailableError, and RefusedError before anything was read.
        """
        room_id, after, up_to, bytes_max = self._part
        async with self._made.share(self._caller, bytes_max, refusable=self._refusable):
            batch = await self._log.read_part(
                room_id, after=after, up_to=up_to, bytes_max=bytes_max, linked=self._linked
            )
        self._refusable, self._linked = False, True
        position = batch[-1].sequence if batch else up_to
        self._part = Part(room_id, position, up_to, min(2 * bytes_max, PART_BYTES_MAX))
        return list(self._chain.readable(batch))


class _Chain:
    """Events that link to each other, without those that can't be read."""

    def __init__(self) -> None:
        self._linked = 0

    def readable(self, batch: Sequence[LogEvent]) -> Iterator[RoomEvent]:
        for logged in batch:
            event = _readable(logged, self._linked or logged.prev_sequence)
            if event is not None:
                yield event
                self._linked = event.sequence
            elif not self._linked:
                self._linked = logged.prev_sequence


def _readable(logged: LogEvent, prev_sequence: int) -> RoomEvent | None:
    try:
        return room_event(logged.sequence, prev_sequence, logged.data)
    except UnreadableEventError:
        return None
