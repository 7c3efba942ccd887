"""Events as readers see them: flattened, in the current version, without digest and salt."""

import msgspec
from msgspec import UNSET, UnsetType

from roomlog_contract.types import (
    Actor,
    EventId,
    MessageId,
    MessageType,
    Metadata,
    RoomId,
    RoomRole,
    RoomStatus,
    Timestamp,
)


class _Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False
):
    """`id` is the event's own id, `actor` the user who did it."""

    id: EventId
    actor: Actor

    @property
    def type(self) -> str:
        """The event's name in the contract, such as `message.sent`."""
        return str(self.__struct_config__.tag)


class RoomCreated(_Event, frozen=True, kw_only=True, tag="room.created"):
    """The room began; its actor is its first commander."""

    name: str
    title: str | None = None
    severity: str | None = None
    status: RoomStatus


class RoomUpdated(_Event, frozen=True, kw_only=True, tag="room.updated"):
    """The fields that are set were changed; null clears one."""

    title: str | UnsetType | None = UNSET
    severity: str | UnsetType | None = UNSET
    status: RoomStatus | UnsetType = UNSET


class MemberAdded(_Event, frozen=True, kw_only=True, tag="member.added"):
    """Somebody is a member now; `name` is the one that others see, where known."""

    user_id: str
    role: RoomRole
    name: str | None = None


class MemberRoleChanged(_Event, frozen=True, kw_only=True, tag="member.role_changed"):
    """A member has another role."""

    user_id: str
    role: RoomRole


class MemberRemoved(_Event, frozen=True, kw_only=True, tag="member.removed"):
    """Somebody is no member any more. `role` is the one that was lost, where known."""

    user_id: str
    role: RoomRole | None = None


class MessageSent(_Event, frozen=True, kw_only=True, tag="message.sent"):
    """A message was sent; its id is the event's own.

    `content` is as typed. `content_html`, the same rendered and safe to put into a page, is there
    only for who asked for it.
    """

    message_id: MessageId
    message_type: MessageType
    content: str
    content_html: str | UnsetType = UNSET
    metadata: Metadata = {}
    reply_to: MessageId | None = None


class MessageEdited(_Event, frozen=True, kw_only=True, tag="message.edited"):
    """A message says something else now. `metadata` left out leaves the message's as it was.

    With `expected_version`, the edit has no effect on a message at another version.
    """

    message_id: MessageId
    content: str
    content_html: str | UnsetType = UNSET
    metadata: Metadata | None = None
    reason: str | None = None
    expected_version: int | None = None


class MessageDeleted(_Event, frozen=True, kw_only=True, tag="message.deleted"):
    """A message was deleted: a tombstone is left. `expected_version` as of an edit."""

    message_id: MessageId
    reason: str | None = None
    expected_version: int | None = None


class MessageRedacted(_Event, frozen=True, kw_only=True, tag="message.redacted"):
    """What the event at `redacted_sequence` said is gone; its envelope is kept here."""

    message_id: MessageId
    redacted_sequence: int
    redacted_envelope: str
    reason: str | None = None


class ReactionAdded(_Event, frozen=True, kw_only=True, tag="reaction.added"):
    """The actor reacted to a message with an emoji."""

    message_id: MessageId
    emoji: str


class ReactionRemoved(_Event, frozen=True, kw_only=True, tag="reaction.removed"):
    """The actor took a reaction back."""

    message_id: MessageId
    emoji: str


Event = (
    RoomCreated
    | RoomUpdated
    | MemberAdded
    | MemberRoleChanged
    | MemberRemoved
    | MessageSent
    | MessageEdited
    | MessageDeleted
    | MessageRedacted
    | ReactionAdded
    | ReactionRemoved
)


class RoomEvent(msgspec.Struct, frozen=True, gc=False):
    """An event at its place in a room's log, over REST (JSON, NDJSON, SSE). `at` is RFC 3339."""

    sequence: int
    prev_sequence: int
    room_id: RoomId
    at: Timestamp
    event: Event
