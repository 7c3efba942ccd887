"""A room's timeline as it unfolded: each event, and what the fold says that it did.

The lines are for a terminal: what others wrote cannot move its cursor or hide anything.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, assert_never

import msgspec

from roomlog.audit.export import time_text
from roomlog.core.printable import printable
from roomlog.core.upcasters import UnreadableEventError, room_event
from roomlog.ports import EventLog, LogEvent
from roomlog_contract import fold as fo
from roomlog_contract.events import Event, RoomEvent

_INDENT = "    "


class Told(NamedTuple):
    """One event of a replay. `logged` and `effect` are None where its bytes cannot be read."""

    sequence: int
    appended_ns: int
    logged: RoomEvent | None
    effect: fo.Effect | None

    @property
    def at(self) -> datetime | None:
        """When it was said."""
        return None if self.logged is None else datetime.fromisoformat(self.logged.at)


class ToldEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The same for machines. `effect` is its name, `reason` why there is none."""

    sequence: int
    appended_at: str
    at: str | None = None
    event: Event | None = None
    effect: str = "unreadable"
    reason: str | None = None


class Replay:
    """A room's events, folded one after the other. Grows with the room's messages."""

    def __init__(self) -> None:
        self.fold = fo.Fold()
        self.position = 0

    def tell(self, event: LogEvent) -> Told:
        """Take the next event in."""
        self.position = event.sequence
        try:
            logged = room_event(event.sequence, event.prev_sequence, event.data)
        except UnreadableEventError:
            return Told(event.sequence, event.appended_ns, None, None)
        return Told(event.sequence, event.appended_ns, logged, self.fold.apply(logged))

    async def events(
        self, log: EventLog, room_id: str, *, up_to: int | None = None
    ) -> AsyncIterator[Told]:
        """What comes after `position`, to `up_to` or the log's end. Raises LogUnavailableError."""
        async for batch in log.read(room_id, after=self.position, up_to=up_to):
            for event in batch:
                yield self.tell(event)


def for_machines(told: Told) -> ToldEvent:
    """An event of a replay as JSON has it."""
    appended_at = time_text(told.appended_ns)
    if told.logged is None or told.effect is None:
        return ToldEvent(told.sequence, appended_at)
    reason = told.effect.reason.value if isinstance(told.effect, fo.NoEffect) else None
    return ToldEvent(
        told.sequence,
        appended_at,
        told.logged.at,
        told.logged.event,
        _EFFECTS[type(told.effect)],
        reason,
    )


_EFFECTS: dict[type[fo.Effect], str] = {
    fo.RoomOpened: "room_opened",
    fo.RoomChanged: "room_changed",
    fo.MemberChanged: "member_changed",
    fo.MessageAdded: "message_added",
    fo.MessageChanged: "message_changed",
    fo.MessageRemoved: "message_removed",
    fo.MessageErased: "message_erased",
    fo.Reacted: "reacted",
    fo.Unreacted: "unreacted",
    fo.NoEffect: "no_effect",
}


def in_words(told: Told) -> list[str]:
    """An event of a replay for people: a line, and more where something was said."""
    if told.logged is None or told.effect is None:
        return [f"{told.sequence:>8}  {time_text(told.appended_ns)}  (cannot be read)"]
    actor = printable(told.logged.event.actor)
    did, *said = _did(told.effect, told.logged.event)
    return [f"{told.sequence:>8}  {told.logged.at}  {actor} {did}", *said]


def _did(effect: fo.Effect, event: Event) -> list[str]:
    """What was done, and below it what was said."""
    match effect:
        case fo.RoomOpened() | fo.RoomChanged() | fo.MemberChanged():
            return [_did_to_room(effect)]
        case fo.Reacted():
            return [f"reacted {printable(effect.emoji)} to {effect.message.sequence}"]
        case fo.Unreacted():
            return [f"took {printable(effect.emoji)} back from {effect.message.sequence}"]
        case fo.NoEffect():
            return [f"({event.type} without effect: {effect.reason.value})"]
        case _:
            return _did_to_message(effect, event)


