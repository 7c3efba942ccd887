"""WebSocket frames. One text frame holds one or more JSON objects separated by a newline."""

from typing import Annotated

import msgspec
from msgspec import Meta

from roomlog_contract.errors import ErrorCode
from roomlog_contract.events import Event
from roomlog_contract.resources import IDEMPOTENCY_KEY_BYTES_MAX, Emoji, Reason
from roomlog_contract.types import (
    MessageId,
    MessageType,
    Metadata,
    NotificationKind,
    RoomId,
    RoomRole,
    Timestamp,
)

REF_BYTES_MAX = 200
TOKEN_BYTES_MAX = 8192

Ref = Annotated[
    str,
    Meta(
        max_length=REF_BYTES_MAX,
        description="The client's own mark for a command, repeated in the answer.",
    ),
]
NamedRoom = Annotated[
    str,
    Meta(
        description="The room's UUID. Needed on `/ws`; on `/ws/{room_id}` it is that one.",
        extra_json_schema={"format": "uuid"},
    ),
]
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=IDEMPOTENCY_KEY_BYTES_MAX,
        description="The client's own name for a write: the same key makes it once.",
    ),
]
Sequence = Annotated[int, Meta(ge=0, le=2**63 - 1, description="A place in the log.")]
After = Annotated[
    int, Meta(ge=0, le=2**63 - 1, description="Everything after this sequence is replayed.")
]
Epoch = Annotated[str, Meta(description="The epoch of the log that `after` was seen in.")]
Html = Annotated[bool, Meta(description="Adds `content_html` to the room's events.")]
Version = Annotated[
    int,
    Meta(
        ge=0,
        le=2**63 - 1,
        description="The sequence that the message's `version` must be at, or it is refused.",
    ),
]


class _Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


class Subscribe(_Frame, frozen=True, kw_only=True, tag="subscribe"):
    """Subscribe to a room: live, or after a replay of everything after a sequence.

    Where there is a subscription already, this one takes its place.
    """

    room_id: NamedRoom | None = None
    ref: Ref | None = None
    after: After | None = None
    epoch: Epoch | None = None
    html: Html = False


class Unsubscribe(_Frame, frozen=True, kw_only=True, tag="unsubscribe"):
    """End a subscription."""

    room_id: NamedRoom | None = None
    ref: Ref | None = None


class Send(_Frame, frozen=True, kw_only=True, tag="send"):
    """Send a message; the answer comes when it is on disk.

    `content` is kept as typed. What `metadata` must hold depends on `message_type`.
    """

    ref: Ref
    room_id: NamedRoom | None = None
    content: str
    message_type: MessageType = MessageType.TEXT
    metadata: Metadata = {}
    reply_to: MessageId | None = None
    idempotency_key: Key | None = None


class Edit(_Frame, frozen=True, kw_only=True, tag="edit"):
    """Change what a message of one's own says. `metadata` left out stays as it was."""

    ref: Ref
    room_id: NamedRoom | None = None
    message_id: MessageId
    content: str
    metadata: Metadata | None = None
    reason: Reason | None = None
    expected_version: Version | None = None
    idempotency_key: Key | None = None


class Delete(_Frame, frozen=True, kw_only=True, tag="delete"):
    """Leave a tombstone of a message."""

    ref: Ref
    room_id: NamedRoom | None = None
    message_id: MessageId
    reason: Reason | None = None
    expected_version: Version | None = None
    idempotency_key: Key | None = None


class React(_Frame, frozen=True, kw_only=True, tag="react"):
    """React to a message with one emoji of Unicode's list, as a character."""

    ref: Ref
    room_id: NamedRoom | None = None
    message_id: MessageId
    emoji: Emoji
    idempotency_key: Key | None = None


class Unreact(_Frame, frozen=True, kw_only=True, tag="unreact"):
    """Take one's own reaction back."""

    ref: Ref
    room_id: NamedRoom | None = None
    message_id: MessageId
    emoji: Emoji
    idempotency_key: Key | None = None


class Typing(_Frame, frozen=True, kw_only=True, tag="typing"):
    """Say that one types, again every second or two, or (`active` false) types no more."""

    room_id: NamedRoom | None = None
    ref: Ref | None = None
    active: bool


class Seen(_Frame, frozen=True, kw_only=True, tag="seen"):
    """The last sequence that the client has handled; moves the read marker, never back."""

    room_id: NamedRoom | None = None
    ref: Ref | None = None
    sequence: Sequence


class Ping(_Frame, frozen=True, kw_only=True, tag="ping"):
    """Ask for the head of every subscribed room."""

    ref: Ref | None = None


