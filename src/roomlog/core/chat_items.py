"""What existing chat is made of, whatever it was exported from, and the facts that it becomes.

Times, senders and texts stay what they were. Every item is checked where it is made, by the
limits of every message, except that an empty text is history too and is kept. Ids of the chat
that it came from (`source_id`, `target`) are unique within a room.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from roomlog.core import decide
from roomlog.core.decide import Fact, Limits
from roomlog.core.times import rfc3339
from roomlog.core.wrong_shape import wrong_shape
from roomlog_contract.errors import RefusedError
from roomlog_contract.resources import (
    EMOJI_BYTES_MAX,
    NAME_CHARS_MAX,
    TITLE_CHARS_MAX,
    USER_ID_BYTES_MAX,
)
from roomlog_contract.types import MessageType, RoomRole, SystemEventType

SOURCE_ID_BYTES_MAX = 1024
KIND_CHARS_MAX = 100
_TIMES_CACHED = 4096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = int((datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds() * 1000)


class BadEntryError(ValueError):
    """Something that cannot be imported; the text says what is wrong with it."""


class ChatMessage(msgspec.Struct, frozen=True, gc=False):
    """Something said, checked and normalised. `at` is RFC 3339 in UTC with milliseconds.

    Its fields are what its event's id is made of: they can't change without doubling old imports.
    """

    room: str
    at: str
    sender: str
    message_type: MessageType
    content: str
    metadata: dict[str, Any]
    source_id: str | None
    reply_to: str | None


class ExportedMessage(ChatMessage, frozen=True, gc=False):
    """A message that a later export may tell differently under the same id: what was edited
    since comes as a ChatEdit beside it."""


class ChatRoom(msgspec.Struct, frozen=True, gc=False):
    """A room, also where nothing was said."""

    room: str
    at: str
    title: str | None = None


class ChatMember(msgspec.Struct, frozen=True, gc=False):
    """Somebody whom the export lists as a member, without saying since when."""

    room: str
    at: str
    user: str


class ChatPassage(msgspec.Struct, frozen=True, gc=False):
    """Somebody came or went. `text` and `kind` tell of it where it changes nothing here."""

    room: str
    at: str
    actor: str
    user: str
    joined: bool
    source_id: str
    kind: str
    text: str


class ChatEdit(msgspec.Struct, frozen=True, gc=False):
    """`reason` tells what the export does not know of the edit."""

    room: str
    at: str
    actor: str
    target: str
    content: str
    reason: str | None = None


class ChatDeletion(msgspec.Struct, frozen=True, gc=False):
    room: str
    at: str
    actor: str
    target: str


class ChatReaction(msgspec.Struct, frozen=True, gc=False):
    room: str
    at: str
    actor: str
    target: str
    emoji: str


ChatItem = (
    ChatMessage | ChatRoom | ChatMember | ChatPassage | ChatEdit | ChatDeletion | ChatReaction
)


class Entry(NamedTuple):
    """An entry of a file: where it stands there, and the items that it says, or its fault."""

    place: str
    said: Sequence[ChatItem] | BadEntryError


def parsed(place: str, items: Iterable[ChatItem]) -> Entry:
    """The entry of a lazily made sequence of items, or the fault that making it met."""
    try:
        return Entry(place, list(items))
    except BadEntryError as error:
        return Entry(place, error)


def bad(error: RefusedError) -> BadEntryError:
    """A refusal as the fault of an entry."""
    field = error.errors[0].field if error.errors else ""
    return BadEntryError(f"{field}: {error.detail}" if field else error.detail)


def json_fault(error: Exception) -> BadEntryError:
    """What msgspec found wrong, in words, with the field at fault."""
    if isinstance(error, msgspec.ValidationError):
        detail, field = wrong_shape(error)
        return BadEntryError(f"{field}: {detail}" if field else detail)
    return BadEntryError(f"not a JSON object: {error}")


def said(
    kind: type[ChatMessage],
    *,
    room: str,
    at: str,
    sender: str,
    message_type: MessageType,
    text: str,
    metadata: dict[str, Any],
    source_id: str | int | None,
    reply_to: str | int | None,
    limits: Limits,
) -> ChatMessage:
    """A message whose every field was checked; `at` is normalised already. BadEntryError."""
    if message_type is MessageType.SYSTEM:
        metadata["event"] = SystemEventType.IMPORTED.value
    try:
        return kind(
            room=room_name(room),
            at=at,
            sender=user_id(sender, "sender"),
            message_type=message_type,
            content=decide.message_text(text, "text", limits),
            metadata=decide.message_metadata(message_type, metadata, limits),
            source_id=source_id_of(source_id, "id"),
            reply_to=source_id_of(reply_to, "reply_to"),
        )
    except RefusedError as error:
        raise bad(error) from error


def text_of(value: str, limits: Limits) -> str:
    """A text within the limit, verbatim. Raises BadEntryError."""
    try:
        return decide.message_text(value, "text", limits)
    except RefusedError as error:
        raise bad(error) from error


def room_name(name: str) -> str:
    """A room's name as it is. Raises BadEntryError."""
    # Two names must never become one room, so nothing is stripped from them either.
    if not name.strip() or len(name) > NAME_CHARS_MAX or _has_controls(name):
        raise BadEntryError(
            f"room: must be 1 to {NAME_CHARS_MAX} characters, without control characters"
        )
    return name


