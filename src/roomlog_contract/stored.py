"""Events as they are stored in the log: these bytes can never change.

A stored event is a JSON object whose `body` comes last. `commit` is the hex SHA-256 over the exact
bytes of `body`; the envelope is the stored bytes with `,"body":…` cut out. So what was said can
be erased, and the rest still proves that it was said.
"""

from hashlib import sha256
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from roomlog_contract.types import MessageType, RoomRole, RoomStatus

CURRENT_VERSION = 1
_BODY_KEY = b',"body":'


class StoredEvent(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The stored form, fields in stored order. `at` is RFC 3339 in UTC with milliseconds."""

    v: int
    type: str
    id: str
    room_id: str
    actor: str
    at: str
    message_id: str | None = None
    expected_version: int | None = None
    commit: str
    body: msgspec.Raw


class Envelope(msgspec.Struct, frozen=True):
    """What a redaction keeps of an event, as far as the fold reads it."""

    id: str
    type: str
    actor: str
    at: str


class _Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """`digest` tells a repeated idempotency key from a misused one; `salt` (hex) keeps `commit`
    from being guessed back to short content."""


class RoomCreatedBody(_Body, frozen=True, kw_only=True):
    name: str
    title: str | None = None
    severity: str | None = None
    status: RoomStatus = RoomStatus.OPEN
    digest: str | None = None
    salt: str


class RoomUpdatedBody(_Body, frozen=True, kw_only=True):
    title: str | UnsetType | None = UNSET
    severity: str | UnsetType | None = UNSET
    status: RoomStatus | UnsetType = UNSET
    digest: str | None = None
    salt: str


class MemberBody(_Body, frozen=True, kw_only=True):
    """Body of `member.added`, `member.role_changed` and `member.removed`."""

    user_id: str
    role: RoomRole | None = None
    name: str | None = None
    digest: str | None = None
    salt: str


class MessageSentBody(_Body, frozen=True, kw_only=True):
    content: str
    message_type: MessageType
    metadata: dict[str, Any] = {}
    reply_to: str | None = None
    digest: str | None = None
    salt: str


class MessageEditedBody(_Body, frozen=True, kw_only=True):
    """`metadata` left out leaves the message's metadata as it was."""

    content: str
    metadata: dict[str, Any] | None = None
    reason: str | None = None
    digest: str | None = None
    salt: str


class MessageDeletedBody(_Body, frozen=True, kw_only=True):
    reason: str | None = None
    digest: str | None = None
    salt: str


class MessageRedactedBody(_Body, frozen=True, kw_only=True):
    """`redacted_envelope` is the erased event's envelope, the exact text that its leaf is made of."""

    redacted_sequence: int
    redacted_envelope: str
    reason: str | None = None
    digest: str | None = None
    salt: str


class ReactionBody(_Body, frozen=True, kw_only=True):
    emoji: str
    digest: str | None = None
    salt: str


Body = (
    RoomCreatedBody
    | RoomUpdatedBody
    | MemberBody
    | MessageSentBody
    | MessageEditedBody
    | MessageDeletedBody
    | MessageRedactedBody
    | ReactionBody
)

BODY_TYPES: dict[str, type[Body]] = {
    "room.created": RoomCreatedBody,
    "room.updated": RoomUpdatedBody,
    "member.added": MemberBody,
    "member.role_changed": MemberBody,
    "member.removed": MemberBody,
    "message.sent": MessageSentBody,
    "message.edited": MessageEditedBody,
    "message.deleted": MessageDeletedBody,
    "message.redacted": MessageRedactedBody,
    "reaction.added": ReactionBody,
    "reaction.removed": ReactionBody,
}

_encoder = msgspec.json.Encoder()
_stored_decoder = msgspec.json.Decoder(StoredEvent)
_envelope_decoder = msgspec.json.Decoder(Envelope)


def encode_stored(
    *,
    type: str,  # noqa: A002 - the field's name in the contract
    id: str,  # noqa: A002 - the field's name in the contract
    room_id: str,
    actor: str,
    at: str,
    body: Body,
    message_id: str | None = None,
    expected_version: int | None = None,
) -> bytes:
    """The bytes to append for an event. The caller chose id, time and salt."""
    raw = _encoder.encode(body)
    event = StoredEvent(
        v=CURRENT_VERSION,
        type=type,
        id=id,
        room_id=room_id,
        actor=actor,
        at=at,
        message_id=message_id,
        expected_version=expected_version,
        commit=sha256(raw).hexdigest(),
        body=msgspec.Raw(raw),
    )
    return _encoder.encode(event)


def decode_stored(data: bytes) -> StoredEvent:
    """Decode stored bytes. Raises msgspec.DecodeError (ValidationError where the shape is wrong)."""
    return _stored_decoder.decode(data)


def envelope_of(data: bytes) -> bytes:
    """The stored bytes with `,"body":…` cut out: what a leaf of the proof is made of.

    Raises ValueError where `body` is not last, as every stored event has it.
    """
    body = bytes(decode_stored(data).body)
    end = _BODY_KEY + body + b"}"
    if not data.endswith(end):
        raise ValueError("body is not the last field of the stored event")
    return data[: -len(end)] + b"}"


def decode_envelope(text: str) -> Envelope:
    """Decode an envelope's text. Raises msgspec.DecodeError."""
    return _envelope_decoder.decode(text)


def commit_is_true(event: StoredEvent) -> bool:
    """Whether `commit` is the SHA-256 of the body's bytes."""
    return sha256(bytes(event.body)).hexdigest() == event.commit
