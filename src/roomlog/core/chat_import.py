"""Existing chat, one JSON object a line, as the facts that it becomes.

Times, senders and texts stay what they were. What a line says is checked by the limits of every
message, except that an empty text is history too and is kept.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from roomlog.core import decide
from roomlog.core.decide import Fact, Limits
from roomlog_contract.errors import RefusedError
from roomlog_contract.resources import NAME_CHARS_MAX, USER_ID_BYTES_MAX
from roomlog_contract.types import MessageType, RoomRole, SystemEventType

LINE_BYTES_MAX = 1024 * 1024
SOURCE_ID_BYTES_MAX = 1024
KIND_CHARS_MAX = 100
_MESSAGE, _ACTION = "message", "action"
_TIMES_CACHED = 4096


class BadLineError(ValueError):
    """A line that cannot be imported; the text says what is wrong with it."""


class ChatMessage(msgspec.Struct, frozen=True, gc=False):
    """One line, checked and normalised. `at` is RFC 3339 in UTC with milliseconds.

    `source_id` and `reply_to` are ids of the chat that it came from.
    """

    room: str
    at: str
    sender: str
    message_type: MessageType
    content: str
    metadata: dict[str, Any]
    source_id: str | None
    reply_to: str | None


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
    """The message of one line of JSON. Raises BadLineError."""
    if len(data) > LINE_BYTES_MAX:
        raise BadLineError(f"the line is longer than {LINE_BYTES_MAX} bytes")
    try:
        line = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLineError(_json_fault(error)) from error
    try:
        return _normalised(line, limits)
    except RefusedError as error:
        field = error.errors[0].field if error.errors else ""
        raise BadLineError(f"{field}: {error.detail}" if field else error.detail) from error


def _json_fault(error: Exception) -> str:
    detail, _, path = str(error).partition(" - at ")
    field = path.strip("`").removeprefix("$").removeprefix(".")
    detail = detail.replace("`", "")
    if isinstance(error, msgspec.ValidationError):
        return f"{field}: {detail}" if field else detail
    return f"not a JSON object: {detail}"


def _normalised(line: _Line, limits: Limits) -> ChatMessage:
    metadata = dict(line.metadata or {})
    kind = line.message_type or MessageType.TEXT
    if line.kind == _ACTION:
        metadata["action"] = True
    elif line.kind != _MESSAGE:
        if not 0 < len(line.kind) <= KIND_CHARS_MAX:
            raise BadLineError(f"kind: must be 1 to {KIND_CHARS_MAX} characters")
        kind = MessageType.SYSTEM
        metadata["kind"] = line.kind
    if kind is MessageType.SYSTEM:
        metadata["event"] = SystemEventType.IMPORTED.value
    return ChatMessage(
        room=_room_name(line.room),
        at=normalised_time(line.at),
        sender=_sender(line.sender),
        message_type=kind,
        content=decide.message_text(line.text, "text", limits),
        metadata=decide.message_metadata(kind, metadata, limits),
        source_id=_source_id(line.id, "id"),
        reply_to=_source_id(line.reply_to, "reply_to"),
    )


def _room_name(name: str) -> str:
    # Two names must never become one room, so nothing is stripped from them either.
    if not name.strip() or len(name) > NAME_CHARS_MAX or _has_controls(name):
        raise BadLineError(
            f"room: must be 1 to {NAME_CHARS_MAX} characters, without control characters"
        )
    return name


def _sender(sender: str) -> str:
    # Kept as it is, with blanks at its ends too, which no new user id may have.
    if not 0 < len(sender.encode()) <= USER_ID_BYTES_MAX or _has_controls(sender):
        raise BadLineError(
            f"sender: must be 1 to {USER_ID_BYTES_MAX} bytes, without control characters"
        )
    return sender


def _has_controls(text: str) -> bool:
    return any(c < " " or c == "\x7f" for c in text)


def _source_id(value: str | int | None, field: str) -> str | None:
    if value is None:
        return None
    text = str(value)
    if not 0 < len(text.encode("utf-8", "surrogatepass")) <= SOURCE_ID_BYTES_MAX:
        raise BadLineError(f"{field}: must be 1 to {SOURCE_ID_BYTES_MAX} bytes")
    return text


@lru_cache(_TIMES_CACHED)
def normalised_time(text: str) -> str:
    """A time of RFC 3339, in UTC with milliseconds. Raises BadLineError, also without an offset."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            utc = moment.astimezone(UTC)
            return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    except (ValueError, OverflowError):
        pass
    raise BadLineError(
        f"at: {text[:40]!r} is not a time such as 2026-01-31T09:15:00Z (RFC 3339, with its offset)"
    )


def room_fact(room: str) -> Fact:
    """The fact that a room of imported chat begins."""
    return Fact("room.created", {"name": room})


def member_fact(sender: str) -> Fact:
    """The fact that who speaks in imported chat is a responder of its room."""
    return Fact("member.added", {"user_id": sender, "role": RoomRole.RESPONDER})


def message_fact(message: ChatMessage, reply_to: str | None) -> Fact:
    """The fact that a message was sent; `reply_to` is the id here of the message answered."""
    fields: dict[str, Any] = {
        "content": message.content,
        "message_type": message.message_type,
        "metadata": message.metadata,
    }
    if reply_to is not None:
        fields["reply_to"] = reply_to
    return Fact("message.sent", fields)
