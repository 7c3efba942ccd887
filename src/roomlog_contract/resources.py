"""What REST takes and gives. Times are RFC 3339 in UTC with milliseconds."""

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from roomlog_contract.types import (
    MessageId,
    MessageType,
    Metadata,
    RoomId,
    RoomRole,
    RoomStatus,
    Timestamp,
)

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
Text = Annotated[str, Meta(description="As typed: it is kept and given back unchanged.")]
Html = Annotated[str, Meta(description="The same, rendered: safe to put into a page.")]
Sequence = Annotated[int, Meta(description="The place in the log of the event that sent it.")]
Version = Annotated[
    int, Meta(description="The sequence of the event that last changed what it says.")
]
Head = Annotated[
    int, Meta(description="The room's highest sequence that this answer is sure to show.")
]
Epoch = Annotated[str, Meta(description="Names the log: in another epoch, sequences mean nothing.")]
Next = Annotated[str, Meta(description="The cursor of the next page.")]


class NewMember(msgspec.Struct, frozen=True):
    """Somebody who is a member from the beginning."""

    user_id: UserId
    role: RoomRole


class RoomCreate(msgspec.Struct, frozen=True):
    """A room to be; its creator is a member without being named."""

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
    """The role that a member has from now on."""

    role: RoomRole


class ReadMarkerUpdate(msgspec.Struct, frozen=True):
    """The last sequence that the caller has read: at most the room's head."""

    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class MessageCreate(msgspec.Struct, frozen=True):
    """A message to be sent. A text may not be blank."""

    content: Text
    message_type: MessageType = MessageType.TEXT
    metadata: Metadata = {}
    reply_to: MessageId | None = None


class MessageEdit(msgspec.Struct, frozen=True):
    """What a message says from now on. A text may not be blank; metadata that is left out stays,
    and what is given must be that of the message's type."""

    content: Text
    metadata: Metadata | None = None
    reason: Reason | None = None


class MessageDelete(msgspec.Struct, frozen=True):
    """Why a message is deleted; it stays in the log."""

    reason: Reason | None = None


class MessageRedact(msgspec.Struct, frozen=True):
    """Why what a message said is removed for good. The reason stays on record: it must not repeat
    what is to be removed."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARS_MAX)]


class ReactionRequest(msgspec.Struct, frozen=True):
    """One emoji of Unicode's list, as a character and not as a name."""

    emoji: Emoji


class BroadcastRequest(msgspec.Struct, frozen=True):
    """What everybody who is connected is told."""

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
    """Who is there, or who types."""

    users: list[PresentUser]


class RoomResponse(msgspec.Struct, frozen=True):
    """A room. `role` is the caller's own, null for auditors and admins who are no members;
    `unread` counts messages of others above the read marker."""

    room_id: RoomId
    name: str
    title: str | None
    severity: str | None
    status: RoomStatus
    created_by: str
    created_at: Timestamp
    role: RoomRole | None
    head: Head
    epoch: Epoch
    unread: int


class MemberResponse(msgspec.Struct, frozen=True):
    """A member of a room. `name` is the one that the member's tokens bore last, null where none
    did."""

    user_id: str
    name: str | None
    role: RoomRole
    since: Timestamp


class ReactionCount(msgspec.Struct, frozen=True):
    """One emoji on one message; `users` in the order in which they reacted."""

    emoji: str
    count: int
    users: list[str]


class ReactionResponse(msgspec.Struct, frozen=True):
    """All reactions to a message."""

    reactions: list[ReactionCount]


class MessageResponse(msgspec.Struct, frozen=True):
    """A message as it stands. `version` is the sequence of the event that last changed what it
    says; a deleted one is a tombstone with empty content."""

    message_id: MessageId
    room_id: RoomId
    sequence_number: Sequence
    sender_id: str
    message_type: MessageType
    content: Text
    content_html: Html
    metadata: Metadata
    reply_to: MessageId | None
    created_at: Timestamp
    edited_at: Timestamp | None
    deleted_at: Timestamp | None
    version: Version
    reactions: list[ReactionCount]


class SearchHit(msgspec.Struct, frozen=True):
    """A message that was found; `highlight` is a part of its text as HTML, safe for a page, whose
    only element is `mark`."""

    message: MessageResponse
    highlight: str


class UserCount(msgspec.Struct, frozen=True):
    """How many messages of a user stand."""

    user_id: str
    messages: int


class RoomStats(msgspec.Struct, frozen=True):
    """A room in numbers. Deleted messages count as deletions only; `by_user` names the busiest,
    `users` counts all who sent what stands."""

    room_id: RoomId
    messages: int
    by_type: dict[MessageType, int]
    by_user: list[UserCount]
    users: int
    edits: int
    deletions: int
    reactions: int
    head: Head
    epoch: Epoch


class MessageVersion(msgspec.Struct, frozen=True):
    """What a message said from `version` (a sequence) on."""

    version: int
    content: Text
    edited_by: str
    edited_at: Timestamp
    reason: str | None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page outside a room; `next` goes back as `cursor=`."""

    items: list[T]
    next: Next | None


class RoomPage(msgspec.Struct, Generic[T], frozen=True):
    """A page within a room, with the room's head and the log's epoch."""

    items: list[T]
    next: Next | None
    head: Head
    epoch: Epoch
