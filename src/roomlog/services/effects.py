"""What an appended event did, read from the fold at the event's own place in the log."""

import msgspec

from roomlog.core.upcasters import UnreadableEventError, room_event
from roomlog.core.views import message_response
from roomlog.ports import EventLog, ReadModel
from roomlog.services.aftermath import appended_already
from roomlog.services.progress import WRITE_WAIT_S, ProjectionProgress
from roomlog.services.room_cache import RoomCache
from roomlog.services.writer import Receipt
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.fold import Fold, MessageState, NoEffect, NoEffectReason
from roomlog_contract.resources import MessageResponse

_FOLD_EVENTS_MAX = 20_000

_REFUSALS = {
    NoEffectReason.VERSION_MISMATCH: (
        ErrorCode.VERSION_MISMATCH,
        "the message has changed meanwhile: it is not at the expected version",
    ),
    NoEffectReason.MESSAGE_DELETED: (ErrorCode.ALREADY_DELETED, "the message was deleted"),
    NoEffectReason.UNKNOWN_MESSAGE: (ErrorCode.NOT_FOUND, "no such message"),
}


class Effect(msgspec.Struct, frozen=True):
    """What a message's event did. `unchanged`: it repeated what was so already (a reaction).

    `folded` is the message right after the event where the tables did not get there in time.
    """

    receipt: Receipt
    message_id: str
    projected: bool
    unchanged: bool
    folded: MessageState | None = None


class Effects:
    """Finds out what events did, in the tables or, where these are behind, from the log."""

    def __init__(
        self, log: EventLog, read_model: ReadModel, progress: ProjectionProgress, rooms: RoomCache
    ) -> None:
        self._log = log
        self._read_model = read_model
        self._progress = progress
        self._rooms = rooms

    async def of(self, receipt: Receipt) -> Effect:
        """The effect of an edit, deletion or reaction.

        Raises RefusedError where there was none (`version_mismatch`, `already_deleted`,
        `not_found`), and `projection_behind`, `database_unavailable` or `log_unavailable` where it
        can't be told now; the event is in the log then, and a retry with the same key tells.
        """
        with appended_already():
            return await self._of(receipt, receipt.message_id)

    async def _of(self, receipt: Receipt, message_id: str) -> Effect:
        if await self._progress.wait(receipt.room_id, receipt.sequence, WRITE_WAIT_S):
            return await self._projected(receipt, message_id)
        before, checkpoint = await self._read_model.message_state(message_id)
        if checkpoint >= receipt.sequence:
            return await self._projected(receipt, message_id)
        return await self._folded(receipt, message_id, before, checkpoint)

    async def _projected(self, receipt: Receipt, message_id: str) -> Effect:
        record = await self._read_model.find_event(receipt.event_id)
        if record is None or record.outcome == "dead":
            raise RefusedError(
                ErrorCode.PROJECTION_BEHIND,
                "appended, but the event was set aside: its effect is unknown",
            )
        unchanged = False
        if record.outcome != "applied":
            unchanged = _judge(NoEffectReason(record.outcome))
        # A repeated id tells of the first event that bore it.
        told = msgspec.structs.replace(
            receipt,
            sequence=record.sequence,
            repeated=receipt.repeated or record.sequence != receipt.sequence,
        )
        return Effect(told, message_id, projected=True, unchanged=unchanged)

    async def _folded(
        self, receipt: Receipt, message_id: str, before: MessageState | None, after: int
    ) -> Effect:
        fold = Fold((await self._rooms.open(receipt.room_id)).state)
        if before is not None:
            fold.messages[message_id] = before
        count = 0
        async for batch in self._log.read(receipt.room_id, after=after, up_to=receipt.sequence):
            count += len(batch)
            if count > _FOLD_EVENTS_MAX:
                break
            for logged in batch:
                try:
                    event = room_event(logged.sequence, logged.prev_sequence, logged.data)
                except UnreadableEventError:
                    continue
                did = fold.apply(event)
                if logged.sequence == receipt.sequence:
                    unchanged = isinstance(did, NoEffect) and _judge(did.reason)
                    return Effect(
                        receipt, message_id, False, unchanged, fold.messages.get(message_id)
                    )
        raise RefusedError(
            ErrorCode.PROJECTION_BEHIND,
            "appended, but its effect is unknown until the tables catch up",
            retry_after_s=1,
        )

    async def message(self, effect: Effect) -> MessageResponse:
        """The message right after the event. Raises RefusedError as `of`."""
        if effect.folded is not None:
            return message_response(effect.folded)
        with appended_already():
            found = await self._read_model.message(effect.message_id, as_of=effect.receipt.sequence)
        if found is None:
            raise RefusedError(ErrorCode.NOT_FOUND, "no such message")
        return found


def _judge(reason: NoEffectReason) -> bool:
    """True where nothing had to change; raises RefusedError where the command failed."""
    if refusal := _REFUSALS.get(reason):
        raise RefusedError(*refusal)
    return True
