"""Redaction: what a message said is removed, and what remains proves that it was said.

    find what said it -> record who does it on the audit trail -> append a `message.redacted` for
    each -> erase their bytes -> look again

The log itself says which events said it, from the message's own on; so nothing is left to tables
that may be behind. Each step may be the last before a crash. Until the append nothing has
happened; after it the finisher (`audit/finishing.py`) goes on, whoever began.
"""

from collections.abc import Sequence

import msgspec

from roomlog.core.policy import Act, Actor
from roomlog.core.policy import require as require_act
from roomlog.core.redaction import Said, SaidSoFar, redact, redaction_key
from roomlog.core.upcasters import UnreadableEventError, decode_event
from roomlog.core.views import message_response
from roomlog.ports import Clock, Eraser, EventLog, LogUnavailableError, ReadModel
from roomlog.services.aftermath import appended_already
from roomlog.services.identity import keyed_event_id, rfc3339
from roomlog.services.message_service import find_message
from roomlog.services.progress import WRITE_WAIT_S, ProjectionProgress
from roomlog.services.room_cache import LiveRoom, RoomCache
from roomlog.services.trail import Trail
from roomlog.services.writer import Command, Receipt, Writer
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import MessageState
from roomlog_contract.trail import RecordKind

APPENDED_AT_ONCE_MAX = 256
_RETRY_AFTER_S = 1.0


class Redacted(msgspec.Struct, frozen=True):
    """What a redaction did. `receipt` is that of its first append, None where all had been
    redacted before. `erased` are the events whose bytes it erased. `message` is what is left."""

    message: rs.MessageResponse
    receipt: Receipt | None
    erased: Sequence[int]
    projected: bool


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
        """Remove all that a message said. Done again, it removes what came to be since.

        When this returns, the log's files hold it no more. Raises RefusedError: `log_unavailable`
        where it is on record and not erased yet, which is then done without being asked again.
        """
        found = await find_message(message_id, None, self._read_model, self._progress, self._rooms)
        room, message = found.room, found.message
        require_act(Act.REDACT, actor, room.state)
        await self._require_sent(room.room_id, message.sequence)
        first: Receipt | None = None
        last, after = 0, message.sequence - 1
        erased: list[int] = []
        while True:
            said, head = await self._said(room.room_id, message.message_id, after)
            last = max(last, *said.explained.values(), 0)
            receipts = await self._append(room, actor, command, key, said)
            key = None
            for receipt in receipts:
                first = first or receipt
                last = max(last, receipt.sequence)
            if any(receipt.repeated for receipt in receipts) and said.unexplained():
                continue  # the key was used before these were said, or another request is ahead
            told = [one.sequence for one in said.said]
            await self._erase(room.room_id, told)
            erased += told
            if not told:
                break
            after = head  # somebody may have edited it meanwhile
        projected = await self._progress.reached(room.room_id, last, WRITE_WAIT_S)
        left = await self._left(message, projected=projected)
        return Redacted(left, first, erased, projected)

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
        if event is None:
            return
        try:
            sent = decode_event(event.data).type == "message.sent"
        except UnreadableEventError:
            sent = False
        if not sent:
            raise RefusedError(
                ErrorCode.INVALID,
                "only what somebody sent can be redacted: this tells of a member or of the status",
                field="message_id",
            )

    async def _said(self, room_id: str, message_id: str, after: int) -> tuple[SaidSoFar, int]:
        said, head = SaidSoFar(message_id), after
        async for batch in self._log.read(room_id, after=after):
            for event in batch:
                said.take(event.sequence, event.data)
            head = batch[-1].sequence
        return said, head

    async def _append(
        self,
        room: LiveRoom,
        actor: Actor,
        command: rs.MessageRedact,
        key: str | None,
        said: SaidSoFar,
    ) -> Sequence[Receipt]:
        """Tell of what was said, so many events at once as one batch takes."""
        message_id, waiting = said.message_id, said.unexplained()
        chunks = [
            waiting[start : start + APPENDED_AT_ONCE_MAX]
            for start in range(0, len(waiting), APPENDED_AT_ONCE_MAX)
        ]
        if key is not None and not chunks:
            chunks = [waiting]  # it may have been used for this very request before
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
