"""Messages: load -> decide -> append, and the reads of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

import msgspec

from roomlog.core import decide
from roomlog.core.admission import Patience
from roomlog.core.decide import Limits
from roomlog.core.highlight import highlight
from roomlog.core.policy import Actor
from roomlog.core.search_query import parse_search
from roomlog.core.upcasters import room_event
from roomlog.core.views import message_response
from roomlog.ports import Clock, EventLog, MessageQuery, ReadModel, SearchPlace
from roomlog.services.aftermath import appended_already
from roomlog.services.byte_budget import ByteBudget
from roomlog.services.effects import Effect, Effects
from roomlog.services.limiter import Limited
from roomlog.services.notice_service import NoticeService
from roomlog.services.past import AsOf, place_in_log, with_erased
from roomlog.services.progress import WRITE_WAIT_S, KnownHead, ProjectionProgress
from roomlog.services.readers import Readers
from roomlog.services.room_cache import LiveRoom, RoomCache
from roomlog.services.trail import Reading
from roomlog.services.writer import Appending, Command, Receipt, Writer
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import Fold, MessageState
from roomlog_contract.trail import RecordKind
from roomlog_contract.types import MessageType, SearchOrder

STATS_USERS_MAX = 100


class MessageFilter(msgspec.Struct, frozen=True):
    """Which messages of a room, and as of when: see MessageQuery."""

    limit: int = rs.PAGE_LIMIT_DEFAULT
    before: int | None = None
    after: int | None = None
    before_timestamp: datetime | None = None
    message_type: MessageType | None = None
    sender_id: str | None = None
    as_of: AsOf | None = None


class FoundMessage(NamedTuple):
    """A message as the tables had it at `checkpoint`, and its room."""

    room: LiveRoom
    message: MessageState
    checkpoint: int


class MessageService:
    """Sends, edits, deletes and reads messages. All methods raise RefusedError,
    LogUnavailableError and, where the tables are needed, DatabaseUnavailableError."""

    def __init__(
        self,
        *,
        log: EventLog,
        read_model: ReadModel,
        rooms: RoomCache,
        readers: Readers,
        writer: Writer,
        effects: Effects,
        progress: ProjectionProgress,
        clock: Clock,
        limits: Limits,
        notices: NoticeService,
        made: ByteBudget | None = None,
    ) -> None:
        """`made` bounds the pages that are made at the same time."""
        self._made = made or ByteBudget(Patience(0), ErrorCode.DATABASE_UNAVAILABLE)
        self._log = log
        self._read_model = read_model
        self._rooms = rooms
        self._readers = readers
        self._writer = writer
        self._effects = effects
        self._progress = progress
        self._clock = clock
        self._limits = limits
        self._notices = notices

    def begin_message(
        self, actor: Actor, room_id: str, command: rs.MessageCreate, key: str | None
    ) -> Appending | None:
        """Begin to send a message, where that takes asking nobody; else None, and nothing has
        happened: `create_message` does and says what is right.

        Once its `appended` is done, `message_sent` says what became of it.
        """
        room = self._rooms.followed(room_id)
        if room is None:
            return None
        return self._writer.begin_at_once(
            self._sending(room, actor, command, key),
            lambda: [decide.send(room.state, actor, command, self._limits)],
        )

    def message_sent(self, begun: Appending) -> Receipt | None:
        """What became of a message whose append is done; None where only the log can tell, which
        `conclude_message` asks."""
        receipt = self._writer.receipt_of(begun)
        if receipt is not None:
            self._tell_mentioned(begun.command, receipt)
        return receipt

    async def conclude_message(self, begun: Appending) -> Receipt:
        """What became of a message that was begun, as soon as it is known."""
        receipt = await self._writer.conclude(begun)
        self._tell_mentioned(begun.command, receipt)
        return receipt

    async def create_message(
        self, actor: Actor, room_id: str, command: rs.MessageCreate, key: str | None
    ) -> Receipt:
        """Send a message. When this returns, it is fsynced in the log."""
        room = await self._rooms.open(room_id)
        asked = self._sending(room, actor, command, key)
        receipt = await self._writer.write(
            asked,
            lambda: [decide.send(room.state, actor, command, self._limits)],
            refresh=room.refresh,
        )
        assert receipt is not None
        self._tell_mentioned(asked, receipt)
        return receipt

    @staticmethod
    def _sending(
        room: LiveRoom, actor: Actor, command: rs.MessageCreate, key: str | None
    ) -> Command:
        limited = (Limited.MESSAGES, room.state)
        return Command(room.room_id, actor, key, ("send", command), limited=limited)

    def _tell_mentioned(self, asked: Command, receipt: Receipt) -> None:
        assert asked.limited is not None
        self._notices.mentioned(asked.limited[1], asked.actor, receipt)

    async def sent_answer(self, receipt: Receipt) -> tuple[rs.MessageResponse, bool]:
        """The message as its sending made it, and whether the tables have it by now."""
        projected = await self._is_projected(receipt)
        with appended_already():
            room = await self._rooms.open(receipt.room_id)
        fold = Fold(room.state)
        fold.apply(room_event(receipt.sequence, 0, receipt.data))
        return message_response(fold.messages[receipt.event_id]), projected

    async def _is_projected(self, receipt: Receipt) -> bool:
        return await self._progress.reached(receipt.room_id, receipt.sequence, WRITE_WAIT_S)

    async def edit_message(
        self,
        actor: Actor,
        message_id: str,
        command: rs.MessageEdit,
        *,
        expected_version: int | None = None,
        key: str | None = None,
        room_id: str | None = None,
    ) -> Effect:
        """Edit a message (of room `room_id`, where given); the effect is the fold's word."""
        found = await self._load(message_id, room_id)
        room, message = found.room, found.message
        now = self._clock.now()
        receipt = await self._writer.write(
            Command(
                room.room_id,
                actor,
                key,
                ("edit", message.message_id, command, expected_version),
                limited=(Limited.CHANGES, room.state),
            ),
            lambda: [
                decide.edit(
                    room.state,
                    message,
                    actor,
                    command,
                    expected_version=expected_version,
                    now=now,
                    limits=self._limits,
                )
            ],
            refresh=room.refresh,
        )
        assert receipt is not None
        before = message.metadata.get(decide.MENTIONS_FIELD, ())
        effect = await self._effects.of(receipt)
        self._notices.mentioned(room.state, actor, effect.receipt, before)
        return effect

    async def delete_message(
        self,
        actor: Actor,
        message_id: str,
        command: rs.MessageDelete,
        *,
        expected_version: int | None = None,
        key: str | None = None,
        room_id: str | None = None,
    ) -> Effect:
        """Delete a message: hidden from the present, kept in the log."""
        found = await self._load(message_id, room_id)
        room, message = found.room, found.message
        receipt = await self._writer.write(
            Command(
                room.room_id,
                actor,
                key,
                ("delete", message.message_id, command, expected_version),
                limited=(Limited.CHANGES, room.state),
            ),
            lambda: [
                decide.delete(
                    room.state, message, actor, command, expected_version=expected_version
                )
            ],
            refresh=room.refresh,
        )
        assert receipt is not None
        return await self._effects.of(receipt)

    async def changed_answer(self, effect: Effect) -> rs.MessageResponse:
        """The message right after an edit or deletion."""
        return await self._effects.message(effect)

    async def _load(self, message_id: str, room_id: str | None) -> FoundMessage:
        return await find_message(
            message_id, room_id, self._read_model, self._progress, self._rooms
        )

    async def get_messages(
        self,
        actor: Actor,
        room_id: str,
        asked: MessageFilter,
        min_sequence: int | None = None,
    ) -> tuple[rs.RoomPage[rs.MessageResponse], bool]:
        """A page, newest first (oldest first with `after`), and whether there are more. `next` is
        left to the caller.

        `head` of a page of the past is the room's last event that it shows.
        """
        kind, past = RecordKind.HISTORY_READ, asked.as_of is not None
        room = await self._open(actor, Reading(kind, room_id, past=past), min_sequence)
        waited = await self._waited(room, asked.as_of, min_sequence)
        async with (
            self._made.page(actor.user_id, asked.limit),
            self._reading(room, asked, waited) as (tables, query, head),
        ):
            items, more = await tables.messages(query)
        if not past:
            head = max(head, *(item.version for item in items), 0)
        return rs.RoomPage(items, None, head, self._log.epoch), more

    async def search_messages(
        self,
        actor: Actor,
        room_id: str,
        text: str,
        asked: MessageFilter,
        order: SearchOrder = SearchOrder.NEWEST,
        *,
        at: SearchPlace | None = None,
        min_sequence: int | None = None,
    ) -> tuple[rs.RoomPage[rs.SearchHit], SearchPlace | None]:
        """A page of messages that match `text` (see `core.search_query`), and where the next one
        begins. `next` of the page is left to the caller; its `head` as in `get_messages`."""
        sought = parse_search(text)
        kind, past = RecordKind.SEARCHED, asked.as_of is not None
        room = await self._open(actor, Reading(kind, room_id, past=past), min_sequence)
        waited = await self._waited(room, asked.as_of, min_sequence)
        async with self._made.page(actor.user_id, asked.limit):
            async with self._reading(room, asked, waited) as (tables, query, head):
                found = await tables.search(query, sought, order, at)
            hits = [
                rs.SearchHit(hit.message, highlight(hit.message.content, sought, hit.marked))
                for hit in found.hits
            ]
        return rs.RoomPage(hits, None, head, self._log.epoch), found.following

    async def get_stats(
        self, actor: Actor, room_id: str, min_sequence: int | None = None
    ) -> rs.RoomStats:
        """A room in numbers."""
        room = await self._open(actor, Reading(RecordKind.STATS_READ, room_id), min_sequence)
        known = await self._progress.known_head(room, min_sequence)
        async with self._progress.reading(known) as (tables, head):
            numbers = await tables.room_numbers(room_id, users_max=STATS_USERS_MAX)
        return rs.RoomStats(
            room_id=room_id,
            messages=numbers.messages,
            by_type={MessageType(kind): count for kind, count in numbers.by_type.items()},
            by_user=[rs.UserCount(user, count) for user, count in numbers.by_user],
            users=numbers.users,
            edits=numbers.edits,
            deletions=numbers.deletions,
            reactions=numbers.reactions,
            head=head,
            epoch=self._log.epoch,
        )

    async def get_message(
        self,
        actor: Actor,
        room_id: str,
        message_id: str,
        min_sequence: int | None = None,
        as_of: AsOf | None = None,
    ) -> rs.MessageResponse:
        """One message as it stands, or as it stood then."""
        message_id = decide.uuid(message_id, "message_id")
        kind, past = RecordKind.MESSAGE_READ, as_of is not None
        await self._open(actor, Reading(kind, room_id, message_id, past), min_sequence)
        if as_of is None:
            return await self._message(self._read_model, room_id, message_id)
        place = await place_in_log(self._log, self._progress, room_id, as_of)
        async with self._past(room_id, as_of, place) as (tables, then):
            return await self._message(tables, room_id, message_id, then)

    @staticmethod
    async def _message(
        tables: ReadModel, room_id: str, message_id: str, then: int | None = None
    ) -> rs.MessageResponse:
        message = await tables.message(message_id, as_of=then)
        if message is None or message.room_id != room_id:
            raise RefusedError(ErrorCode.NOT_FOUND, "no such message in this room")
        return message

    async def get_versions(
        self,
        actor: Actor,
        room_id: str,
        message_id: str,
        *,
        after: int,
        limit: int,
        min_sequence: int | None = None,
    ) -> rs.RoomPage[rs.MessageVersion]:
        """What a message said, oldest first; of a deleted one for auditors and admins only."""
        message_id = decide.uuid(message_id, "message_id")
        reading = Reading(RecordKind.VERSIONS_READ, room_id, message_id)
        room = await self._open(actor, reading, min_sequence)
        known = await self._progress.known_head(room, min_sequence)
        async with (
            self._made.page(actor.user_id, limit),
            self._progress.reading(known) as (tables, head),
        ):
            message = await self._message(tables, room_id, message_id)
            items = await tables.versions(message.message_id, after=after, limit=limit)
        if message.deleted_at is not None:
            await self._readers.require_deleted(actor, room, message_id)
        return rs.RoomPage(items, None, head, self._log.epoch)

    async def _open(self, actor: Actor, reading: Reading, min_sequence: int | None) -> LiveRoom:
        """The room that is read, if the actor may, with the tables at `min_sequence` at least."""
        assert reading.room_id is not None
        room = await self._readers.open(
            actor,
            reading.room_id,
            reading.kind,
            message_id=reading.message_id,
            past=reading.past,
        )
        await self._progress.require(room.room_id, min_sequence)
        return room

    async def still_at(self, actor: Actor, room_id: str, head: int, epoch: str) -> bool:
        """Whether nothing has come to be in the room since the sequence `head` of that epoch.

        Raises RefusedError where the actor may not read the room, DatabaseUnavailableError where
        the tables could not be read either.
        """
        room = await self._readers.open(actor, room_id, RecordKind.HISTORY_READ)
        if room.position != head or epoch != self._log.epoch:
            return False
        await self._read_model.answers()
        return await room.feed.settled() and room.position == head

    async def _waited(
        self, room: LiveRoom, as_of: AsOf | None, min_sequence: int | None
    ) -> KnownHead | int:
        """What a page needs beside the tables: the room's head, or the place of a moment. It is
        waited for before the page takes anything that others may wait for."""
        if as_of is None:
            return await self._progress.known_head(room, min_sequence)
        return await place_in_log(self._log, self._progress, room.room_id, as_of)

    @asynccontextmanager
    async def _reading(
        self, room: LiveRoom, asked: MessageFilter, waited: KnownHead | int
    ) -> AsyncGenerator[tuple[ReadModel, MessageQuery, int]]:
        """The tables for the reads of a page, what to ask them, and the head that the page shows."""
        if isinstance(waited, KnownHead):
            async with self._progress.reading(waited) as (tables, head):
                yield tables, _query(room, asked, None), head
        else:
            assert asked.as_of is not None
            async with self._past(room.room_id, asked.as_of, waited) as (tables, then):
                yield tables, _query(room, asked, then), then

    @asynccontextmanager
    async def _past(
        self, room_id: str, as_of: AsOf, place: int
    ) -> AsyncGenerator[tuple[ReadModel, int]]:
        """The tables for the reads of one answer, and the sequence of the last event by then, of
        which the log has `place`."""
        async with self._read_model.reading() as tables:
            yield tables, await with_erased(tables, room_id, as_of, place)


