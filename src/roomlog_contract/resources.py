"""What REST takes and gives. Times are RFC 3339 in UTC with milliseconds."""

from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from roomlog_contract.types import MessageType, RoomRole, RoomStatus

T = TypeVar("T")

NAME_CHARS_MAX = 200
TITLE_CHARS_MAX = 500
SEVERITY_CHARS_MAX = 32
USER_ID_BYTES_MAX = 254
REASON_CHARS_MAX = 1000
EMOJI_BYTES_MAX = 64
IDEMPOTENCY_KEY_BYTES_MAX = 200
MEMBERS_PER_CREATE_MAX = 200
PAGE_LIMIT_DEFAULT = 50
PAGE_LIMIT_MAX = 500

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Title = Annotated[str, Meta(max_length=TITLE_CHARS_MAX)]
Severity = Annotated[str, Meta(max_length=SEVERITY_CHARS_MAX)]
UserId = Annotated[str, Meta(min_length=1, max_length=USER_ID_BYTES_MAX)]
Reason = Annotated[str, Meta(max_length=REASON_CHARS_MAX)]
Emoji = Annotated[str, Meta(min_length=1, max_length=EMOJI_BYTES_MAX)]


class NewMember(msgspec.Struct, frozen=True):
    user_id: UserId
    role: RoomRole


class RoomCreate(msgspec.Struct, frozen=True):
    name: Name
    title: Title | None = None
    severity: Severity | None = None
    members: Annotated[list[NewMember], Meta(max_length=MEMBERS_PER_CREATE_MAX)] = []


class RoomUpdate(msgspec.Struct, frozen=True):
    """What is left out stays; null clears title or severity."""

    title: Title | UnsetType | None = UNSET
    severity: Severity | UnsetType | None = UNSET
    status: RoomStatus | UnsetType = UNSET


class MemberUpdate(msgspec.Struct, frozen=True):
    role: RoomRole


class ReadMarkerUpdate(msgspec.Struct, frozen=True):
    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class MessageCreate(msgspec.Struct, frozen=True):
    content: str
    message_type: MessageType = MessageType.TEXT
    metadata: dict[str, Any] = {}
    reply_to: str | None = None


class MessageEdit(msgspec.Struct, frozen=True):
    content: str
    metadata: dict[str, Any] | None = None
    reason: Reason | None = None


class MessageDelete(msgspec.Struct, frozen=True):
    reason: Reason | None = None


class ReactionRequest(msgspec.Struct, frozen=True):
    emoji: Emoji


class BroadcastRequest(msgspec.Struct, frozen=True):
    content: str


class BroadcastResponse(msgspec.Struct, frozen=True):
    """A notice on its way to every connection."""

    notice_id: str
    content: str


class PresentUser(msgspec.Struct, frozen=True):
    """Somebody who is online or types; `role` is null for who is no member, `name` where none is
    known."""

    user_id: str
    name: str | None
    role: RoomRole | None


class PresenceResponse(msgspec.Struct, frozen=True):
    users: list[PresentUser]


class RoomResponse(msgspec.Struct, frozen=True):
    """`role` is the caller's own, null for auditors and admins who are no members."""

    room_id: str
    name: str
    title: str | None
    severity: str | None
    status: RoomStatus
    created_by: str
    created_at: str
    role: RoomRole | None
    head: int
    epoch: str
    unread: int


class MemberResponse(msgspec.Struct, frozen=True):
    """`name` is the one that the member's tokens bore last, null where none did."""

    user_id: str
    name: str | None
    role: RoomRole
    since: str


class ReactionCount(msgspec.Struct, frozen=True):
    """One emoji on one message; `users` in the order in which they reacted."""

    emoji: str
    count: int
    users: list[str]


class ReactionResponse(msgspec.Struct, frozen=True):
    reactions: list[ReactionCount]


class MessageResponse(msgspec.Struct, frozen=True):
    """A message as it stands. `version` is the sequence of the event that last changed what it
    says; a deleted one is a tombstone with empty content."""

    message_id: str
    room_id: str
    sequence_number: int
    sender_id: str
    message_type: MessageType
    content: str
    content_html: str
    metadata: dict[str, Any]
    reply_to: str | None
    created_at: str
    edited_at: str | None
    deleted_at: str | None
    version: int
    reactions: list[ReactionCount]


class SearchHit(msgspec.Struct, frozen=True):
    """A message that was found; `highlight` is a part of its text as HTML, safe for a page, whose
    only element is `mark`."""

    message: MessageResponse
    highlight: str


class UserCount(msgspec.Struct, frozen=True):
    user_id: str
    messages: int


class RoomStats(msgspec.Struct, frozen=True):
    """A room in numbers. Deleted messages count as deletions only; `by_user` names the busiest,
    `users` counts all who sent what stands."""

    room_id: str
    messages: int
    by_type: dict[MessageType, int]
    by_user: list[UserCount]
    users: int
    edits: int
    deletions: int
    reactions: int
    head: int
    epoch: str


class MessageVersion(msgspec.Struct, frozen=True):
    """What a message said from `version` (a sequence) on."""

    version: int
    content: str
    edited_by: str
    edited_at: str
    reason: str | None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page outside a room; `next` goes back as `cursor=`."""

    items: list[T]
    next: str | None


class RoomPage(msgspec.Struct, Generic[T], frozen=True):
    """A page within a room, with the room's head and the log's epoch."""

    items: list[T]
    next: str | None
    head: int
    epoch: str