class Auth(_Frame, frozen=True, kw_only=True, tag="auth"):
    """Go on with a new token of the same user. Without a `ref`, only a refusal is answered."""

    ref: Ref | None = None
    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_BYTES_MAX)]


WebSocketMessage = (
    Subscribe | Unsubscribe | Send | Edit | Delete | React | Unreact | Typing | Seen | Ping | Auth
)


class Hello(_Frame, frozen=True, kw_only=True, tag="hello"):
    """The connection stands. Protocol pings come every `heartbeat_seconds`.

    `limits` tells what one message and one connection may hold (0: no limit): `text_bytes`,
    `structured_bytes`, `commands_in_flight`, `subscriptions`.
    """

    connection_id: str
    user_id: str
    server_time: Timestamp
    heartbeat_seconds: float
    limits: dict[str, int]


class Authenticated(_Frame, frozen=True, kw_only=True, tag="authenticated"):
    """A renewed token was taken; the answer to an `auth` with a `ref`."""

    ref: Ref
    expires_at: Timestamp


class Subscribed(_Frame, frozen=True, kw_only=True, tag="subscribed", omit_defaults=False):
    """A subscription has begun.

    `resumed`: everything after `after` follows, then `live`. Where it is false after an `after`,
    the log is another one than the client thinks: it goes on live from `head`, and the client
    starts anew from REST. `role` is null for who reads without being a member. `online` names
    the users who are connected to the room.
    """

    room_id: RoomId
    epoch: str
    head: int
    role: RoomRole | None
    resumed: bool
    online: list[str]
    ref: Ref | msgspec.UnsetType = msgspec.UNSET


class Unsubscribed(_Frame, frozen=True, kw_only=True, tag="unsubscribed"):
    """A subscription has ended. `code` is `unsubscribed` where that was asked for, and
    `forbidden` where the membership ended."""

    room_id: RoomId
    code: str
    detail: str
    ref: Ref | None = None


class MessageBroadcast(_Frame, frozen=True, kw_only=True, tag="event"):
    """An event at its place in the room: what everyone who is connected receives.

    `prev_sequence` is the sequence of the room's event before it. Whoever has last seen a lower
    one has missed something, and resumes.
    """

    room_id: RoomId
    sequence: int
    prev_sequence: int
    at: Timestamp
    event: Event


class Live(_Frame, frozen=True, kw_only=True, tag="live"):
    """The replay is over, and nothing was missed up to `sequence`."""

    room_id: RoomId
    sequence: int


class Ack(_Frame, frozen=True, kw_only=True, tag="ack", omit_defaults=False):
    """The command's event is fsynced in the log at `sequence`, and had its effect.

    `duplicate`: nothing new was appended, or what was asked for was so already.
    """

    ref: Ref
    room_id: RoomId
    sequence: int
    message_id: MessageId
    at: Timestamp
    duplicate: bool


class Error(_Frame, frozen=True, kw_only=True, tag="error"):
    """A command was refused, and changed nothing unless `detail` says that this is unknown.

    `ref` and `room_id` are the command's, where it had them. `field` is a dotted path.
    `retry_after` is in seconds.
    """

    ref: Ref | None = None
    room_id: str | None = None
    code: ErrorCode
    detail: str
    field: str | None = None
    retry_after: float | None = None


class Presence(_Frame, frozen=True, kw_only=True, tag="presence"):
    """A user came to the room (`joined`) or went (`left`): one of the two is there."""

    room_id: RoomId
    joined: str | None = None
    left: str | None = None


class TypingUsers(_Frame, frozen=True, kw_only=True, tag="typing"):
    """The ids of all who type in the room now."""

    room_id: RoomId
    users: list[str]


class Notification(_Frame, frozen=True, kw_only=True, tag="notification"):
    """To one user, in whichever rooms: mentioned, added or removed by the event at `sequence`."""

    kind: NotificationKind
    room_id: RoomId
    sequence: int


class Notice(_Frame, frozen=True, kw_only=True, tag="notice"):
    """To everybody, from an administrator or a service. Kept nowhere."""

    content: str


class Pong(_Frame, frozen=True, kw_only=True, tag="pong", omit_defaults=False):
    """`heads`: every subscribed room's head, by the room's id."""

    heads: dict[str, int]
    ref: Ref | msgspec.UnsetType = msgspec.UNSET


ServerFrame = (
    Hello
    | Authenticated
    | Subscribed
    | Unsubscribed
    | MessageBroadcast
    | Live
    | Ack
    | Error
    | Presence
    | TypingUsers
    | Notification
    | Notice
    | Pong
)
