"""`message_counts`: how many messages stand in each block of sequences, of everybody and by sender.

What somebody has not read is a sum over few rows, however many messages that is: those of
everybody less their own, in the blocks after their read marker.
"""

from collections.abc import Iterable, Sequence

from projections.row_changes import Add, RowChange
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


def project(effects: Iterable[Effect]) -> Sequence[RowChange]:
    """How many more or less have come to stand through all of a batch's effects.

    System messages are not counted: nobody has said them.
    """
    counts: dict[tuple[str, str, int], int] = {}
    for effect in effects:
        match effect:
            case MessageAdded(message=message):
                by = 1
            case MessageRemoved(before=message) | MessageErased(before=MessageState() as message):
                by = -1
            case _:
                continue
        if message.message_type is MessageType.SYSTEM or message.deleted_at is not None:
            continue
        block = message.sequence // BLOCK_SEQUENCES
        for sender in (EVERYBODY, message.sender_id):
            key = (message.room_id, sender, block)
            counts[key] = counts.get(key, 0) + by
    return [
        Add(TABLE, {"room_id": room, "sender_id": sender, "block": block}, {"messages": by})
        for (room, sender, block), by in counts.items()
        if by
    ]