def _did_to_room(effect: fo.RoomOpened | fo.RoomChanged | fo.MemberChanged) -> str:
    match effect:
        case fo.RoomOpened():
            return f'opened the room "{printable(effect.room.name)}"{_about(effect.room)}'
        case fo.RoomChanged():
            return f"changed the room{_about(effect.room)}"
        case fo.MemberChanged():
            user = printable(effect.user_id)
            if effect.member is None:
                return f"took {user} out of the room"
            return f"made {user} {effect.member.role.value}"
        case _:
            assert_never(effect)


def _did_to_message(
    effect: fo.MessageAdded | fo.MessageChanged | fo.MessageRemoved | fo.MessageErased,
    event: Event,
) -> list[str]:
    match effect:
        case fo.MessageAdded():
            said = effect.message
            return [f"said{_kind(said)}{_answering(said)}", *_said(said)]
        case fo.MessageChanged():
            before, after = _said(effect.before, "- "), _said(effect.after, "+ ")
            return [f"edited {effect.before.sequence}{_reason(event)}", *before, *after]
        case fo.MessageRemoved():
            before = _said(effect.before, "- ")
            return [f"deleted {effect.before.sequence}{_reason(event)}", *before]
        case fo.MessageErased():
            return [f"redacted {effect.after.sequence}{_reason(event)}: what it said is gone"]
        case _:
            assert_never(effect)


def _about(room: fo.RoomState) -> str:
    told = (("title", room.title), ("severity", room.severity), ("status", room.status.value))
    return "".join(f", {name} {printable(value)}" for name, value in told if value is not None)


def _kind(message: fo.MessageState) -> str:
    return "" if message.message_type == "text" else f" ({message.message_type.value})"


def _answering(message: fo.MessageState) -> str:
    return "" if message.reply_to is None else f" in reply to {printable(message.reply_to)}"


def _reason(event: Event) -> str:
    reason: object = getattr(event, "reason", None)
    return f" ({printable(reason)})" if isinstance(reason, str) and reason else ""


def _said(message: fo.MessageState, mark: str = "") -> list[str]:
    return words_of(message.content, message.metadata, mark)


def words_of(content: str, metadata: dict[str, Any], mark: str = "") -> list[str]:
    """What a message says as lines for a terminal, `mark` before each."""
    said = printable(content, indent="").split("\n") if content else []
    lines = [f"{_INDENT}{mark}{line}" for line in said]
    facts = {name: value for name, value in metadata.items() if name != "mentions"}
    if facts:
        lines.append(f"{_INDENT}{mark}{printable(_json(facts))}")
    return [line.rstrip() for line in lines]


def _json(facts: dict[str, Any]) -> str:
    return msgspec.json.encode(facts).decode()


def as_it_stood(fold: fo.Fold) -> list[str]:
    """The room's conversation for people, oldest first, as the fold has it."""
    room = fold.room
    if room is None:
        return ["there was no room yet"]
    members = ", ".join(
        f"{printable(user)} ({member.role.value})" for user, member in room.members.items()
    )
    lines = [f'room "{printable(room.name)}"{_about(room)}', f"members: {members}"]
    for message in sorted(fold.messages.values(), key=lambda one: one.sequence):
        lines += _stood(message)
    return lines


def _stood(message: fo.MessageState) -> Iterable[str]:
    changed = "" if message.edited_at is None else f" (edited {message.edited_at})"
    changed = changed if message.deleted_at is None else f" (deleted {message.deleted_at})"
    sender = printable(message.sender_id)
    yield f"{message.sequence:>8}  {message.created_at}  {sender}{_kind(message)}{changed}"
    if message.deleted_at is None:
        yield from _said(message)
    reactions = _reactions(list(message.reactions))
    if reactions:
        yield _INDENT + reactions


def _reactions(given: Sequence[tuple[str, str]]) -> str:
    users: dict[str, list[str]] = {}
    for emoji, user in given:
        users.setdefault(emoji, []).append(printable(user))
    return "  ".join(f"{printable(emoji)} {', '.join(who)}" for emoji, who in users.items())
