"""The one fold: what each event of a room did.

Projections, as-of reads, replays and clients all use this and nothing else, so they can't
disagree. It judges only what the log itself knows: a second event with the same id, an edit,
deletion or reaction of an unknown or deleted message, an edit whose `expected_version` is not
the current one, and what repeats the state as it is, have no effect. Rights, limits and the edit
window were judged before the append and never are again.
"""

from enum import StrEnum
from typing import Any, assert_never

import msgspec
from msgspec import UNSET

from roomlog_contract import events as ev
from roomlog_contract.stored import Envelope, decode_envelope
from roomlog_contract.types import MessageType, RoomRole, RoomStatus, SystemEventType


class NoEffectReason(StrEnum):
    """Why an event changed nothing."""

    REPEATED_ID = "repeated_id"
    UNKNOWN_ROOM = "unknown_room"
    ROOM_EXISTS = "room_exists"
    UNCHANGED = "unchanged"
    UNKNOWN_MESSAGE = "unknown_message"
    MESSAGE_DELETED = "message_deleted"
    VERSION_MISMATCH = "version_mismatch"
    REACTION_REPEATED = "reaction_repeated"
    REACTION_UNKNOWN = "reaction_unknown"


class MemberState(msgspec.Struct, frozen=True):
    """One member; `since` is when the membership (not the role) began."""

    role: RoomRole
    since: str
    name: str | None = None


class RoomState(msgspec.Struct, frozen=True):
    """A room as it stands; `members` by user id. Replaced, never changed in place."""

    room_id: str
    name: str
    title: str | None
    severity: str | None
    status: RoomStatus
    created_by: str
    created_at: str
    created_sequence: int
    members: dict[str, MemberState]


class ReactionState(msgspec.Struct, frozen=True):
    """One user's reaction; `sequence` is that of the event that added it."""

    sequence: int
    at: str


class MessageState(msgspec.Struct):
    """A message as it stands; `reactions` by (emoji, user id), in the order of their adding."""

    message_id: str
    room_id: str
    sequence: int
    sender_id: str
    message_type: MessageType
    content: str
    metadata: dict[str, Any]
    reply_to: str | None
    created_at: str
    edited_at: str | None
    deleted_at: str | None
    version: int
    reactions: dict[tuple[str, str], ReactionState]


class RoomOpened(msgspec.Struct, frozen=True):
    room: RoomState


class RoomChanged(msgspec.Struct, frozen=True):
    """`message` is the system message that tells of it, where the status changed."""

    room: RoomState
    message: MessageState | None


class MemberChanged(msgspec.Struct, frozen=True):
    """`member` is None where the membership ended."""

    room: RoomState
    user_id: str
    member: MemberState | None
    message: MessageState


class MessageAdded(msgspec.Struct, frozen=True):
    message: MessageState


class MessageChanged(msgspec.Struct, frozen=True):
    before: MessageState
    after: MessageState


class MessageRemoved(msgspec.Struct, frozen=True):
    """Deleted: hidden from the present; `before` still says what it was."""

    before: MessageState
    after: MessageState


class MessageErased(msgspec.Struct, frozen=True):
    """Redacted: nothing of what it said is left. `before` is None where its events are gone."""

    before: MessageState | None
    after: MessageState


class Reacted(msgspec.Struct, frozen=True):
    message: MessageState
    emoji: str
    user_id: str
    reaction: ReactionState


class Unreacted(msgspec.Struct, frozen=True):
    """`reaction` is the one that ended."""

    message: MessageState
    emoji: str
    user_id: str
    reaction: ReactionState


class NoEffect(msgspec.Struct, frozen=True):
    """`sequence` is that of the first event with the id, where this is a repetition of it."""

    reason: NoEffectReason
    sequence: int | None = None


Effect = (
    RoomOpened
    | RoomChanged
    | MemberChanged
    | MessageAdded
    | MessageChanged
    | MessageRemoved
    | MessageErased
    | Reacted
    | Unreacted
    | NoEffect
)


