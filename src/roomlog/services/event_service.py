"""A room's events as they are in the log, for readers."""

from collections.abc import AsyncGenerator

from roomlog.core.policy import Actor
from roomlog.core.upcasters import UnreadableEventError, room_event
from roomlog.ports import EventLog, LogEvent
from roomlog.services.readers import Readers
from roomlog.services.room_cache import LiveRoom
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.events import RoomEvent
from roomlog_contract.trail import RecordKind


class EventService:
    """Reads a room's events from the log. Raises RefusedError, LogUnavailableError."""

    def __init__(self, *, log: EventLog, readers: Readers) -> None:
        self._log = log
        self.readers = readers

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
        linked = 0
        async for batch in self._log.read(room_id, after=after, up_to=up_to):
            readable: list[RoomEvent] = []
            for logged in batch:
                event = _readable(logged, linked or logged.prev_sequence)
                if event is not None:
                    readable.append(event)
                    linked = event.sequence
                elif not linked:
                    linked = logged.prev_sequence
            if readable:
                yield readable


def _readable(logged: LogEvent, prev_sequence: int) -> RoomEvent | None:
    try:
        return room_event(logged.sequence, prev_sequence, logged.data)
    except UnreadableEventError:
        return None
