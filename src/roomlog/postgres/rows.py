"""From rows to what the ports speak of: times as text, JSON decoded."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from roomlog.core.content import render_html
from roomlog.core.times import rfc3339
from roomlog_contract.fold import MemberState, MessageState, ReactionState, RoomState
from roomlog_contract.resources import MessageResponse, ReactionCount
from roomlog_contract.types import MessageType, RoomRole, RoomStatus

Row = asyncpg.Record

_metadata = msgspec.json.Decoder(dict[str, Any])
_reactions = msgspec.json.Decoder(list[ReactionCount])


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """A time as it is written, where there may be none."""
    return None if moment is None else rfc3339(moment)


def message_response(row: Row) -> MessageResponse:
    """A message resource. HTML that the tables don't keep (of the past) is rendered."""
    content: str = row["content"]
    html: str | None = row["content_html"]
    reactions: str | None = row["reactions"]
    return MessageResponse(
        message_id=row["message_id"],
        room_id=row["room_id"],
        sequence_number=row["sequence_number"],
        sender_id=row["sender_id"],
        message_type=MessageType(row["message_type"]),
        content=content,
        content_html=render_html(content) if html is None else html,
        metadata=_metadata.decode(row["metadata"]),
        reply_to=row["reply_to"],
        created_at=rfc3339(row["created_at"]),
        edited_at=rfc3339_or_none(row["edited_at"]),
        deleted_at=rfc3339_or_none(row["deleted_at"]),
        version=row["version"],
        reactions=[] if reactions is None else _reactions.decode(reactions),
    )


def message_state(row: Row) -> MessageState:
    """A message as the fold sees it."""
    return MessageState(
        message_id=row["message_id"],
        room_id=row["room_id"],
        sequence=row["sequence_number"],
        sender_id=row["sender_id"],
        message_type=MessageType(row["message_type"]),
        content=row["content"],
        metadata=_metadata.decode(row["metadata"]),
        reply_to=row["reply_to"],
        created_at=rfc3339(row["created_at"]),
        edited_at=rfc3339_or_none(row["edited_at"]),
        deleted_at=rfc3339_or_none(row["deleted_at"]),
        version=row["version"],
        reactions={
            (emoji, user): ReactionState(sequence, rfc3339(at))
            for emoji, user, sequence, at in row["reactions"] or ()
        },
    )


def room_state(row: Row) -> RoomState:
    """A room as the fold sees it."""
    return RoomState(
        room_id=row["room_id"],
        name=row["name"],
        title=row["title"],
        severity=row["severity"],
        status=RoomStatus(row["status"]),
        created_by=row["created_by"],
        created_at=rfc3339(row["created_at"]),
        created_sequence=row["created_sequence"],
        members={
            user: MemberState(RoomRole(role), rfc3339(since), name)
            for user, role, since, name in row["members"]
        },
    )