def _query(room: LiveRoom, asked: MessageFilter, then: int | None) -> MessageQuery:
    narrowed = msgspec.structs.replace(asked, as_of=then)
    return MessageQuery(room_id=room.room_id, **msgspec.structs.asdict(narrowed))


async def find_message(
    message_id: str,
    room_id: str | None,
    read_model: ReadModel,
    progress: ProjectionProgress,
    rooms: RoomCache,
) -> FoundMessage:
    """A message's state and its room. One that was only just sent is waited for.

    Raises RefusedError `not_found`, also where the message is not of room `room_id`, and
    `projection_behind` where the tables are too far behind to tell.
    """
    message_id = decide.uuid(message_id, "message_id")
    state, checkpoint = await read_model.message_state(message_id)
    if state is None:
        caught_up = await progress.catch_up(room_id, WRITE_WAIT_S)
        state, checkpoint = await read_model.message_state(message_id)
        if state is None and not caught_up:
            raise RefusedError(
                ErrorCode.PROJECTION_BEHIND,
                "whether there is such a message can't be told until the tables catch up",
                retry_after_s=1,
            )
    if state is None or (room_id is not None and state.room_id != room_id):
        raise RefusedError(ErrorCode.NOT_FOUND, "no such message")
    return FoundMessage(await rooms.open(state.room_id), state, checkpoint)
