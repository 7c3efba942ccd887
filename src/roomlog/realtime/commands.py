"""What clients ask for by WebSocket, carried out: each by its service, told by an `ack`."""

import asyncio
from functools import cache
from typing import NamedTuple

from roomlog import metrics, tracing
from roomlog.core.policy import Actor
from roomlog.ports import Appended, DatabaseUnavailableError, LogUnavailableError
from roomlog.services.effects import Effect
from roomlog.services.message_service import MessageService
from roomlog.services.reaction_service import ReactionService
from roomlog.services.writer import Appending, Receipt
from roomlog_contract import frames as fr
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.resources import MessageCreate, MessageDelete, MessageEdit

Write = fr.Send | fr.Edit | fr.Delete | fr.React | fr.Unreact
_RETRY_AFTER_S = 1.0
_TOO_LATE = RefusedError(
    ErrorCode.LOG_UNAVAILABLE,
    "too much waits for this worker, and nothing of this was taken",
    retry_after_s=_RETRY_AFTER_S,
)
_errors = cache(metrics.ERRORS.labels)  # finding a label's counter costs more than counting


class Sending(NamedTuple):
    """A message whose append is under way."""

    asked: fr.Send
    room_id: str
    begun: Appending
    span: tracing.OpenSpan

    @property
    def appended(self) -> asyncio.Future[list[Appended]]:
        """Done once it is known what became of the append."""
        return self.begun.appended


class Commands:
    """Carries out writes. Raises what the services raise."""

    def __init__(self, messages: MessageService, reactions: ReactionService) -> None:
        self._messages = messages
        self._reactions = reactions

    def begin_send(self, actor: Actor, room_id: str, asked: fr.Send) -> Sending | None:
        """Begin to send, where that takes asking nobody; None, and nothing has happened, where it
        takes `write`. Once its `appended` is done, `sent` says what became of it."""
        span = tracing.open_span("websocket send", root=True)
        with span.entered():
            begun = self._messages.begin_message(
                actor, room_id, _message(asked), asked.idempotency_key
            )
        return None if begun is None else Sending(asked, room_id, begun, span)

    def sent(self, sending: Sending) -> fr.Ack | None:
        """The `ack` of a message whose append is done; None where `conclude` must tell."""
        sending.span.end()
        receipt = self._messages.message_sent(sending.begun)
        return None if receipt is None else _ack(sending.asked, receipt)

    async def conclude(self, sending: Sending) -> fr.Ack:
        """The `ack` of a message that was begun, once it is known to be fsynced."""
        return _ack(sending.asked, await self._messages.conclude_message(sending.begun))

    async def write(self, actor: Actor, room_id: str, asked: Write) -> fr.Ack:
        """Carry it out in the room; the `ack` to answer with, once it is fsynced."""
        with tracing.span(f"websocket {type(asked).__name__.lower()}", root=True):
            return await self._write(actor, room_id, asked)

    async def _write(self, actor: Actor, room_id: str, asked: Write) -> fr.Ack:
        if isinstance(asked, fr.Send):
            receipt = await self._messages.create_message(
                actor, room_id, _message(asked), asked.idempotency_key
            )
            return _ack(asked, receipt)
        effect = await self._change(actor, room_id, asked)
        return fr.Ack(
            ref=asked.ref,
            room_id=effect.receipt.room_id,
            sequence=effect.receipt.sequence,
            message_id=effect.message_id,
            at=effect.receipt.at,
            duplicate=effect.receipt.repeated or effect.unchanged,
        )

    async def _change(
        self, actor: Actor, room_id: str, asked: fr.Edit | fr.Delete | fr.React | fr.Unreact
    ) -> Effect:
        message_id, key = asked.message_id, asked.idempotency_key
        match asked:
            case fr.Edit():
                return await self._messages.edit_message(
                    actor,
                    message_id,
                    MessageEdit(asked.content, asked.metadata, asked.reason),
                    expected_version=asked.expected_version,
                    key=key,
                    room_id=room_id,
                )
            case fr.Delete():
                return await self._messages.delete_message(
                    actor,
                    message_id,
                    MessageDelete(asked.reason),
                    expected_version=asked.expected_version,
                    key=key,
                    room_id=room_id,
                )
            case fr.React():
                return await self._reactions.add_reaction(
                    actor, message_id, asked.emoji, key=key, room_id=room_id
                )
            case fr.Unreact():
                return await self._reactions.remove_reaction(
                    actor, message_id, asked.emoji, key=key, room_id=room_id
                )


def _message(asked: fr.Send) -> MessageCreate:
    return MessageCreate(asked.content, asked.message_type, asked.metadata, asked.reply_to)


def _ack(asked: fr.Send, receipt: Receipt) -> fr.Ack:
    return fr.Ack(
        ref=asked.ref,
        room_id=receipt.room_id,
        sequence=receipt.sequence,
        message_id=receipt.message_id,
        at=receipt.at,
        duplicate=receipt.repeated,
    )


def refusal_of(error: Exception) -> RefusedError | None:
    """What to tell the client of a failure; None for what is nobody's refusal but a defect."""
    match error:
        case RefusedError():
            return error
        case LogUnavailableError():
            detail = error.detail
            if error.outcome_unknown:
                detail += "; whether it was appended is unknown: retry with the same key"
            return RefusedError(ErrorCode.LOG_UNAVAILABLE, detail, retry_after_s=_RETRY_AFTER_S)
        case DatabaseUnavailableError():
            return RefusedError(
                ErrorCode.DATABASE_UNAVAILABLE,
                "the database does not answer",
                retry_after_s=_RETRY_AFTER_S,
            )
        case _:
            return None


def turned_away(asked: Write, room_id: str | None) -> fr.Error:
    """The `error` for a write that waited too long to be looked at, which is counted."""
    metrics.APPENDS_SHED.inc()
    return error_frame(_TOO_LATE, asked.ref, room_id)


def error_frame(refusal: RefusedError, ref: str | None, room_id: str | None) -> fr.Error:
    """An `error` frame for a refusal, which is counted."""
    _errors("websocket", refusal.code).inc()
    field = refusal.errors[0].field if refusal.errors else None
    return fr.Error(
        ref=ref,
        room_id=room_id,
        code=refusal.code,
        detail=refusal.detail,
        field="idempotency_key" if field == "Idempotency-Key" else field,
        retry_after=None if refusal.retry_after_s is None else round(refusal.retry_after_s, 3),
    )
