"""Who could see what: a room as one user could read it at a moment, by the log alone.

The log is read twice, as for a bundle: redactions come after what they erased, and that somebody
could read what was redacted later is just what one wants to know of a password.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from roomlog.audit.export import Progress, Redaction, redactions_in, time_text
from roomlog.audit.replay import words_of
from roomlog.core.printable import printable
from roomlog.core.upcasters import UnreadableEventError, room_event
from roomlog.core.visibility import (
    Membership,
    MembershipChange,
    SeenMessage,
    Shown,
    Sight,
    skeleton,
)
from roomlog.ports import EventLog, LogEvent
from roomlog_contract.types import RoomRole

NOT_TOLD = (
    "tokens with the role admin or auditor read every room: they are not in the log",
    "a membership that ended is cut off within 2 s: what was said in these may have been seen",
    "that something could be read does not say that it was",
)
"""What the answer does not say, for people and machines."""


class Visibility(msgspec.Struct, frozen=True):
    """What a user could see right after sequence `as_of` (0: before the room's first event).

    `role` is None for no member, and `messages` empty then. `memberships` up to that moment are
    the events that say so. `unreadable` events up to there are bytes that no version explains.
    """

    room_id: str
    user_id: str
    as_of: int
    name: str | None
    role: RoomRole | None
    memberships: list[Membership]
    messages: list[SeenMessage]
    unreadable: int
    not_told: tuple[str, ...] = NOT_TOLD


async def visibility(
    log: EventLog, room_id: str, user_id: str, moment: int | datetime | None, progress: Progress
) -> Visibility:
    """What the user could see right after a sequence, by a time of the log, or now.

    The room has events. `progress` is told how far of twice the room's head the work has come.
    Raises LogUnavailableError.
    """
    head = await log.last_sequence(room_id)
    redactions = await redactions_in(log, room_id, 0, None, progress)
    while True:
        up_to = await _place(log, room_id, moment, head, redactions)
        reading = _Reading(user_id, redactions)
        async for batch in log.read(room_id, after=0, up_to=up_to):
            for event in batch:
                reading.take(event)
            progress(head + batch[-1].sequence, "following the room")
        reading.take_erased(before=up_to + 1)
        # What was redacted while this read may be missing from what it read.
        late = await redactions_in(log, room_id, head, None, progress)
        if late.keys() <= redactions.keys():
            return _answer(room_id, user_id, up_to, reading)
        redactions = late | redactions


async def _place(
    log: EventLog,
    room_id: str,
    moment: int | datetime | None,
    head: int,
    redactions: Mapping[int, Redaction],
) -> int:
    """The sequence up to which the room is meant."""
    if not isinstance(moment, datetime):
        return head if moment is None else min(moment, head)
    place = last = await log.sequence_at(room_id, moment)
    # When erased events were appended is lost: between their neighbours, by when they were said.
    for erased in sorted(one for one in redactions if one > place):
        left = skeleton(erased, redactions[erased].envelope)
        if left is None or datetime.fromisoformat(left.at) > moment:
            break
        if await log.last_sequence(room_id, up_to=erased) != last:
            break
        place = erased
    return place


def _answer(room_id: str, user_id: str, up_to: int, reading: "_Reading") -> Visibility:
    sight = reading.sight
    return Visibility(
        room_id=room_id,
        user_id=user_id,
        as_of=up_to,
        name=None if sight.room is None else sight.room.name,
        role=sight.role,
        memberships=sight.memberships,
        messages=sight.messages(),
        unreadable=reading.unreadable,
    )


class _Reading:
    """Puts what is left of erased events back into their places."""

    def __init__(self, user_id: str, redactions: Mapping[int, Redaction]) -> None:
        self.sight = Sight(user_id, {one: redaction.by for one, redaction in redactions.items()})
        self.unreadable = 0
        self._redactions = redactions
        self._erased = sorted(redactions, reverse=True)

    def take(self, event: LogEvent) -> None:
        """Take the next event in, and what was erased before it."""
        self.take_erased(before=event.sequence)
        if self._erased and self._erased[-1] == event.sequence:
            self._erased.pop()  # redacted, and its bytes are there still
        try:
            logged = room_event(event.sequence, event.prev_sequence, event.data)
        except UnreadableEventError:
            self.unreadable += 1
            return
        self.sight.take(logged, event.appended_ns)

    def take_erased(self, *, before: int) -> None:
        """Take in what is left of events below that sequence."""
        while self._erased and self._erased[-1] < before:
            sequence = self._erased.pop()
            left = skeleton(sequence, self._redactions[sequence].envelope)
            if left is not None:
                self.sight.take(left, 0)  # no change of a membership, the one use of that time


def in_words(seen: Visibility) -> Iterable[str]:
    """The answer for people, a line each."""
    user = printable(seen.user_id)
    name = "" if seen.name is None else f' "{printable(seen.name)}"'
    yield f"room {seen.room_id}{name} as of sequence {seen.as_of}"
    if seen.role is None:
        was = "was no member any more" if seen.memberships else "had never been a member"
        yield f"{user} {was} and could read nothing"
    else:
        yield f"{user} was {seen.role.value} and could read {_counted(seen.messages)}"
    if seen.memberships:
        yield "by these events:"
    for membership in seen.memberships:
        ended = [] if membership.ended is None else [membership.ended]
        yield from map(_change, [*membership.changes, *ended])
    if seen.messages:
        yield "messages:"
    for message in seen.messages:
        yield from _message(message)
    if seen.unreadable:
        yield f"{seen.unreadable:,} events cannot be read, and what they said is not here"
    yield "not told here:"
    yield from (f"  - {line}" for line in seen.not_told)


def _counted(messages: list[SeenMessage]) -> str:
    one = "1 message" if len(messages) == 1 else f"{len(messages):,} messages"
    counts = {state: sum(m.state is state for m in messages) for state in Shown}
    since = sum(m.redacted_by is not None and m.state is not Shown.REDACTED for m in messages)
    told = (
        (counts[Shown.DELETED], "deleted by then"),
        (counts[Shown.REDACTED], "redacted by then"),
        (since, "redacted since"),
    )
    return ", ".join([one, *(f"{count:,} {what}" for count, what in told if count)])


def _change(change: MembershipChange) -> str:
    role = "" if change.role is None else f": {change.role.value}"
    actor, when = printable(change.actor), time_text(change.appended_ns)
    said = "" if change.at[:19] == when[:19] else f" (said {change.at})"
    return f"{change.sequence:>8}  {when}  {change.type} by {actor}{role}{said}"


def _message(message: SeenMessage) -> Iterable[str]:
    kind = message.message_type
    about = "" if kind is None or kind == "text" else f" ({kind.value})"
    sender = printable(message.sender_id)
    yield f"{message.sequence:>8}  {message.created_at}  {sender}{about}{_state(message)}"
    for wording in message.earlier:
        if wording.redacted_by is None:
            yield from words_of(wording.content, wording.metadata, "- ")
    yield from words_of(message.content, message.metadata)


def _state(message: SeenMessage) -> str:
    told = f" (edited {message.edited_at})" if message.edited_at is not None else ""
    if message.state is Shown.DELETED:
        told = f" (deleted {message.deleted_at}: only in views of the past)"
    if message.state is Shown.REDACTED:
        return f" (redacted {message.deleted_at} by event {message.redacted_by})"
    if message.redacted_by is not None:
        told += f" (redacted since, by event {message.redacted_by}: what it said is gone)"
    return told
