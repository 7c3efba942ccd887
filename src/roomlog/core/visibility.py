"""What one user could see of a room at a moment, and which events say so.

Members read the whole of a room, also what was said before they joined; who is no member, nothing.
What a token allows beyond that (`auditor`, `admin`) is in no log, and so not judged here.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from roomlog_contract import events as ev
from roomlog_contract import fold as fo
from roomlog_contract.types import MessageType, RoomRole


class Shown(StrEnum):
    """How a message stood: shown; deleted, that is, hidden from the present and readable in views
    of the past; or redacted, a tombstone in all of them."""

    PRESENT = "present"
    DELETED = "deleted"
    REDACTED = "redacted"


class MembershipChange(msgspec.Struct, frozen=True):
    """An event that gave a user a role in the room, or took it (`role` None).

    `at` is when it was said, `appended_ns` (nanoseconds since the Unix epoch) when it was appended.
    """

    sequence: int
    type: str
    actor: str
    at: str
    appended_ns: int
    role: RoomRole | None


class Membership(msgspec.Struct, frozen=True):
    """A time in which a user was a member: what began it and changed it, and what ended it."""

    changes: list[MembershipChange]
    ended: MembershipChange | None = None


class Wording(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a message said from sequence `version` on. `redacted_by` is the sequence of the
    redaction since which nobody can tell: `content` is empty then."""

    version: int
    content: str
    metadata: dict[str, Any]
    redacted_by: int | None = None


class SeenMessage(msgspec.Struct, frozen=True):
    """A message that could be read. `earlier`: what it had said before, oldest first, where that
    could be read too; of a deleted one all that it had said. `message_type` is None where only
    the envelope is left to tell. `redacted_by` is the sequence of the redaction, also where that
    came after the moment, and what it said can't be told any more: `state` is how it stood then.
    """

    message_id: str
    sequence: int
    sender_id: str
    message_type: MessageType | None
    state: Shown
    content: str
    metadata: dict[str, Any]
    version: int
    created_at: str
    edited_at: str | None
    deleted_at: str | None
    redacted_by: int | None
    earlier: list[Wording]


class Sight:
    """Follows a room's events for one user, up to the moment asked about.

    `redactions`: by the sequence of an erased event that of its redaction, wherever in the log
    this lies. The caller takes each event in once, in sequence order, and for an erased one its
    `skeleton`. Grows with what was said.
    """

    def __init__(self, user_id: str, redactions: Mapping[int, int]) -> None:
        self._user_id = user_id
        self._redactions = redactions
        self._fold = fo.Fold()
        self._wordings: dict[str, list[Wording]] = {}
        self.memberships: list[Membership] = []

    def take(self, logged: ev.RoomEvent, appended_ns: int) -> None:
        """Take the next event in."""
        before = self.role
        effect = self._fold.apply(logged)
        match effect:
            case fo.MessageAdded():
                self._word(effect.message)
            case fo.MessageChanged():
                self._word(effect.after)
            case fo.MessageErased():
                self._wordings[effect.after.message_id] = []
            case fo.RoomChanged() | fo.MemberChanged() if effect.message is not None:
                self._word(effect.message)
            case _:
                pass
        if self.role != before:
            self._change(logged, appended_ns)

    @property
    def role(self) -> RoomRole | None:
        """The user's role in the room by now; None where no member."""
        room = self._fold.room
        member = None if room is None else room.members.get(self._user_id)
        return None if member is None else member.role

    @property
    def room(self) -> fo.RoomState | None:
        """The room by now; None before there was one."""
        return self._fold.room

    def messages(self) -> list[SeenMessage]:
        """What the user could read by now, oldest first; nothing without membership."""
        if self.role is None:
            return []
        said = sorted(self._fold.messages.values(), key=lambda message: message.sequence)
        return [self._seen(message) for message in said]

    def _word(self, message: fo.MessageState) -> None:
        redacted_by = self._redactions.get(message.version)
        kept = ("", {}) if redacted_by is not None else (message.content, message.metadata)
        wording = Wording(message.version, *kept, redacted_by)
        self._wordings.setdefault(message.message_id, []).append(wording)

    def _change(self, logged: ev.RoomEvent, appended_ns: int) -> None:
        event = logged.event
        change = MembershipChange(
            logged.sequence, event.type, event.actor, logged.at, appended_ns, self.role
        )
        open_ = self.memberships and self.memberships[-1].ended is None
        if not open_:
            self.memberships.append(Membership([change]))
        elif change.role is None:
            changes = self.memberships[-1].changes
            self.memberships[-1] = Membership(changes, change)
        else:
            self.memberships[-1].changes.append(change)

    def _seen(self, message: fo.MessageState) -> SeenMessage:
        wordings = self._wordings[message.message_id]
        state = Shown.PRESENT if message.deleted_at is None else Shown.DELETED
        if not wordings:
            state = Shown.REDACTED
        shown = wordings[-1] if state is Shown.PRESENT else None
        redacted_by = self._redactions.get(message.sequence)
        if state is Shown.REDACTED:
            redacted_by = message.version
        return SeenMessage(
            message_id=message.message_id,
            sequence=message.sequence,
            sender_id=message.sender_id,
            message_type=message.message_type if redacted_by is None else None,
            state=state,
            content="" if shown is None else shown.content,
            metadata={} if shown is None else shown.metadata,
            version=message.version,
            created_at=message.created_at,
            edited_at=message.edited_at,
            deleted_at=message.deleted_at,
            redacted_by=redacted_by,
            earlier=wordings[:-1] if shown is not None else wordings,
        )


class _Envelope(msgspec.Struct, frozen=True):
    id: str
    type: str
    room_id: str
    actor: str
    at: str
    message_id: str
    expected_version: int | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)


def skeleton(sequence: int, envelope: bytes) -> ev.RoomEvent | None:
    """The erased event that an envelope is left of, saying nothing: enough for the fold to tell
    when there was a message, when it was edited and when deleted. None for other envelopes."""
    try:
        kept = _envelope_decoder.decode(envelope)
    except (msgspec.DecodeError, RecursionError):
        return None
    event = _saying_nothing(kept)
    return None if event is None else ev.RoomEvent(sequence, 0, kept.room_id, kept.at, event)


def _saying_nothing(kept: _Envelope) -> ev.Event | None:
    match kept.type:
        case "message.sent":
            return ev.MessageSent(
                id=kept.id,
                actor=kept.actor,
                message_id=kept.message_id,
                message_type=MessageType.TEXT,
                content="",
            )
        case "message.edited":
            return ev.MessageEdited(
                id=kept.id,
                actor=kept.actor,
                message_id=kept.message_id,
                content="",
                expected_version=kept.expected_version,
            )
        case "message.deleted":
            return ev.MessageDeleted(
                id=kept.id,
                actor=kept.actor,
                message_id=kept.message_id,
                expected_version=kept.expected_version,
            )
        case _:
            return None
