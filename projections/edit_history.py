"""`message_edit_history`: what messages said before each edit and before their deletion."""

from collections.abc import Sequence

from projections.row_changes import DeleteWhere, RowChange, Upsert, event_row_id
from roomlog_contract.events import MessageDeleted, MessageEdited, RoomEvent
from roomlog_contract.fold import Effect, MessageChanged, MessageErased, MessageRemoved

TABLE = "message_edit_history"


def project(event: RoomEvent, effect: Effect, partition: int) -> Sequence[RowChange]:
    """A row for each edit and each deletion that had an effect.

    `original_version` is the sequence at which the original began to stand, `sequence` the one
    at which it ended: that answers what a message said at any moment between.
    """
    match effect:
        case MessageChanged(before) | MessageRemoved(before):
            change = event.event
            assert isinstance(change, MessageEdited | MessageDeleted)
            row = {
                "message_id": before.message_id,
                "room_id": before.room_id,
                "sequence": event.sequence,
                "change": "edit" if isinstance(change, MessageEdited) else "delete",
                "original_content": before.content,
                "original_metadata": before.metadata,
                "original_version": before.version,
                "original_edited_at": before.edited_at,
                "edited_by": change.actor,
                "edited_at": event.at,
                "reason": change.reason,
            }
            return [Upsert(TABLE, {"edit_id": event_row_id(event.sequence, partition)}, row)]
        case MessageErased(after=after):
            return [DeleteWhere(TABLE, {"message_id": after.message_id})]
        case _:
            return ()
