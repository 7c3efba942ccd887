"""Brings existing chat into the log: read what is there, append what is missing.

Ids are made of what an entry says (or of the id that it gives), so that any run of an import
finds what earlier ones appended, and one that was killed is simply run again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec

from roomlog.core import chat_items
from roomlog.core.chat_items import (
    BadEntryError,
    ChatDeletion,
    ChatEdit,
    ChatItem,
    ChatMember,
    ChatMessage,
    ChatPassage,
    ChatReaction,
    ChatRoom,
    Entry,
    ExportedMessage,
)
from roomlog.core.decide import MEMBERS_MAX, Fact, stamp
from roomlog.core.room_state import evolve_stored
from roomlog.core.upcasters import UnreadableEventError, decode_body, decode_event
from roomlog.ports import EVENT_BYTES_MAX, EventLog, NewEvent, RoomNotEmptyError
from roomlog.services import identity
from roomlog.services.import_ledger import ImportLedger
from roomlog_contract.fold import RoomState
from roomlog_contract.stored import MemberBody, MessageRedactedBody, decode_envelope
from roomlog_contract.types import RoomStatus

IMPORTING_USER = "import@roomlog"
ROOMS_MAX = 100_000
_BATCH_EVENTS_MAX = 256
_BATCH_BYTES_MAX = 1024 * 1024
_APPENDS_IN_FLIGHT_MAX = 8
_PENDING_EVENTS_MAX = 8192
_PENDING_BYTES_MAX = 16 * 1024 * 1024
_ENTRIES_PER_TURN = 64
_REDACTED = b""  # in place of the digest of what is gone

OnBadEntry = Callable[[str, str], None]
OnProgress = Callable[["ImportReport"], None]


class ImportReport(msgspec.Struct):
    """What an import did: what the file holds, messages of it in the log already, events
    appended (of rooms and members too) and entries that were left out."""

    rooms: int = 0
    messages: int = 0
    edits: int = 0
    reactions: int = 0
    events_added: int = 0
    already_there: int = 0
    skipped: int = 0


class ImportStoppedError(Exception):
    """An entry could not be imported. Everything before it is in the log, nothing after it."""

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(detail)
        self.place = place
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

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def run(
        self,
        entries: Iterable[Entry],
        *,
        names: Mapping[str, str] | None = None,
        on_bad_entry: OnBadEntry | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImportReport:
        """Import entries and say what was done; when it returns, all is on disk.

        `names`: what users are called, by id; it may grow while entries are taken. A bad entry
        is told to `on_bad_entry` and left out; without it, ImportStoppedError. `on_progress` is
        called after every few entries.
        """
        with ImportLedger() as ledger:
            run = _Run(self._log, ledger, names or {})
            try:
                await run.take_all(entries, on_bad_entry, on_progress)
            except ImportStoppedError:
                await run.finish()
                raise
            finally:
                await run.settle()
            return run.report


class _Run:
    def __init__(self, log: EventLog, ledger: ImportLedger, names: Mapping[str, str]) -> None:
        self.report = ImportReport()
        self._log = log
        self._ledger = ledger
        self._names = names
        self._rooms: dict[str, _Room] = {}
        self._pending_events = 0
        self._pending_bytes = 0
        self._slots = asyncio.Semaphore(_APPENDS_IN_FLIGHT_MAX)

    async def take_all(
        self,
        entries: Iterable[Entry],
        on_bad_entry: OnBadEntry | None,
        on_progress: OnProgress | None,
    ) -> None:
        for turn, (place, said) in enumerate(entries, 1):
            try:
                if isinstance(said, BadEntryError):
                    raise said
                for item in said:
                    await self._take(item)
            except BadEntryError as error:
                if on_bad_entry is None:
                    raise ImportStoppedError(place, str(error)) from error
                self.report.skipped += 1
                on_bad_entry(place, str(error))
            if turn % _ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
                if on_progress is not None:
                    on_progress(self.report)
        await self.finish()
        if on_progress is not None:
            on_progress(self.report)

    async def _take(self, item: ChatItem) -> None:
        room = self._rooms.get(item.room) or await self._open(item.room)
        match item:
            case ChatRoom():
                self._begin(room, item.room, item.at, item.title)
            case ChatMember():
                self._join(room, item.user, item.room, item.at)
            case ChatMessage():
                self._say(room, item)
                self.report.messages += 1
            case ChatPassage():
                self._pass(room, item)
                self.report.messages += 1
            case ChatEdit():
                self._change(room, item, f"edit:{item.target}:{item.at}")
                self.report.edits += 1
            case ChatDeletion():
                self._change(room, item, f"delete:{item.target}")
            case ChatReaction():
                self._change(room, item, f"react:{item.target}:{item.emoji}:{item.actor}")
                self.report.reactions += 1
        await self._flush_where_full(room)

    async def _open(self, name: str) -> _Room:
        if len(self._rooms) >= ROOMS_MAX:
            raise BadEntryError(f"room: one import takes at most {ROOMS_MAX} rooms")
        room_id = identity.named_room_id(name)
        state: RoomState | None = None
        async for batch in self._log.read(room_id, after=0):
            for logged in batch:
                state = evolve_stored(state, logged.sequence, logged.data)
                self._note_stored(room_id, logged.data)
        room = self._rooms[name] = _Room(room_id, state)
        self.report.rooms += 1
        return room

    def _note_stored(self, room_id: str, data: bytes) -> None:
        try:
            stored = decode_event(data)
            body = decode_body(stored)
            if isinstance(body, MessageRedactedBody):
                # What was redacted is not brought in again, whatever the file has of it.
                self._ledger.note(decode_envelope(body.redacted_envelope).id, _REDACTED)
        except (UnreadableEventError, msgspec.DecodeError):
            return
        self._ledger.note(stored.id, bytes.fromhex(body.digest or ""))
        if isinstance(body, MemberBody) and stored.type == "member.added":
            self._ledger.note(_event_id(room_id, f"member:{body.user_id}"), b"")

    def _say(self, room: _Room, message: ChatMessage) -> None:
        digest = identity.request_digest(("import", message))
        short = bytes.fromhex(digest)
        if message.source_id is None:
            key = f"line:{digest}:{self._ledger.occurrence(short)}"
        else:
            key = f"id:{message.source_id}"
        known = self._ledger.digest_of(_event_id(room.room_id, key))
        if known is not None:
            same = known in {short, _REDACTED} or isinstance(message, ExportedMessage)
            if not same:
                raise BadEntryError(
                    f"id: {message.source_id!r} was used for another message before"
                )
            self.report.already_there += 1
            return
        reply_to = message.reply_to and _event_id(room.room_id, f"id:{message.reply_to}")
        fact = chat_items.message_fact(message, reply_to)
        event = self._event(room, key, fact, actor=message.sender, at=message.at, digest=digest)
        self._join(room, message.sender, message.room, message.at)
        self._put(room, event, short)

    def _pass(self, room: _Room, passage: ChatPassage) -> None:
        key = f"id:{passage.source_id}"
        if self._ledger.digest_of(_event_id(room.room_id, key)) is not None:
            self.report.already_there += 1
            return
        if passage.joined and passage.user not in room.members:
            self._check_members(room)
            fact = chat_items.member_fact(passage.user, self._names.get(passage.user))
            self._ledger.note(_event_id(room.room_id, f"member:{passage.user}"), b"")
            room.members.add(passage.user)
        elif not passage.joined and passage.user in room.members:
            fact = chat_items.left_fact(passage.user)
            room.members.discard(passage.user)
        else:
            fact = chat_items.passage_fact(passage)
        self._begin(room, passage.room, passage.at)
        self._put(room, self._event(room, key, fact, actor=passage.actor, at=passage.at))

    def _change(self, room: _Room, item: ChatEdit | ChatDeletion | ChatReaction, key: str) -> None:
        if self._ledger.digest_of(_event_id(room.room_id, key)) is None:
            fact = chat_items.change_fact(item, _event_id(room.room_id, f"id:{item.target}"))
            event = self._event(room, key, fact, actor=item.actor, at=item.at)
            self._join(room, item.actor, item.room, item.at)
            self._put(room, event)

    def _begin(self, room: _Room, name: str, at: str, title: str | None = None) -> None:
        """Put the room's own event before everything else."""
        if room.begins and not room.members:
            room.members.add(IMPORTING_USER)
            self._put_own(room, chat_items.room_fact(name, title), "room", at)

    def _join(self, room: _Room, user: str, name: str, at: str) -> None:
        """Put a member's event before the first that they did."""
        self._begin(room, name, at)
        key = f"member:{user}"
        # A member who was removed since an earlier import stays removed.
        if user in room.members or self._ledger.digest_of(_event_id(room.room_id, key)) is not None:
            return
        self._check_members(room)
        room.members.add(user)
        self._put_own(room, chat_items.member_fact(user, self._names.get(user)), key, at)

    def _check_members(self, room: _Room) -> None:
        if len(room.members) >= MEMBERS_MAX:
            raise BadEntryError(f"sender: a room has at most {MEMBERS_MAX} members")

    def _put_own(self, room: _Room, fact: Fact, key: str, at: str) -> None:
        if self._ledger.digest_of(_event_id(room.room_id, key)) is None:
            self._put(room, self._event(room, key, fact, actor=IMPORTING_USER, at=at))

    def _event(
        self, room: _Room, key: str, fact: Fact, *, actor: str, at: str, digest: str | None = None
    ) -> NewEvent:
        if room.closed:
            raise BadEntryError("room: it is closed and takes no more messages")
        mark = identity.new_stamp(_event_id(room.room_id, key), digest)
        event = NewEvent(mark.id, stamp(fact, room.room_id, actor, at, mark))
        if len(event.data) > EVENT_BYTES_MAX:
            raise BadEntryError(f"the message is larger than {EVENT_BYTES_MAX} bytes")
        return event

    def _put(self, room: _Room, event: NewEvent, digest: bytes = b"") -> None:
        self._ledger.note(event.event_id, digest)
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


def _event_id(room_id: str, key: str) -> str:
    # One actor for all: a reply names only the id of what it answers, not who had said that.
    return identity.keyed_event_id(room_id, IMPORTING_USER, key)