class Fold:
    """The fold over one room's events, in sequence order.

    `room`, `messages` and `seen` (event id to sequence) start empty for a fold of a whole room.
    A caller that folds on from a kept state fills in, before `apply`, the room and every message
    and id that the coming events name; what is missing counts as never having been.
    """

    def __init__(self, room: RoomState | None = None) -> None:
        self.room = room
        self.messages: dict[str, MessageState] = {}
        self.seen: dict[str, int] = {}

    def apply(self, logged: ev.RoomEvent) -> Effect:
        """Say what the event does, and take it into the state. Call in sequence order."""
        event = logged.event
        first = self.seen.get(event.id)
        if first is not None:
            return NoEffect(NoEffectReason.REPEATED_ID, first)
        self.seen[event.id] = logged.sequence
        match event:
            case ev.RoomCreated() | ev.RoomUpdated():
                effect = _fold_room(self.room, logged, event)
            case ev.MemberAdded() | ev.MemberRoleChanged() | ev.MemberRemoved():
                effect = _fold_member(self.room, logged, event)
            case _ if self.room is None:
                effect = NoEffect(NoEffectReason.UNKNOWN_ROOM)
            case ev.MessageSent():
                effect = MessageAdded(_sent(logged, event))
            case ev.MessageEdited() | ev.MessageDeleted():
                effect = _fold_message(self.messages.get(event.message_id), logged, event)
            case ev.MessageRedacted():
                envelope = decode_envelope(event.redacted_envelope)
                # A fold that begins later finds a hole there, and must know the id all the same.
                self.seen.setdefault(envelope.id, event.redacted_sequence)
                before = self.messages.get(event.message_id)
                effect = _fold_redaction(before, logged, event, envelope)
            case ev.ReactionAdded() | ev.ReactionRemoved():
                effect = _fold_reaction(self.messages.get(event.message_id), logged, event)
            case _:
                assert_never(event)
        self._take(effect)
        return effect

    def _take(self, effect: Effect) -> None:
        match effect:
            case RoomOpened():
                self.room = effect.room
            case RoomChanged() | MemberChanged():
                self.room = effect.room
                if effect.message is not None:
                    self.messages[effect.message.message_id] = effect.message
            case MessageAdded():
                self.messages[effect.message.message_id] = effect.message
            case MessageChanged() | MessageRemoved() | MessageErased():
                self.messages[effect.after.message_id] = effect.after
            case Reacted():
                effect.message.reactions[effect.emoji, effect.user_id] = effect.reaction
            case Unreacted():
                del effect.message.reactions[effect.emoji, effect.user_id]
            case NoEffect():
                pass
            case _:
                assert_never(effect)


def _fold_room(
    room: RoomState | None, logged: ev.RoomEvent, event: ev.RoomCreated | ev.RoomUpdated
) -> Effect:
    if isinstance(event, ev.RoomCreated):
        if room is not None:
            return NoEffect(NoEffectReason.ROOM_EXISTS)
        return RoomOpened(
            RoomState(
                room_id=logged.room_id,
                name=event.name,
                title=event.title,
                severity=event.severity,
                status=event.status,
                created_by=event.actor,
                created_at=logged.at,
                created_sequence=logged.sequence,
                members={event.actor: MemberState(RoomRole.COMMANDER, logged.at)},
            )
        )
    if room is None:
        return NoEffect(NoEffectReason.UNKNOWN_ROOM)
    after = msgspec.structs.replace(
        room,
        title=room.title if event.title is UNSET else event.title,
        severity=room.severity if event.severity is UNSET else event.severity,
        status=room.status if event.status is UNSET else event.status,
    )
    if after == room:
        return NoEffect(NoEffectReason.UNCHANGED)
    if after.status == room.status:
        return RoomChanged(after, None)
    facts = {"status": after.status.value, "previous_status": room.status.value}
    text = f"{event.actor} changed the status from {room.status} to {after.status}"
    return RoomChanged(after, _system(logged, SystemEventType.STATUS_CHANGED, text, facts))


def _fold_member(
    room: RoomState | None,
    logged: ev.RoomEvent,
    event: ev.MemberAdded | ev.MemberRoleChanged | ev.MemberRemoved,
) -> Effect:
    if room is None:
        return NoEffect(NoEffectReason.UNKNOWN_ROOM)
    user = event.user_id
    before = room.members.get(user)
    members = dict(room.members)
    facts: dict[str, Any] = {"user_id": user}
    if isinstance(event, ev.MemberRemoved):
        if before is None:
            return NoEffect(NoEffectReason.UNCHANGED)
        del members[user]
        facts["role"] = before.role.value
        left = user == event.actor
        kind = SystemEventType.USER_LEFT if left else SystemEventType.MEMBER_REMOVED
        text = f"{user} left" if left else f"{event.actor} removed {user}"
        message = _system(logged, kind, text, facts)
        after_room = msgspec.structs.replace(room, members=members)
        return MemberChanged(after_room, user, None, message)
    if before is None and isinstance(event, ev.MemberRoleChanged):
        return NoEffect(NoEffectReason.UNCHANGED)
    facts["role"] = event.role.value
    if before is None:
        name = event.name if isinstance(event, ev.MemberAdded) else None
        member = MemberState(event.role, logged.at, name)
        joined = user == event.actor
        kind = SystemEventType.USER_JOINED if joined else SystemEventType.MEMBER_ADDED
        text = f"{user} joined" if joined else f"{event.actor} added {user} as {event.role}"
    elif before.role == event.role:
        return NoEffect(NoEffectReason.UNCHANGED)
    else:
        member = msgspec.structs.replace(before, role=event.role)
        kind = SystemEventType.ROLE_CHANGED
        facts["previous_role"] = before.role.value
        text = f"{event.actor} made {user} {event.role}"
    members[user] = member
    return MemberChanged(
        msgspec.structs.replace(room, members=members),
        user,
        member,
        _system(logged, kind, text, facts),
    )


