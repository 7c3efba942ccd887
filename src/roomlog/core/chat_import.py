"""Existing chat, one JSON object a line, as items of chat."""

from typing import Any

import msgspec

from roomlog.core import chat_items
from roomlog.core.chat_items import BadEntryError, ChatMessage
from roomlog.core.decide import Limits
from roomlog_contract.types import MessageType

LINE_BYTES_MAX = 1024 * 1024
_MESSAGE, _ACTION = "message", "action"


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A line as it is written; fields that are not known here are ignored."""

    room: str
    at: str
    sender: str
    text: str
    kind: str = _MESSAGE
    id: str | int | None = None
    reply_to: str | int | None = None
    message_type: MessageType | None = None
    metadata: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Line)


def parse_line(data: bytes, limits: Limits) -> ChatMessage:
    """The message of one line of JSON. Raises BadEntryError."""
    if len(data) > LINE_BYTES_MAX:
        raise BadEntryError(f"the line is longer than {LINE_BYTES_MAX} bytes")
    try:
        line = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise chat_items.json_fault(error) from error
    metadata = dict(line.metadata or {})
    kind = line.message_type or MessageType.TEXT
    if line.kind == _ACTION:
        metadata["action"] = True
    elif line.kind != _MESSAGE:
        kind = MessageType.SYSTEM
        metadata["kind"] = chat_items.kind_of(line.kind)
    return chat_items.said(
        ChatMessage,
        room=line.room,
        at=chat_items.normalised_time(line.at),
        sender=line.sender,
        message_type=kind,
        text=line.text,
        metadata=metadata,
        source_id=line.id,
        reply_to=line.reply_to,
        limits=limits,
    )
