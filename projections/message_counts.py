"""`message_counts`: how many messages stand in each block of sequences, of everybody and by sender.

What somebody has not read is a sum over few rows, however many messages that is: those of
everybody less their own, in the blocks after their read marker.
"""

from collections.abc import Sequence

from projections.row_changes import Add, RowChange
from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import (
    Effect,
    MessageAdded,
    MessageErased,
    MessageRemoved,
    MessageState,
)
from roomlog_contract.types import MessageType

TABLE = "message_counts"
EVERYBODY = ""
BLOCK_SEQUENCES = 8192
"""Queries (`unread` in `rooms.sql`, `room.sql`) and migration 0004 count on this number."""


def project(event: RoomEvent, effect: Effect) -> Sequence[RowChange]:
    """One more or one less, where a message came to stand or stands no more.

    System messages are not counted: nobody has said them.
    """
    del event
    match effect:
        case MessageAdded(message=message):
            return _count(message, 1)
        case MessageRemoved(before=before) | MessageErased(before=MessageState() as before):
            return _count(before, -1)
        case _:
            return ()


def _count(message: MessageState, by: int) -> Sequence[RowChange]:
    if message.message_type is MessageType.SYSTEM or message.deleted_at is not None:
        return ()
    block = message.sequence // BLOCK_SEQUENCES
    return [
        Add(
            TABLE,
            {"room_id": message.room_id, "sender_id": sender, "block": block},
            {"messages": by},
        )
        for sender in (EVERYBODY, message.sender_id)
    ]