def _system(
    logged: ev.RoomEvent, kind: SystemEventType, text: str, facts: dict[str, Any]
) -> MessageState:
    return MessageState(
        message_id=logged.event.id,
        room_id=logged.room_id,
        sequence=logged.sequence,
        sender_id=logged.event.actor,
        message_type=MessageType.SYSTEM,
        content=text,
        metadata={"event": kind.value, **facts},
        reply_to=None,
        created_at=logged.at,
        edited_at=None,
        deleted_at=None,
        version=logged.sequence,
        reactions={},
    )


def _sent(logged: ev.RoomEvent, event: ev.MessageSent) -> MessageState:
    return MessageState(
        message_id=event.id,
        room_id=logged.room_id,
        sequence=logged.sequence,
        sender_id=event.actor,
        message_type=event.message_type,
        content=event.content,
        metadata=event.metadata,
        reply_to=event.reply_to,
        created_at=logged.at,
        edited_at=None,
        deleted_at=None,
        version=logged.sequence,
        reactions={},
    )


def _fold_message(
    message: MessageState | None,
    logged: ev.RoomEvent,
    event: ev.MessageEdited | ev.MessageDeleted,
) -> Effect:
    if message is None:
        return NoEffect(NoEffectReason.UNKNOWN_MESSAGE)
    if message.deleted_at is not None:
        return NoEffect(NoEffectReason.MESSAGE_DELETED)
    if event.expected_version is not None and event.expected_version != message.version:
        return NoEffect(NoEffectReason.VERSION_MISMATCH)
    if isinstance(event, ev.MessageEdited):
        after = msgspec.structs.replace(
            message,
            content=event.content,
            metadata=message.metadata if event.metadata is None else event.metadata,
            edited_at=logged.at,
            version=logged.sequence,
        )
        return MessageChanged(message, after)
    after = msgspec.structs.replace(
        message, content="", metadata={}, deleted_at=logged.at, version=logged.sequence
    )
    return MessageRemoved(message, after)


def _fold_redaction(
    message: MessageState | None,
    logged: ev.RoomEvent,
    event: ev.MessageRedacted,
    envelope: Envelope,
) -> Effect:
    # The result must be the same whether the erased events were read (a fold that was there) or
    # are holes by now (a fold that begins later): all that the message gathered meanwhile goes.
    if envelope.type != "message.sent":
        return NoEffect(NoEffectReason.UNCHANGED)
    after = MessageState(
        message_id=event.message_id,
        room_id=logged.room_id,
        sequence=event.redacted_sequence,
        sender_id=envelope.actor,
        message_type=MessageType.TEXT,
        content="",
        metadata={},
        reply_to=None,
        created_at=envelope.at,
        edited_at=None,
        deleted_at=logged.at,
        version=logged.sequence,
        reactions={},
    )
    return MessageErased(message, after)


def _fold_reaction(
    message: MessageState | None,
    logged: ev.RoomEvent,
    event: ev.ReactionAdded | ev.ReactionRemoved,
) -> Effect:
    if message is None:
        return NoEffect(NoEffectReason.UNKNOWN_MESSAGE)
    if message.deleted_at is not None:
        return NoEffect(NoEffectReason.MESSAGE_DELETED)
    before = message.reactions.get((event.emoji, event.actor))
    if isinstance(event, ev.ReactionAdded):
        if before is not None:
            return NoEffect(NoEffectReason.REACTION_REPEATED)
        reaction = ReactionState(logged.sequence, logged.at)
        return Reacted(message, event.emoji, event.actor, reaction)
    if before is None:
        return NoEffect(NoEffectReason.REACTION_UNKNOWN)
    return Unreacted(message, event.emoji, event.actor, before)
