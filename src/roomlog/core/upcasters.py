"""From stored bytes, of whichever version, to the event as readers see it today.

Stored bytes never change. When a version of an event's body is superseded, a function that turns
its fields into the next version's is added to `UPCASTERS`, and a golden file of the old bytes to
`tests/core/golden`.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from roomlog_contract import events as ev
from roomlog_contract import stored as st

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""(type, version) to the function that makes that version's body one of the next version."""


class UnreadableEventError(Exception):
    """Stored bytes that no version of the format explains."""


# Of decoders and upcasters. RecursionError: nested deeper than any event that was written here.
_FAULTS = (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError)

_body_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(body_type) for name, body_type in st.BODY_TYPES.items()
}


def decode_body(
    event: st.StoredEvent, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS
) -> st.Body:
    """The event's body in the current version. Raises UnreadableEventError."""
    decoder = _body_decoders.get(event.type)
    if decoder is None:
        raise UnreadableEventError(f"unknown event type {event.type!r}")
    try:
        if event.v == st.CURRENT_VERSION:
            return cast("st.Body", decoder.decode(event.body))
        if event.v > st.CURRENT_VERSION:
            raise UnreadableEventError(
                f"{event.type} of version {event.v}: newer than this roomlog reads"
            )
        if event.v < 1:
            raise UnreadableEventError(f"{event.type}: there is no version {event.v}")
        fields = msgspec.json.decode(event.body, type=dict[str, Any])
        for version in range(event.v, st.CURRENT_VERSION):
            upcast = upcasters.get((event.type, version))
            fields = fields if upcast is None else upcast(fields)
        return msgspec.convert(fields, st.BODY_TYPES[event.type])
    except _FAULTS as error:
        raise UnreadableEventError(f"body of {event.type}: {error}") from error


def decode_event(data: bytes) -> st.StoredEvent:
    """The stored event without its body read. Raises UnreadableEventError."""
    try:
        return st.decode_stored(data)
    except _FAULTS as error:
        raise UnreadableEventError(f"stored event: {error}") from error


def room_event(sequence: int, prev_sequence: int, data: bytes) -> ev.RoomEvent:
    """Stored bytes at their place in the log, as readers see them.

    Raises UnreadableEventError for bytes that are no event.
    """
    stored = decode_event(data)
    body = decode_body(stored)
    return ev.RoomEvent(
        sequence, prev_sequence, stored.room_id, stored.at, for_readers(stored, body)
    )


def is_readable(data: bytes) -> bool:
    """Whether stored bytes are an event that `room_event` can read."""
    try:
        room_event(0, 0, data)
    except UnreadableEventError:
        return False
    return True


def for_readers(stored: st.StoredEvent, body: st.Body) -> ev.Event:
    """Flatten an event: its body's fields beside its id and actor, without digest and salt."""
    match body:
        case st.MessageSentBody():
            return ev.MessageSent(
                id=stored.id,
                actor=stored.actor,
                message_id=stored.id,
                message_type=body.message_type,
                content=body.content,
                metadata=body.metadata,
                reply_to=body.reply_to,
            )
        case st.RoomCreatedBody():
            return ev.RoomCreated(
                id=stored.id,
                actor=stored.actor,
                name=body.name,
                title=body.title,
                severity=body.severity,
                status=body.status,
            )
        case st.RoomUpdatedBody():
            return ev.RoomUpdated(
                id=stored.id,
                actor=stored.actor,
                title=body.title,
                severity=body.severity,
                status=body.status,
            )
        case st.MemberBody():
            return _member(stored, body)
        case (
            st.MessageEditedBody()
            | st.MessageDeletedBody()
            | st.MessageRedactedBody()
            | st.ReactionBody()
        ):
            return _about_message(stored, body)


def _member(stored: st.StoredEvent, body: st.MemberBody) -> ev.Event:
    if stored.type == "member.removed":
        return ev.MemberRemoved(
            id=stored.id, actor=stored.actor, user_id=body.user_id, role=body.role
        )
    if body.role is None:
        raise UnreadableEventError(f"{stored.type} without a role")
    if stored.type == "member.added":
        return ev.MemberAdded(
            id=stored.id,
            actor=stored.actor,
            user_id=body.user_id,
            role=body.role,
            name=body.name,
        )
    return ev.MemberRoleChanged(
        id=stored.id, actor=stored.actor, user_id=body.user_id, role=body.role
    )


def _about_message(
    stored: st.StoredEvent,
    body: st.MessageEditedBody | st.MessageDeletedBody | st.MessageRedactedBody | st.ReactionBody,
) -> ev.Event:
    if stored.message_id is None:
        raise UnreadableEventError(f"{stored.type} without message_id")
    common = {"id": stored.id, "actor": stored.actor, "message_id": stored.message_id}
    match body:
        case st.MessageEditedBody():
            return ev.MessageEdited(
                **common,
                content=body.content,
                metadata=body.metadata,
                reason=body.reason,
                expected_version=stored.expected_version,
            )
        case st.MessageDeletedBody():
            return ev.MessageDeleted(
                **common, reason=body.reason, expected_version=stored.expected_version
            )
        case st.MessageRedactedBody():
            _require_envelope(stored, body)
            return ev.MessageRedacted(
                **common,
                redacted_sequence=body.redacted_sequence,
                redacted_envelope=body.redacted_envelope,
                reason=body.reason,
            )
        case st.ReactionBody() if stored.type == "reaction.added":
            return ev.ReactionAdded(**common, emoji=body.emoji)
        case st.ReactionBody():
            return ev.ReactionRemoved(**common, emoji=body.emoji)


def _require_envelope(stored: st.StoredEvent, body: st.MessageRedactedBody) -> None:
    # The fold reads it; whoever reads events must be able to rely on that.
    try:
        st.decode_envelope(body.redacted_envelope)
    except _FAULTS as error:
        raise UnreadableEventError(f"redacted_envelope of {stored.type}: {error}") from error
