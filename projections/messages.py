"""`messages`: every message as it stands; a deleted one stays as a tombstone."""

from collections.abc import Callable, Sequence
from typing import Any

from projections.row_changes import RowChange, Update, Upsert
from roomlog_contract.events import RoomEvent
from roomlog_contract.fold import (
    Effect,
    MemberChanged,
    MessageAdded,
    MessageChanged,
    MessageErased,
    MessageRemoved,
    MessageState,
    RoomChanged,
)

TABLE = "messages"

Renderer = Callable[[str], str]


def project(event: RoomEvent, effect: Effect, render: Renderer) -> Sequence[RowChange]:
    """A row for each message, sent or made from an event of room or member.

    `render` makes the HTML of a message's content. Reactions are no part of the row.
    """
    del event
    match effect:
        case (
            MessageAdded(message=message)
            | MemberChanged(message=message)
            | RoomChanged(message=MessageState() as message)
        ):
            return [Upsert(TABLE, {"message_id": message.message_id}, _row(message, render))]
        case MessageChanged(after=after) | MessageRemoved(after=after):
            return [Update(TABLE, {"message_id": after.message_id}, _said(after, render))]
        case MessageErased(after=after):
            # Its row may be there or not: a fold that begins later never saw it sent.
            row = _row(after, render)
            return [Upsert(TABLE, {"message_id": after.message_id}, row, fresh=False)]
        case _:
            return ()


def _row(message: MessageState, render: Renderer) -> dict[str, Any]:
    return {
        "room_id": message.room_id,
        "sequence_number": message.sequence,
        "sender_id": message.sender_id,
        "message_type": message.message_type.value,
        "reply_to": message.reply_to,
        "created_at": message.created_at,
        **_said(message, render),
    }


def _said(message: MessageState, render: Renderer) -> dict[str, Any]:
    return {
        "content": message.content,
        "content_html": "" if message.deleted_at else render(message.content),
        "metadata": message.metadata,
        "edited_at": message.edited_at,
        "deleted_at": message.deleted_at,
        "version": message.version,
    }
