"""Redaction: what a message said is removed, and what remains proves that it was said.

    find what said it -> record who does it on the audit trail -> append a `message.redacted` for
    each -> erase their bytes -> look again

The log itself says which events said it, from the message's own on; so nothing is left to tables
that may be behind. Each step may be the last before a crash. Until the append nothing has
happened; after it the finisher (`audit/finishing.py`) goes on, whoever began.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from roomlog.core import decide
from roomlog.core.policy import Act, Actor
from roomlog.core.policy import require as require_act
from roomlog.core.redaction import Said, SaidSoFar, redact, redaction_key, saying_in
from roomlog.core.times import rfc3339
from roomlog.core.upcasters import UnreadableEventError
from roomlog.core.views import message_response
from roomlog.erasing_ports import Eraser
from roomlog.ports import Clock, EventLog, LogUnavailableError, ReadModel
from roomlog.services.aftermath import appended_already
from roomlog.services.identity import keyed_event_id
from roomlog.services.message_service import find_message
from roomlog.services.progress import WRITE_WAIT_S, ProjectionProgress
from roomlog.services.room_cache import LiveRoom, RoomCache
from roomlog.services.said_in_log import said_in_log
from roomlog.services.trail import Trail
from roomlog.services.writer import Command, Receipt, Writer
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MessageState
from roomlog_contract.trail import RecordKind
from roomlog_contract.types import MessageType

SET_ASIDE = "dead"
_RETRY_AFTER_S = 1.0
_FRUITLESS_TIMES = 8


class Redacted(msgspec.Struct, frozen=True):
    """What a redaction did. `receipt` is that of its first append, None where all had been
    redacted before. `erased` are the events whose bytes it erased. `message` is what is left."""

    message: rs.MessageResponse
    receipt: Receipt | None
    erased: Sequence[int]
    projected: bool


class _Target(NamedTuple):
    """What is to be redacted: its room, what is known of the message, and the sequence after
    which it is spoken of."""

    room: LiveRoom
    message: MessageState
    after: int


class RedactionService:
    """Redacts messages. Raises as MessageService does."""

    def __init__(
        self,
        *,
        log: EventLog,
        eraser: Eraser,
        read_model: ReadModel,
        rooms: RoomCache,
        writer: Writer,
        progress: ProjectionProgress,
        trail: Trail,
        clock: Clock,
    ) -> None:
        self._log = log
        self._eraser = eraser
        self._read_model = read_model
        self._rooms = rooms
        self._writer = writer
        self._progress = progress
        self._trail = trail
        self._clock = clock

    async def redact_message(
        self, actor: Actor, message_id: str, command: rs.MessageRedact, key: str | None = None
    ) -> Redacted:
        """Remove all that a message said. Done again, it removes what came to be since. The id may
        be that of an event that the projector set aside, too.

        When this returns, the log's files hold it no more. Raises RefusedError: `log_unavailable`
        where it is on record and not erased yet, which is then done without being asked again.
        """
        return await self._redact(await self._find(actor, message_id), actor, command, key)

    async def redact_event(
        self, actor: Actor, room_id: str, sequence: int, command: rs.MessageRedact
    ) -> Redacted:
        """Remove all that the message said of which the room's event at `sequence` says something:
        for events without an id that anybody knows. Raises as `redact_message`."""
        return await self._redact(
            await self._find_event(actor, room_id, sequence), actor, command, None
        )

    async def _redact(
        self, target: _Target, actor: Actor, command: rs.MessageRedact, key: str | None
    ) -> Redacted:
        room, message, after = target
        first: Receipt | None = None
        last = 0
        erased: list[int] = []
        fruitless = 0
        while True:
            said, head = await said_in_log(self._log, room.room_id, message.message_id, after=after)
            last = max(last, *said.explained.values(), 0)
            try:
                receipts = await self._append(room, actor, command, key, said)
            except UnreadableEventError as error:
                raise _in_the_way(said) from error
            key = None
            for receipt in receipts:
                first = first or receipt
                last = max(last, receipt.sequence)
            if any(receipt.repeated for receipt in receipts) and said.unexplained():
                # The key was used before these were said, or another request is ahead: once or
                # twice, and not for good.
                fruitless += 1
                if fruitless == _FRUITLESS_TIMES:
                    raise _in_the_way(said)
                continue
            told = [one.sequence for one in said.said]
            await self._erase(room.room_id, told)
            erased += told
            if not told:
                break
            after = head  # somebody may have edited it meanwhile
        projected = await self._progress.reached(room.room_id, last, WRITE_WAIT_S)
        left = await self._left(message, projected=projected)
        return Redacted(left, first, erased, projected)

    async def _find(self, actor: Actor, message_id: str) -> _Target:
        try:
            found = await find_message(
                message_id, None, self._read_model, self._progress, self._rooms
            )
        except RefusedError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            record = await self._read_model.find_event(decide.uuid(message_id, "message_id"))
            if record is None or record.outcome != SET_ASIDE:
                raise
            return await self._find_event(actor, record.room_id, record.sequence)
        require_act(Act.REDACT, actor, found.room.state)
        await self._require_sent(found.room.room_id, found.message.sequence)
        return _Target(found.room, found.message, found.message.sequence - 1)

    async def _find_event(self, actor: Actor, room_id: str, sequence: int) -> _Target:
        """The same by an event, which may be one that nobody can read."""
        room = await self._rooms.open(room_id)
        require_act(Act.REDACT, actor, room.state)
        event = await self._log.event_at(room_id, sequence)
        if event is None:
            raise RefusedError(ErrorCode.NOT_FOUND, f"the room has no event at sequence {sequence}")
        saying = saying_in(event.data)
        if saying is None or saying.room_id != room_id or not _is_uuid(saying.message_id):
            raise RefusedError(
                ErrorCode.INVALID,
                f"nothing of event {sequence} can be erased and be proved still: it says nothing "
                "of a message, or is no event at all",
            )
        told = saying.event
        message = MessageState(
            saying.message_id, room_id, sequence, told.actor, MessageType.TEXT,
            *("", {}, None, told.at, None, None, sequence, {}),
        )  # fmt: skip
        # Any event may be the first that is left of a message that the tables don't have.
        return _Target(room, message, sequence - 1 if told.type == "message.sent" else 0)

    async def _left(self, before: MessageState, *, projected: bool) -> rs.MessageResponse:
        """What is left of the message, also where the tables still show what it was."""
        with appended_already():
            found = await self._read_model.message(before.message_id) if projected else None
        if found is not None:
            return found
        deleted_at = before.deleted_at or rfc3339(self._clock.now())
        changes = {"content": "", "metadata": {}, "reactions": {}, "deleted_at": deleted_at}
        return message_response(msgspec.structs.replace(before, **changes))

    async def _require_sent(self, room_id: str, sequence: int) -> None:
        """What members' and status' events say in a room's history, nobody has said."""
        event = await self._log.event_at(room_id, sequence)
        if event is not None and saying_in(event.data) is None:
            raise RefusedError(
                ErrorCode.INVALID,
                "only what somebody sent can be redacted: this tells of a member or of the status",
                field="message_id",
            )

    async def _append(
        self,
        room: LiveRoom,
        actor: Actor,
        command: rs.MessageRedact,
        key: str | None,
        said: SaidSoFar,
    ) -> Sequence[Receipt]:
        """Tell of what was said, so many events at once as one batch takes."""
        message_id, chunks = said.message_id, list(said.to_append())
        if key is not None and not chunks:
            chunks.append([])  # it may have been used for this very request before
        receipts: list[Receipt] = []
        for chunk in chunks:
            request: tuple[object, ...] = ("redact", message_id, command)
            if key is None:
                # Made of what is redacted: whoever is asked again after a crash adds nothing.
                key, request = redaction_key(chunk[0].sequence), ("redact", message_id)
            if chunk:
                await self._record(room.room_id, message_id, actor, chunk)
            receipt = await self._writer.write(
                Command(room.room_id, actor, key, request),
                lambda chunk=chunk: redact(room.state, message_id, actor, command, chunk),
                refresh=room.refresh,
            )
            key = None
            if receipt is not None:
                receipts.append(receipt)
        return receipts

    async def _record(
        self, room_id: str, message_id: str, actor: Actor, chunk: Sequence[Said]
    ) -> None:
        key = f"record of {redaction_key(chunk[0].sequence)}"
        await self._trail.record(
            RecordKind.REDACTED,
            actor,
            room_id=room_id,
            message_id=message_id,
            detail=f"{len(chunk)} events, from {chunk[0].sequence} on",
            record_id=keyed_event_id(room_id, actor.user_id, key),
        )

    async def _erase(self, room_id: str, sequences: Sequence[int]) -> None:
        try:
            await self._eraser.erase(room_id, sequences)
        except LogUnavailableError as error:
            raise RefusedError(
                ErrorCode.LOG_UNAVAILABLE,
                f"the redaction is on record, its bytes will be erased: {error.detail}",
                retry_after_s=_RETRY_AFTER_S,
            ) from error


def _in_the_way(said: SaidSoFar) -> RefusedError:
    """Something has the id that a redaction would have, and tells of another event or of none."""
    sequence = said.unexplained()[0].sequence
    return RefusedError(
        ErrorCode.INVALID,
        f"event {sequence} can't be redacted: what stands in the log in place of its redaction is "
        "none of it. The log is damaged: see `roomlog audit check`, and restore it from a backup, "
        "or redact it as another admin",
    )


def _is_uuid(text: str) -> bool:
    """Whether it is a UUID in the one form in which a redaction may name a message."""
    try:
        return decide.uuid(text, "message_id") == text
    except RefusedError:
        return False
