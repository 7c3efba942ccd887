"""Where an event stands whose id may have been used before: by the tables, or by the log itself.

The tables know every id. While they are away or behind, the room's own events are read instead, so
that sends go on whatever their keys look like; only rooms of very many events must wait.
"""

import asyncio
from collections import OrderedDict

import msgspec

from roomlog.core.upcasters import UnreadableEventError, decode_body, decode_event
from roomlog.ports import DatabaseUnavailableError, EventLog, ReadModel
from roomlog.services.progress import WRITE_WAIT_S, ProjectionProgress
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.stored import Envelope, MessageRedactedBody

TABLES_WAIT_S = 0.5
TABLES_REST_S = 2.0
ROOM_IDS_MAX = 50_000
IDS_MAX = 200_000
_KEYED = "5"  # the version of an id that was made from a key
_VERSION_AT = 14

_envelope_decoder = msgspec.json.Decoder(Envelope)


class _RoomIds:
    """The sequences of a room's keyed events by their ids, as far as `position`."""

    def __init__(self) -> None:
        self.position = 0
        self.by_id: dict[str, int] = {}
        self.too_many = False
        self.reading = asyncio.Lock()


class UsedIds:
    """Finds events by their ids. Used on the event loop only."""

    def __init__(self, log: EventLog, read_model: ReadModel, progress: ProjectionProgress) -> None:
        self._log = log
        self._read_model = read_model
        self._progress = progress
        self._rooms: OrderedDict[str, _RoomIds] = OrderedDict()
        self._epoch = log.epoch
        self._tables_rest_until_s = 0.0

    async def find(self, room_id: str, event_id: str, *, up_to_now: bool) -> int | None:
        """The sequence of the event with this id; None where none was appended before the log's
        own duplicate window, or, `up_to_now`, none at all.

        Raises LogUnavailableError and, where the tables are away or too far behind and the room
        has too many events to be read instead, DatabaseUnavailableError or RefusedError
        `projection_behind`.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._tables_rest_until_s:
            found = await self._in_log(room_id)
            if found is not None:
                return found.get(event_id)
        asking = asyncio.create_task(self._in_tables(room_id, event_id, up_to_now=up_to_now))
        asking.add_done_callback(_retrieve)
        wait_s = TABLES_WAIT_S + (WRITE_WAIT_S if up_to_now else 0)
        await asyncio.wait([asking], timeout=wait_s)
        if asking.done() and not _tells_nothing(asking):
            self._rooms.clear()
            return asking.result()
        self._tables_rest_until_s = loop.time() + TABLES_REST_S
        found = await self._in_log(room_id)
        return await asking if found is None else found.get(event_id)

    async def _in_tables(self, room_id: str, event_id: str, *, up_to_now: bool) -> int | None:
        if not up_to_now:
            await self._progress.require_memory_of_ids(room_id)
        else:
            head = await self._log.last_sequence(room_id)
            if head and not await self._progress.wait(room_id, head, WRITE_WAIT_S):
                raise RefusedError(
                    ErrorCode.PROJECTION_BEHIND,
                    "whether this key was used before can't be told until the tables catch up",
                    retry_after_s=2,
                )
        record = await self._read_model.find_event(event_id)
        return None if record is None else record.sequence

    async def _in_log(self, room_id: str) -> dict[str, int] | None:
        """The room's keyed events as the log has them now; None where there are too many."""
        if self._epoch != self._log.epoch:
            self._epoch = self._log.epoch
            self._rooms.clear()
        room = self._rooms.setdefault(room_id, _RoomIds())
        self._rooms.move_to_end(room_id)
        async with room.reading:
            if not room.too_many:
                await self._read_on(room_id, room)
        self._forget_oldest()
        return None if room.too_many else room.by_id

    async def _read_on(self, room_id: str, room: _RoomIds) -> None:
        async for batch in self._log.read(room_id, after=room.position):
            for event in batch:
                for event_id, sequence in _ids_of(event.sequence, event.data):
                    room.by_id.setdefault(event_id, sequence)
            room.position = batch[-1].sequence
            if len(room.by_id) > ROOM_IDS_MAX:
                room.too_many = True
                room.by_id.clear()
                return

    def _forget_oldest(self) -> None:
        while len(self._rooms) > 1 and sum(len(r.by_id) for r in self._rooms.values()) > IDS_MAX:
            self._rooms.popitem(last=False)


def _ids_of(sequence: int, data: bytes) -> list[tuple[str, int]]:
    """The keyed ids that stored bytes tell of: the event's own, and that of one it erased."""
    try:
        stored = decode_event(data)
        found = [(stored.id, sequence)]
        if stored.type == "message.redacted":
            body = decode_body(stored)
            assert isinstance(body, MessageRedactedBody)
            erased = _envelope_decoder.decode(body.redacted_envelope)
            found.append((erased.id, body.redacted_sequence))
    except (UnreadableEventError, msgspec.MsgspecError):
        return []
    return [one for one in found if one[0][_VERSION_AT : _VERSION_AT + 1] == _KEYED]


def _tells_nothing(asking: "asyncio.Task[int | None]") -> bool:
    error = asking.exception()
    return isinstance(error, DatabaseUnavailableError | RefusedError)


def _retrieve(asking: "asyncio.Task[int | None]") -> None:
    if not asking.cancelled():
        asking.exception()  # whoever still waits gets it; nobody may be left
