"""`processed_events`: what became of each event, by its id: idempotency that lasts forever.

A message that was sent stands in `messages` under its event's id already, so that the bulk of
all events needs no row here. A repeated id leaves the first one's record as it is.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from projections.row_changes import DeleteWhere, RowChange, UpdateWhere, Upsert
from roomlog_contract.events import Event, MessageRedacted, MessageSent, RoomEvent
from roomlog_contract.fold import (
    Effect,
    MessageAdded,
    MessageErased,
    NoEffect,
    NoEffectReason,
)

TABLE = "processed_events"
APPLIED = "applied"


class _Envelope(msgspec.Struct, frozen=True):
    id: str


def project(event: RoomEvent, effect: Effect) -> Sequence[RowChange]:
    """A record for each event but effective sendings and repetitions.

    After a redaction the records are those that a fold makes that never saw what was erased:
    what concerned the message concerned an unknown one.
    """
    match effect:
        case MessageAdded() | NoEffect(reason=NoEffectReason.REPEATED_ID):
            return ()
        case NoEffect(reason=reason) if reason is NoEffectReason.UNCHANGED and isinstance(
            event.event, MessageRedacted
        ):
            return [_record(event, reason.value), _redacted(event, event.event)]
        case NoEffect(reason=reason):
            return [_record(event, reason.value)]
        case MessageErased(before=before, after=after):
            where = {"message_id": after.message_id}
            unknown = {"outcome": NoEffectReason.UNKNOWN_MESSAGE.value}
            changes = [UpdateWhere(TABLE, where, unknown), _record(event, APPLIED)]
            if before is not None and before.sequence != after.sequence:
                # What was erased had repeated the id of another event, and that one stands.
                return changes
            return [DeleteWhere(TABLE, {"event_id": after.message_id}), *changes]
        case _:
            return [_record(event, APPLIED)]


def _record(event: RoomEvent, outcome: str) -> Upsert:
    return Upsert(
        TABLE,
        {"event_id": event.event.id},
        _values(event.room_id, event.sequence, outcome, _about(event.event)),
    )


def _redacted(event: RoomEvent, redaction: MessageRedacted) -> Upsert:
    erased = msgspec.json.decode(redaction.redacted_envelope, type=_Envelope)
    outcome = NoEffectReason.UNKNOWN_MESSAGE.value
    values = _values(event.room_id, redaction.redacted_sequence, outcome, redaction.message_id)
    return Upsert(TABLE, {"event_id": erased.id}, values, fresh=False)


def _values(room_id: str, sequence: int, outcome: str, about: str | None) -> dict[str, Any]:
    return {"room_id": room_id, "sequence": sequence, "outcome": outcome, "message_id": about}


def _about(event: Event) -> str | None:
    # Redactions keep their own record through further redactions of the same message.
    if isinstance(event, MessageSent | MessageRedacted):
        return None
    return getattr(event, "message_id", None)
