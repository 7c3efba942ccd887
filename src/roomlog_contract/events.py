"""Events as readers see them: flattened, in the current version, without digest and salt."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from roomlog_contract.types import MessageType, RoomRole, RoomStatus


class _Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False
):
    """`id` is the event's own id, `actor` the user who did it."""

    id: str
    actor: str

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
    user_id: str
    role: RoomRole
    name: str | None = None


class MemberRoleChanged(_Event, frozen=True, kw_only=True, tag="member.role_changed"):
    user_id: str
    role: RoomRole


class MemberRemoved(_Event, frozen=True, kw_only=True, tag="member.removed"):
    """`role` is the one that was lost, where known."""

    user_id: str
    role: RoomRole | None = None


class MessageSent(_Event, frozen=True, kw_only=True, tag="message.sent"):
    """`content_html` is there only for who asked for it."""

    message_id: str
    message_type: MessageType
    content: str
    content_html: str | UnsetType = UNSET
    metadata: dict[str, Any] = {}
    reply_to: str | None = None


class MessageEdited(_Event, frozen=True, kw_only=True, tag="message.edited"):
    """`metadata` left out leaves the message's as it was."""

    message_id: str
    content: str
    content_html: str | UnsetType = UNSET
    metadata: dict[str, Any] | None = None
    reason: str | None = None
    expected_version: int | None = None


class MessageDeleted(_Event, frozen=True, kw_only=True, tag="message.deleted"):
    message_id: str
    reason: str | None = None
    expected_version: int | None = None


class MessageRedacted(_Event, frozen=True, kw_only=True, tag="message.redacted"):
    """What the event at `redacted_sequence` said is gone; its envelope is kept here."""

    message_id: str
    redacted_sequence: int
    redacted_envelope: str
    reason: str | None = None


class ReactionAdded(_Event, frozen=True, kw_only=True, tag="reaction.added"):
    message_id: str
    emoji: str


class ReactionRemoved(_Event, frozen=True, kw_only=True, tag="reaction.removed"):
    message_id: str
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
    room_id: str
    at: str
    event: Event
