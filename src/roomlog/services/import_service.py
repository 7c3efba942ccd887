"""Brings existing chat into the log: read what is there, append what is missing.

Ids are made of what a line says (or of the id that it gives), so that any run of an import
finds what earlier ones appended, and one that was killed is simply run again.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from roomlog.core import chat_import
from roomlog.core.chat_import import BadLineError, ChatMessage, parse_line
from roomlog.core.decide import MEMBERS_MAX, Fact, Limits, Stamp, stamp
from roomlog.core.room_state import evolve_stored
from roomlog.core.upcasters import UnreadableEventError, decode_body, decode_event
from roomlog.ports import EVENT_BYTES_MAX, EventLog, NewEvent, RoomNotEmptyError
from roomlog.services import identity
from roomlog.services.import_ledger import ImportLedger
from roomlog_contract.fold import RoomState
from roomlog_contract.types import RoomStatus

IMPORTING_USER = "import@roomlog"
ROOMS_MAX = 100_000
_BATCH_EVENTS_MAX = 256
_BATCH_BYTES_MAX = 1024 * 1024
_APPENDS_IN_FLIGHT_MAX = 8
_PENDING_EVENTS_MAX = 8192
_PENDING_BYTES_MAX = 16 * 1024 * 1024
_LINES_PER_TURN = 64

OnBadLine = Callable[[int, str], None]
OnProgress = Callable[["ImportReport"], None]


class ImportReport(msgspec.Struct):
    """What an import did: `messages` in the file, those of them in the log already, events
    appended (rooms, members and messages) and lines that were left out."""

    rooms: int = 0
    messages: int = 0
    events_added: int = 0
    already_there: int = 0
    skipped: int = 0


class ImportStoppedError(Exception):
    """A line could not be imported. Everything before it is in the log, nothing after it."""

    def __init__(self, line_number: int, detail: str) -> None:
        super().__init__(detail)
        self.line_number = line_number
        self.detail = detail


class ImportConflictError(Exception):
    """Somebody else wrote into a room that this import was about to begin."""


class _Room:
    """A room while it is imported into. At most one append to it is under way, which keeps the
    order of its messages whatever becomes of one of them."""

    def __init__(self, room_id: str, state: RoomState | None) -> None:
        self.room_id = room_id
        self.begins = state is None
        self.closed = state is not None and state.status is RoomStatus.CLOSED
        self.members = set(state.members) if state is not None else set[str]()
        self.pending: list[NewEvent] = []
        self.pending_bytes = 0
        self.appending: asyncio.Task[None] | None = None


class ImportService:
    """One import into a log. Every call of `run` is one; raises LogUnavailableError."""

    def __init__(self, log: EventLog, limits: Limits) -> None:
        self._log = log
        self._limits = limits

    async def run(
        self,
        lines: Iterable[tuple[int, bytes]],
        *,
        on_bad_line: OnBadLine | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImportReport:
        """Import numbered lines and say what was done; when it returns, all is on disk.

        A bad line is told to `on_bad_line` and left out; without it, ImportStoppedError.
        `on_progress` is called after every few lines.
        """
        with ImportLedger() as ledger:
            run = _Run(self._log, self._limits, ledger)
            try:
                await run.take_all(lines, on_bad_line, on_progress)
            except ImportStoppedError:
                await run.finish()
                raise
            finally:
                await run.settle()
            return run.report


class _Run:
    def __init__(self, log: EventLog, limits: Limits, ledger: ImportLedger) -> None:
        self.report = ImportReport()
        self._log = log
        self._limits = limits
        self._ledger = ledger
        self._rooms: dict[str, _Room] = {}
        self._pending_events = 0
        self._pending_bytes = 0
        self._slots = asyncio.Semaphore(_APPENDS_IN_FLIGHT_MAX)

    async def take_all(
        self,
        lines: Iterable[tuple[int, bytes]],
        on_bad_line: OnBadLine | None,
        on_progress: OnProgress | None,
    ) -> None:
        for turn, (number, line) in enumerate(lines, 1):
            try:
                await self._take(parse_line(line, self._limits))
            except BadLineError as error:
                if on_bad_line is None:
                    raise ImportStoppedError(number, str(error)) from error
                self.report.skipped += 1
                on_bad_line(number, str(error))
            if turn % _LINES_PER_TURN == 0:
                await asyncio.sleep(0)
                if on_progress is not None:
                    on_progress(self.report)
        await self.finish()
        if on_progress is not None:
            on_progress(self.report)

    async def _take(self, message: ChatMessage) -> None:
        room = self._rooms.get(message.room) or await self._open(message.room)
        digest = identity.request_digest(("import", message))
        short = bytes.fromhex(digest)
        if message.source_id is None:
            event_id = _event_id(room, f"line:{digest}:{self._ledger.occurrence(short)}")
        else:
            event_id = _event_id(room, f"id:{message.source_id}")
        known = self._ledger.digest_of(event_id)
        if known is not None and known != short:
            raise BadLineError(f"id: {message.source_id!r} was used for another message before")
        if known is None:
            self._check_room(room, message)
            reply_to = message.reply_to and _event_id(room, f"id:{message.reply_to}")
            fact = chat_import.message_fact(message, reply_to)
            mark = identity.new_stamp(event_id, digest)
            event = _event(room, fact, mark, message.sender, message.at)
            if len(event.data) > EVENT_BYTES_MAX:
                raise BadLineError(f"the message is larger than {EVENT_BYTES_MAX} bytes")
            self._begin_or_join(room, message)
            self._ledger.note(event_id, short)
            self._put(room, event)
            await self._flush_where_full(room)
        else:
            self.report.already_there += 1
        self.report.messages += 1

    async def _open(self, name: str) -> _Room:
        if len(self._rooms) >= ROOMS_MAX:
            raise BadLineError(f"room: one import takes at most {ROOMS_MAX} rooms")
        room_id = identity.named_room_id(name)
        state: RoomState | None = None
        async for batch in self._log.read(room_id, after=0):
            for logged in batch:
                state = evolve_stored(state, logged.sequence, logged.data)
                self._note_stored(logged.data)
        room = self._rooms[name] = _Room(room_id, state)
        self.report.rooms += 1
        return room

    def _note_stored(self, data: bytes) -> None:
        try:
            stored = decode_event(data)
            digest = decode_body(stored).digest or ""
        except UnreadableEventError:
            return
        self._ledger.note(stored.id, bytes.fromhex(digest))

    def _check_room(self, room: _Room, message: ChatMessage) -> None:
        if room.closed:
            raise BadLineError(f"room: {message.room!r} is closed and takes no more messages")
        if message.sender not in room.members and len(room.members) >= MEMBERS_MAX:
            raise BadLineError(f"sender: a room has at most {MEMBERS_MAX} members")

    def _begin_or_join(self, room: _Room, message: ChatMessage) -> None:
        """Put the room's own events before its first message, a member's before theirs."""
        if room.begins and not room.members:
            room.members.add(IMPORTING_USER)
            self._put_own(room, chat_import.room_fact(message.room), "room", message.at)
        if message.sender not in room.members:
            room.members.add(message.sender)
            fact = chat_import.member_fact(message.sender)
            self._put_own(room, fact, f"member:{message.sender}", message.at)

    def _put_own(self, room: _Room, fact: Fact, key: str, at: str) -> None:
        event_id = _event_id(room, key)
        # A member who was removed since an earlier import stays removed.
        if self._ledger.digest_of(event_id) is None:
            mark = identity.new_stamp(event_id, None)
            self._put(room, _event(room, fact, mark, IMPORTING_USER, at))

    def _put(self, room: _Room, event: NewEvent) -> None:
        room.pending.append(event)
        room.pending_bytes += len(event.data)
        self._pending_events += 1
        self._pending_bytes += len(event.data)

    async def _flush_where_full(self, room: _Room) -> None:
        if len(room.pending) >= _BATCH_EVENTS_MAX or room.pending_bytes >= _BATCH_BYTES_MAX:
            await self._flush(room)
        elif (
            self._pending_events >= _PENDING_EVENTS_MAX or self._pending_bytes >= _PENDING_BYTES_MAX
        ):
            for waiting in self._rooms.values():
                await self._flush(waiting)

    async def _flush(self, room: _Room) -> None:
        if room.appending is not None:
            await room.appending
        if room.pending:
            events, room.pending = room.pending, []
            self._pending_events -= len(events)
            self._pending_bytes -= room.pending_bytes
            room.pending_bytes = 0
            await self._slots.acquire()
            room.appending = asyncio.create_task(self._append(room, events))

    async def _append(self, room: _Room, events: list[NewEvent]) -> None:
        try:
            appended = await self._log.append(room.room_id, events, first=room.begins)
        except RoomNotEmptyError as error:
            raise ImportConflictError(
                "somebody else imported into the same room meanwhile: run the import again"
            ) from error
        finally:
            self._slots.release()
        room.begins = False
        self.report.events_added += sum(not one.duplicate for one in appended)

    async def finish(self) -> None:
        """Append all that was taken, and return when it is on disk."""
        for room in self._rooms.values():
            await self._flush(room)
        for room in self._rooms.values():
            if room.appending is not None:
                await room.appending

    async def settle(self) -> None:
        """Wait for what is under way, however it ends."""
        under_way = [room.appending for room in self._rooms.values() if room.appending is not None]
        await asyncio.gather(*under_way, return_exceptions=True)


def _event_id(room: _Room, key: str) -> str:
    # One actor for all: a reply names only the id of what it answers, not who had said that.
    return identity.keyed_event_id(room.room_id, IMPORTING_USER, key)


def _event(room: _Room, fact: Fact, mark: Stamp, actor: str, at: str) -> NewEvent:
    return NewEvent(mark.id, stamp(fact, room.room_id, actor, at, mark))
