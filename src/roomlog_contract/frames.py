"""WebSocket frames. One text frame holds one or more JSON objects separated by a newline."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from roomlog_contract.errors import ErrorCode
from roomlog_contract.events import Event
from roomlog_contract.resources import IDEMPOTENCY_KEY_BYTES_MAX, Emoji, Reason
from roomlog_contract.types import MessageType, NotificationKind, RoomRole

REF_BYTES_MAX = 200
TOKEN_BYTES_MAX = 8192

Ref = Annotated[str, Meta(max_length=REF_BYTES_MAX)]
Key = Annotated[str, Meta(min_length=1, max_length=IDEMPOTENCY_KEY_BYTES_MAX)]
Sequence = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


class Subscribe(_Frame, frozen=True, kw_only=True, tag="subscribe"):
    """`after`: everything after that sequence is replayed; `html` adds `content_html`."""

    room_id: str | None = None
    ref: Ref | None = None
    after: Sequence | None = None
    epoch: str | None = None
    html: bool = False


class Unsubscribe(_Frame, frozen=True, kw_only=True, tag="unsubscribe"):
    room_id: str | None = None
    ref: Ref | None = None


class Send(_Frame, frozen=True, kw_only=True, tag="send"):
    ref: Ref
    room_id: str | None = None
    content: str
    message_type: MessageType = MessageType.TEXT
    metadata: dict[str, Any] = {}
    reply_to: str | None = None
    idempotency_key: Key | None = None


class Edit(_Frame, frozen=True, kw_only=True, tag="edit"):
    ref: Ref
    room_id: str | None = None
    message_id: str
    content: str
    metadata: dict[str, Any] | None = None
    reason: Reason | None = None
    expected_version: Sequence | None = None
    idempotency_key: Key | None = None


class Delete(_Frame, frozen=True, kw_only=True, tag="delete"):
    ref: Ref
    room_id: str | None = None
    message_id: str
    reason: Reason | None = None
    expected_version: Sequence | None = None
    idempotency_key: Key | None = None


class React(_Frame, frozen=True, kw_only=True, tag="react"):
    ref: Ref
    room_id: str | None = None
    message_id: str
    emoji: Emoji
    idempotency_key: Key | None = None


class Unreact(_Frame, frozen=True, kw_only=True, tag="unreact"):
    ref: Ref
    room_id: str | None = None
    message_id: str
    emoji: Emoji
    idempotency_key: Key | None = None


class Typing(_Frame, frozen=True, kw_only=True, tag="typing"):
    room_id: str | None = None
    ref: Ref | None = None
    active: bool


class Seen(_Frame, frozen=True, kw_only=True, tag="seen"):
    room_id: str | None = None
    ref: Ref | None = None
    sequence: Sequence


class Ping(_Frame, frozen=True, kw_only=True, tag="ping"):
    ref: Ref | None = None


class Auth(_Frame, frozen=True, kw_only=True, tag="auth"):
    ref: Ref | None = None
    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_BYTES_MAX)]


WebSocketMessage = (
    Subscribe | Unsubscribe | Send | Edit | Delete | React | Unreact | Typing | Seen | Ping | Auth
)


class Hello(_Frame, frozen=True, kw_only=True, tag="hello"):
    connection_id: str
    user_id: str
    server_time: str
    heartbeat_seconds: float
    limits: dict[str, int]


class Authenticated(_Frame, frozen=True, kw_only=True, tag="authenticated"):
    """A renewed token was taken; the answer to an `auth` with a `ref`."""

    ref: str
    expires_at: str


class Subscribed(_Frame, frozen=True, kw_only=True, tag="subscribed", omit_defaults=False):
    room_id: str
    epoch: str
    head: int
    role: RoomRole | None
    resumed: bool
    online: list[str]
    ref: str | msgspec.UnsetType = msgspec.UNSET


class Unsubscribed(_Frame, frozen=True, kw_only=True, tag="unsubscribed"):
    room_id: str
    code: str
    detail: str
    ref: str | None = None


class MessageBroadcast(_Frame, frozen=True, kw_only=True, tag="event"):
    """An event at its place in the room: what everyone who is connected receives."""

    room_id: str
    sequence: int
    prev_sequence: int
    at: str
    event: Event


class Live(_Frame, frozen=True, kw_only=True, tag="live"):
    room_id: str
    sequence: int


class Ack(_Frame, frozen=True, kw_only=True, tag="ack", omit_defaults=False):
    """The command's event is fsynced in the log at `sequence`."""

    ref: str
    room_id: str
    sequence: int
    message_id: str
    at: str
    duplicate: bool


class Error(_Frame, frozen=True, kw_only=True, tag="error"):
    ref: str | None = None
    room_id: str | None = None
    code: ErrorCode
    detail: str
    field: str | None = None
    retry_after: float | None = None


class Presence(_Frame, frozen=True, kw_only=True, tag="presence"):
    room_id: str
    joined: str | None = None
    left: str | None = None


class TypingUsers(_Frame, frozen=True, kw_only=True, tag="typing"):
    room_id: str
    users: list[str]


class Notification(_Frame, frozen=True, kw_only=True, tag="notification"):
    kind: NotificationKind
    room_id: str
    sequence: int


class Notice(_Frame, frozen=True, kw_only=True, tag="notice"):
    content: str


class Pong(_Frame, frozen=True, kw_only=True, tag="pong", omit_defaults=False):
    heads: dict[str, int]
    ref: str | msgspec.UnsetType = msgspec.UNSET


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