def room_title(text: str) -> str | None:
    """A title on one line, as much of it as a room takes; None where there is none."""
    line = " ".join(text.replace("\x00", " ").encode("utf-8", "replace").decode().split())
    return "".join(c for c in line if not _has_controls(c))[:TITLE_CHARS_MAX] or None


def user_id(user: str, field: str) -> str:
    """A user's id as it is. Raises BadEntryError."""
    # Kept as it is, with blanks at its ends too, which no new user id may have.
    size_bytes = len(user.encode("utf-8", "surrogatepass"))
    if not 0 < size_bytes <= USER_ID_BYTES_MAX or _has_controls(user):
        raise BadEntryError(
            f"{field}: must be 1 to {USER_ID_BYTES_MAX} bytes, without control characters"
        )
    return user


def _has_controls(text: str) -> bool:
    return any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in text)


def kind_of(kind: str) -> str:
    """What an imported system message was there. Raises BadEntryError."""
    if not 0 < len(kind) <= KIND_CHARS_MAX:
        raise BadEntryError(f"kind: must be 1 to {KIND_CHARS_MAX} characters")
    return kind


def emoji_of(name: str) -> str:
    """A reaction's name as `:name:`, which is what chats call it. Raises BadEntryError."""
    emoji = f":{name}:"
    if (
        not name
        or len(emoji.encode("utf-8", "surrogatepass")) > EMOJI_BYTES_MAX
        or any(unicodedata.category(c) in {"Cc", "Cs", "Co", "Zs", "Zl", "Zp"} for c in name)
    ):
        raise BadEntryError(f"reaction: {name[:40]!r} is no emoji's name")
    return emoji


def source_id_of(value: str | int | None, field: str) -> str | None:
    """An id of the chat that it came from, as text. Raises BadEntryError."""
    if value is None:
        return None
    text = str(value)
    if not 0 < len(text.encode("utf-8", "surrogatepass")) <= SOURCE_ID_BYTES_MAX:
        raise BadEntryError(f"{field}: must be 1 to {SOURCE_ID_BYTES_MAX} bytes")
    return text


@lru_cache(_TIMES_CACHED)
def normalised_time(text: str) -> str:
    """A time of RFC 3339, in UTC with milliseconds. Raises BadEntryError, also without offset."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return rfc3339(moment)
    except (ValueError, OverflowError):
        pass
    raise BadEntryError(
        f"at: {text[:40]!r} is not a time such as 2026-01-31T09:15:00Z (RFC 3339, with its offset)"
    )


def time_of_ms(since_1970_ms: int, field: str) -> str:
    """A time in milliseconds since 1970 as RFC 3339 in UTC. Raises BadEntryError."""
    if not 0 <= since_1970_ms < _LATEST_MS:
        raise BadEntryError(f"{field}: {since_1970_ms} is no time in milliseconds since 1970")
    return rfc3339(_EPOCH + timedelta(milliseconds=since_1970_ms))


def room_fact(room: str, title: str | None = None) -> Fact:
    """The fact that a room of imported chat begins."""
    return Fact("room.created", {"name": room} | ({} if title is None else {"title": title}))


def member_fact(user: str, name: str | None = None) -> Fact:
    """The fact that who speaks in imported chat is a responder of its room."""
    fields: dict[str, Any] = {"user_id": user, "role": RoomRole.RESPONDER}
    return Fact("member.added", fields if name is None else fields | {"name": name})


def left_fact(user: str) -> Fact:
    """The fact that a member went."""
    return Fact("member.removed", {"user_id": user})


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


def passage_fact(passage: ChatPassage) -> Fact:
    """The fact that somebody came or went who was in, or out, already."""
    metadata = {"event": SystemEventType.IMPORTED.value, "kind": passage.kind}
    fields = {"content": passage.text, "message_type": MessageType.SYSTEM, "metadata": metadata}
    return Fact("message.sent", fields)


def change_fact(item: ChatEdit | ChatDeletion | ChatReaction, message_id: str) -> Fact:
    """The fact that a message was edited, deleted or reacted to."""
    match item:
        case ChatEdit():
            fields: dict[str, Any] = {"content": item.content}
            if item.reason is not None:
                fields["reason"] = item.reason
            return Fact("message.edited", fields, message_id)
        case ChatDeletion():
            return Fact("message.deleted", {}, message_id)
        case ChatReaction():
            return Fact("reaction.added", {"emoji": item.emoji}, message_id)
